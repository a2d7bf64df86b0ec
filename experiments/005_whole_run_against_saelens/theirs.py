"""SAELens's own runner, which lets our run take a step whenever it asks for a batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from sae_lens import LanguageModelSAERunnerConfig, LanguageModelSAETrainingRunner, LoggingConfig, TopKTrainingSAEConfig
from sae_lens.load_model import HookedProxyLM
from settings import BATCH, FORWARD_ROWS, POOL, ROW_LENGTH, K, Setting, hooked

from mechlab.core.runtime import keep_freed_memory

Seconds = tuple[float, float]


@dataclass(frozen=True)
class Variant:
    """A way to run SAELens: its model class, the hook's name there, and whether it multiplies in bfloat16."""

    name: str
    wrap: Callable[[Any], Any]
    hook: str
    rounded: bool = False


def proxy(model: Any) -> HookedProxyLM:
    """Return what SAELens makes of a Hugging Face model."""
    return HookedProxyLM(model, None)  # pyright: ignore[reportArgumentType]  # tokens come as such, no tokenizer is asked


VARIANTS = [
    Variant("as it comes", hooked, "blocks.{}.hook_resid_post"),
    Variant("Hugging Face model", proxy, "transformer.h.{}"),
    Variant("Hugging Face model, autocast", proxy, "transformer.h.{}", rounded=True),
]


class Turns:
    """SAELens's store of activations, before each batch of which somebody else takes a turn; it keeps both's time."""

    def __init__(self, store: Any, others_turn: Callable[[], Seconds]) -> None:
        self._store, self._others_turn = store, others_turn
        self._handed_out: float | None = None
        self._serving = 0.0
        self.theirs: list[Seconds] = []
        self.others: list[Seconds] = []

    def __iter__(self) -> "Turns":
        return self

    def __next__(self) -> torch.Tensor:
        self.close_step()
        keep_freed_memory()
        self.others.append(self._others_turn())
        keep_freed_memory(of_any_size=False)  # SAELens leaves the C library as it is
        started = time.process_time()
        batch = next(self._store)
        self._handed_out = time.process_time()
        self._serving = self._handed_out - started
        return batch

    def close_step(self) -> None:
        """Count what has passed since the last batch was handed out as SAELens's training."""
        if self._handed_out is not None:
            self.theirs.append((self._serving, time.process_time() - self._handed_out))


def run_in_turns(setting: Setting, variant: Variant, model: Any, tokens: torch.Tensor, ours: Any) -> Turns:
    """Run SAELens's runner to its end, our run step by step with it."""
    config = LanguageModelSAERunnerConfig(
        sae=TopKTrainingSAEConfig(d_in=setting.d_model, d_sae=setting.d_sae, k=K),
        hook_name=variant.hook.format(setting.layer),
        dataset_path="random tokens",
        context_size=ROW_LENGTH,
        train_batch_size_tokens=BATCH,
        store_batch_size_prompts=FORWARD_ROWS,
        n_batches_in_buffer=POOL // ROW_LENGTH,
        training_tokens=setting.n_steps * BATCH,
        checkpoint_path=None,
        output_path=None,
        verbose=False,
        logger=LoggingConfig(log_to_wandb=False),
        autocast=variant.rounded,
        autocast_lm=variant.rounded,
    )
    dataset = Dataset.from_dict({"tokens": tokens.tolist()})
    runner = LanguageModelSAETrainingRunner(config, override_dataset=dataset, override_model=variant.wrap(model))
    runner.activations_store = turns = Turns(runner.activations_store, ours.step)
    runner.run()
    turns.close_step()
    return turns
