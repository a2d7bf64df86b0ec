"""The kinds both have, at one size, and each side's trainer at the same starting point."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import sae_lens
import torch
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.training.config import TrainConfig
from mechlab.training.run import TrainingRun
from mechlab.training.source import TensorSource

D_IN, D_SAE, BATCH, FEW, N_DEAD = 768, 16384, 2048, 64, 1638
NEVER, DEAD_WINDOW_STEPS = 10**9, 1000
WIDTHS = [1024, 2048, 4096, 8192, 16384]
THEIR_CLASSES = {
    "relu": "Standard",
    "gated": "Gated",
    "topk": "TopK",
    "batchtopk": "BatchTopK",
    "jumprelu": "JumpReLU",
    "matryoshka": "MatryoshkaBatchTopK",
}
THEIR_NAMES = defaultdict(dict, gated={"b_enc": "b_gate"}, matryoshka={"widths": "matryoshka_widths"})


@dataclass(frozen=True)
class Case:
    """A kind and its options; `few`: codes are as rare as after training; `dead`: a tenth of the features is dead."""

    kind: str
    regime: str = "plain"
    wanted: float = 0.65
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return what the row is called."""
        return f"{self.kind}, {self.regime}"


CASES = [
    Case("topk", wanted=0.4, options={"k": 32}),
    Case("topk", "dead", wanted=0.4, options={"k": 32}),
    Case("batchtopk", options={"k": 32}),
    Case("matryoshka", options={"k": 32, "widths": WIDTHS}),
    Case("relu"),
    Case("relu", "few"),
    Case("jumprelu"),
    Case("jumprelu", "few"),
    Case("gated"),
]


def batch() -> torch.Tensor:
    """Return the batch every step trains on."""
    return torch.randn(BATCH, D_IN, generator=torch.Generator().manual_seed(0))


class Ours:
    """Our training run."""

    def __init__(self, case: Case, rows: torch.Tensor) -> None:
        sizes = {"d_in": D_IN, "d_sae": D_SAE}
        self.dictionary = KINDS[case.kind](build(KINDS[case.kind].Config, {**sizes, **case.options}))
        self._dead = case.regime == "dead"
        if case.regime == "few":
            self._leave_few_on(rows)
        config = TrainConfig(
            n_tokens=NEVER * BATCH,
            batch_size=BATCH,
            dead_after_tokens=DEAD_WINDOW_STEPS * BATCH,
            normalization="none",
            b_dec_init="zeros",
            lr_warmup_fraction=0.0,
        )
        self.run = TrainingRun(self.dictionary, TensorSource(rows, BATCH), config)

    def step(self, rows: torch.Tensor) -> None:
        """Take one step."""
        if self._dead:
            self.run.tokens_since_fired[:N_DEAD] = self.run.config.dead_after_tokens + 1
        self.run.advance(rows, rows)

    def parameters(self) -> dict[str, torch.Tensor]:
        """Return copies of parameters and buffers as SAELens names and lays them out."""
        return self._named_as_theirs(self.dictionary.state_dict())

    def first_moments(self) -> dict[str, torch.Tensor]:
        """Return copies of Adam's running means of the gradients."""
        state = self.run.optimizer.state
        return self._named_as_theirs({n: state[value]["exp_avg"] for n, value in self.dictionary.named_parameters()})

    def _named_as_theirs(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        found = {name: value.detach().clone() for name, value in tensors.items()}
        names = THEIR_NAMES[self.dictionary.kind]
        return {"W_enc": found.pop("encoder").T.contiguous()} | {names.get(n, n): value for n, value in found.items()}

    @torch.no_grad()
    def _leave_few_on(self, rows: torch.Tensor) -> None:
        pre = self.dictionary.pre_activations(rows[:64])
        self.dictionary.b_enc.sub_(pre.quantile(1 - FEW / D_SAE, dim=1).mean())


class Theirs:
    """SAELens's trainer."""

    def __init__(self, case: Case, start: dict[str, torch.Tensor], dtype: torch.dtype = torch.float32) -> None:
        name = THEIR_CLASSES[case.kind] + "TrainingSAE"
        options = {THEIR_NAMES[case.kind].get(key, key): value for key, value in case.options.items()}
        config = getattr(sae_lens, f"{name}Config")(d_in=D_IN, d_sae=D_SAE, dtype=str(dtype).split(".")[1], **options)
        self.sae = getattr(sae_lens, name)(config)
        self.sae.load_state_dict({key: value.to(dtype) for key, value in start.items()})
        self.sae.to(dtype)
        for parameter in self.sae.parameters():
            parameter.data = parameter.data.to(dtype)  # the threshold would stay as it is
        lr = TrainConfig().lr
        settings = SAETrainerConfig(
            total_training_samples=NEVER * BATCH,
            train_batch_size_samples=BATCH,
            lr=lr,
            lr_end=lr,
            dead_feature_window=DEAD_WINDOW_STEPS,
            logger=LoggingConfig(log_to_wandb=False),
        )
        self._dead = case.regime == "dead"
        self.trainer = SAETrainer(settings, self.sae, iter([]))

    def step(self, rows: torch.Tensor) -> None:
        """Take one step."""
        if self._dead:
            self.trainer.n_forward_passes_since_fired[:N_DEAD] = DEAD_WINDOW_STEPS + 1
        self.trainer.step(rows.to(self.sae.W_dec.dtype))
        self.trainer.n_training_steps += 1

    def parameters(self) -> dict[str, torch.Tensor]:
        """Return copies of the parameters."""
        return {name: value.detach().clone() for name, value in self.sae.state_dict().items()}

    def first_moments(self) -> dict[str, torch.Tensor]:
        """Return copies of Adam's running means of the gradients."""
        state = self.trainer.optimizer.state
        return {name: state[value]["exp_avg"].clone() for name, value in self.sae.named_parameters()}
