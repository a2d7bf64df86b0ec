"""Our run from the model on, as `mechlab train topk` builds it, a step at a time."""

import time
from typing import Any

import torch
from settings import BATCH, FORWARD_ROWS, POOL, K, Setting

import mechlab
from mechlab.corpora.rows import TokenRows
from mechlab.training.course import Course, Watcher
from mechlab.training.run import TrainingRun
from mechlab.training.source import Batch


class TimedStream(mechlab.ActivationStream):
    """The stream of activations, with a clock around what it serves."""

    seconds = 0.0

    def next(self) -> Batch:
        """Return the next batch and add its CPU seconds up."""
        started = time.process_time()
        batch = super().next()
        self.seconds += time.process_time() - started
        return batch


class OurRun:
    """A run of ours: model, stream, dictionary and loop."""

    def __init__(self, setting: Setting, model: Any, tokens: torch.Tensor) -> None:
        rows = TokenRows(tokens.int(), torch.zeros_like(tokens, dtype=torch.bool), "random")
        n_batches = tokens.numel() // BATCH  # more than are taken, so that it reads on until the end
        mix = mechlab.StreamConfig(batch_size=BATCH, pool_size=POOL, n_batches=n_batches, forward_rows=FORWARD_ROWS)
        self.stream = TimedStream(mechlab.load(model), rows, f"resid_post.{setting.layer}", mix)
        config = mechlab.TopKConfig(d_in=self.stream.d_in, d_sae=setting.d_sae, k=K)
        training = mechlab.TrainConfig(n_tokens=n_batches * BATCH, batch_size=BATCH)
        self._course = Course(TrainingRun(mechlab.TopKDictionary(config), self.stream, training), Watcher())

    def step(self) -> tuple[float, float]:
        """Take one step; return the CPU seconds of the activations and of the training."""
        started, served = time.process_time(), self.stream.seconds
        self._course.step()
        serving = self.stream.seconds - served
        return serving, time.process_time() - started - serving
