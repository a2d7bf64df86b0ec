"""The cases of the comparison: kinds, sizes and regimes, and both trainers at the same starting point."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from sae_lens import (
    BatchTopKTrainingSAE,
    BatchTopKTrainingSAEConfig,
    GatedTrainingSAE,
    GatedTrainingSAEConfig,
    JumpReLUTrainingSAE,
    JumpReLUTrainingSAEConfig,
    MatryoshkaBatchTopKTrainingSAE,
    MatryoshkaBatchTopKTrainingSAEConfig,
    StandardTrainingSAE,
    StandardTrainingSAEConfig,
    TopKTrainingSAE,
    TopKTrainingSAEConfig,
)
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.training.config import TrainConfig
from mechlab.training.run import TrainingRun
from mechlab.training.source import TensorSource

THEIRS = {
    "relu": (StandardTrainingSAE, StandardTrainingSAEConfig),
    "gated": (GatedTrainingSAE, GatedTrainingSAEConfig),
    "topk": (TopKTrainingSAE, TopKTrainingSAEConfig),
    "batchtopk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig),
    "jumprelu": (JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig),
    "matryoshka": (MatryoshkaBatchTopKTrainingSAE, MatryoshkaBatchTopKTrainingSAEConfig),
}
RENAMED = defaultdict(dict, gated={"b_enc": "b_gate"})
D_IN, NEVER, DEAD_WINDOW_STEPS = 768, 10**9, 1000


@dataclass(frozen=True)
class Case:
    """One row of the table. `regime` says what is special: `dead` a tenth of the features, `few` codes on."""

    kind: str
    d_sae: int
    batch: int
    regime: str = "plain"
    options: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    target: float | None = None
    target_bfloat16: float | None = None
    precision: Literal["float32", "bfloat16"] = "float32"

    @property
    def name(self) -> str:
        """Return what the row is called."""
        return f"{self.kind}, {self.regime}, d_sae {self.d_sae:,}, batch {self.batch:,}, {self.precision}"


def cases() -> list[Case]:
    """Return the rows of the table; the targets are ratios of CPU time."""
    exact = exact_cases()
    rounded = [replace(case, precision="bfloat16", target=case.target_bfloat16) for case in exact]
    return exact + rounded


def exact_cases() -> list[Case]:
    """Return the rows in float32."""
    large = (16384, 2048)
    widths = {"widths": (1024, 2048, 4096, 8192, 16384)}
    nested = {"matryoshka_widths": [1024, 2048, 4096, 8192, 16384]}
    return [
        Case("topk", *large, options={"k": 32}, target=8, target_bfloat16=5),
        Case("topk", *large, regime="dead", options={"k": 32}, target=8, target_bfloat16=5),
        Case("batchtopk", *large, options={"k": 32}, target=9, target_bfloat16=6),
        Case("matryoshka", *large, options={"k": 32} | widths, theirs=nested, target=8, target_bfloat16=6),
        Case("relu", *large, target=2.2, target_bfloat16=2),
        Case("relu", *large, regime="few", target=6, target_bfloat16=3),
        Case("jumprelu", *large, target=2.2, target_bfloat16=2),
        Case("jumprelu", *large, regime="few", target=6, target_bfloat16=3),
        Case("gated", *large, target=4),
        Case("topk", 4096, 4096, options={"k": 32}, target=6),
    ]


def both(case: Case) -> tuple[TrainingRun, SAETrainer, torch.Tensor]:
    """Return both trainers with the same parameters, and the batch they train on."""
    rows = torch.randn(case.batch, D_IN, generator=torch.Generator().manual_seed(0))
    ours = KINDS[case.kind](build(KINDS[case.kind].Config, {"d_in": D_IN, "d_sae": case.d_sae, **case.options}))
    if case.regime == "few":
        leave_few_on(ours, rows)
    sae, config = THEIRS[case.kind]
    shared = {name: value for name, value in case.options.items() if name != "widths"}
    theirs = sae(config(d_in=D_IN, d_sae=case.d_sae, **shared, **case.theirs))
    own = {RENAMED[case.kind].get(name, name): value.clone() for name, value in ours.state_dict().items()}
    theirs.load_state_dict({"W_enc": own.pop("encoder").T.contiguous(), **own})
    config = TrainConfig(
        n_tokens=NEVER * case.batch,
        batch_size=case.batch,
        dead_after_tokens=DEAD_WINDOW_STEPS * case.batch,
        normalization="none",
        b_dec_init="zeros",
        lr_warmup_fraction=0.0,
        precision=case.precision,
    )
    run = TrainingRun(ours, TensorSource(rows, case.batch), config)
    settings = SAETrainerConfig(
        total_training_samples=NEVER * case.batch,
        train_batch_size_samples=case.batch,
        lr=config.lr,
        lr_end=config.lr,
        dead_feature_window=DEAD_WINDOW_STEPS,
        autocast=case.precision == "bfloat16",
        logger=LoggingConfig(log_to_wandb=False),
    )
    return run, SAETrainer(settings, theirs, iter([])), rows


@torch.no_grad()
def leave_few_on(dictionary: Any, rows: torch.Tensor, wanted: int = 64) -> None:
    """Lower the encoder's bias until about so many codes per vector are on, as after training."""
    pre = dictionary.pre_activations(rows[:64])
    dictionary.b_enc.sub_(pre.quantile(1 - wanted / pre.shape[1], dim=1).mean())
