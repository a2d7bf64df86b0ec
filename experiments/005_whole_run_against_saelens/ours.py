"""Our run from the model on, as `mechlab train topk` builds it, a step at a time."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from settings import BATCH, FORWARD_ROWS, POOL, K, Setting

import mechlab
from mechlab.corpora.rows import TokenRows
from mechlab.training.course import Course, Watcher
from mechlab.training.run import TrainingRun
from mechlab.training.source import Batch


def loaded(model: Any, dtype: torch.dtype = torch.float32) -> mechlab.LanguageModel:
    """Return a Hugging Face model as a user has it: saved in a folder, and loaded from there."""
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return mechlab.load(Path(folder), dtype=dtype)


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
    """A run of ours: model, stream, dictionary and loop; if `rounded`, both multiply in bfloat16."""

    def __init__(self, setting: Setting, model: Any, tokens: torch.Tensor, *, rounded: bool) -> None:
        rows = TokenRows(tokens.int(), torch.zeros_like(tokens, dtype=torch.bool), "random")
        n_batches = tokens.numel() // BATCH  # more than are taken, so that it reads on until the end
        mix = mechlab.StreamConfig(batch_size=BATCH, pool_size=POOL, n_batches=n_batches, forward_rows=FORWARD_ROWS)
        reader = loaded(model, torch.bfloat16 if rounded else torch.float32)
        self.stream = TimedStream(reader, rows, f"resid_post.{setting.layer}", mix)
        config = mechlab.TopKConfig(d_in=self.stream.d_in, d_sae=setting.d_sae, k=K)
        precision = "bfloat16" if rounded else "float32"
        training = mechlab.TrainConfig(n_tokens=n_batches * BATCH, batch_size=BATCH, precision=precision)
        self._course = Course(TrainingRun(mechlab.TopKDictionary(config), self.stream, training), Watcher())

    def step(self) -> tuple[float, float]:
        """Take one step; return the CPU seconds of the activations and of the training."""
        started, served = time.process_time(), self.stream.seconds
        self._course.step()
        serving = self.stream.seconds - served
        return serving, time.process_time() - started - serving
