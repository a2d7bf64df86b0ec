"""A run's steps change the parameters as SAELens's own trainer does, from the same start on the same batches."""

from collections.abc import Iterator

import pytest
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
from torch import Tensor

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.loop import Watcher, fit
from mechlab.training.state import TrainingState, unprefixed

D_IN, D_SAE, BATCH, N_STEPS = 24, 160, 256, 12
THEIRS = {
    "relu": (StandardTrainingSAE, StandardTrainingSAEConfig),
    "gated": (GatedTrainingSAE, GatedTrainingSAEConfig),
    "topk": (TopKTrainingSAE, TopKTrainingSAEConfig),
    "batchtopk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig),
    "jumprelu": (JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig),
    "matryoshka": (MatryoshkaBatchTopKTrainingSAE, MatryoshkaBatchTopKTrainingSAEConfig),
}
THEIR_NAMES = {"widths": "matryoshka_widths", "aux_loss_per_level": "use_matryoshka_aux_loss"}
THEIR_TENSORS = {"gated": {"b_enc": "b_gate"}}
MAGNITUDES = ("r_mag", "b_mag")
NESTED = {"k": 4.5, "widths": [10, 40, D_SAE]}
JUMP = {"jumprelu_init_threshold": 0.3, "jumprelu_bandwidth": 0.4, "l0_coefficient": 0.05}
CASES = [
    ("relu", {"l1_coefficient": 0.3, "l1_warm_up_steps": 5}, 1000),
    ("relu", {"l1_coefficient": 2.0, "apply_b_dec_to_input": False}, 1000),
    ("topk", {"k": 6}, 1000),
    ("topk", {"k": 6}, 2),
    ("topk", {"k": 3, "aux_loss_coefficient": 0.25}, 1),
    ("topk", {"k": 6, "rescale_acts_by_decoder_norm": False}, 2),
    ("topk", {"k": 6, "apply_b_dec_to_input": False}, 2),
    ("batchtopk", {"k": 6.5}, 1000),
    ("batchtopk", {"k": 3.0, "topk_threshold_lr": 0.2}, 1),
    ("batchtopk", {"k": 3.0, "rescale_acts_by_decoder_norm": False}, 1),
    ("jumprelu", JUMP, 1000),
    ("jumprelu", {**JUMP, "jumprelu_sparsity_loss_mode": "tanh", "jumprelu_ste_to_input": True}, 1000),
    ("jumprelu", {**JUMP, "jumprelu_init_threshold": 2.0, "pre_act_loss_coefficient": 0.01}, 1),
    ("jumprelu", {**JUMP, "jumprelu_sparsity_loss_mode": "quadratic", "target_l0": 10.0, "l0_warm_up_steps": 4}, 1000),
    ("gated", {"l1_coefficient": 0.3, "l1_warm_up_steps": 5}, 1000),
    ("gated", {"l1_coefficient": 2.0, "apply_b_dec_to_input": False}, 1000),
    ("matryoshka", NESTED, 1000),
    ("matryoshka", NESTED, 1),
    ("matryoshka", {**NESTED, "aux_loss_per_level": True, "aux_loss_coefficient": 0.5}, 1),
    ("matryoshka", {**NESTED, "rescale_acts_by_decoder_norm": False, "apply_b_dec_to_input": False}, 1),
]


class Batches:
    """The given batches, in order."""

    def __init__(self, batches: Tensor) -> None:
        self.batches, self.served = batches, 0

    def next(self) -> Tensor:
        self.served += 1
        return self.batches[self.served - 1]

    def state(self) -> dict[str, Tensor]:
        return {"served": torch.tensor(self.served)}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.served = int(state["served"])


def batches() -> Tensor:
    draw = torch.Generator().manual_seed(3)
    directions = torch.randn(40, D_IN, generator=draw)
    strengths = torch.rand(N_STEPS, BATCH, 40, generator=draw).mul(12).sub(10.5).relu()
    return strengths @ directions + 0.3 * torch.randn(N_STEPS, BATCH, D_IN, generator=draw) + 0.5


def start_of(kind: str, options: dict[str, object]) -> Dictionary:
    dictionary = KINDS[kind](build(KINDS[kind].Config, {"d_in": D_IN, "d_sae": D_SAE, **options}), seed=5)
    draw = torch.Generator().manual_seed(4)
    with torch.no_grad():
        dictionary.W_dec.mul_(torch.rand(D_SAE, 1, generator=draw) * 8 + 2)  # far from unit norm, unequal
        dictionary.b_enc.copy_(torch.randn(D_SAE, generator=draw) * 0.1)
        dictionary.b_dec.copy_(torch.randn(D_IN, generator=draw) * 0.1)
        for name, parameter in dictionary.named_parameters():
            if name in MAGNITUDES:
                parameter.copy_(torch.randn(D_SAE, generator=draw) * 0.1)
    return dictionary


def ours_after(dictionary: Dictionary, window: int) -> dict[str, Tensor]:
    config = TrainConfig(
        n_tokens=N_STEPS * BATCH, batch_size=BATCH, lr=2e-3, lr_warmup_fraction=3 / 12, lr_decay_fraction=4 / 12,
        dead_after_tokens=window * BATCH, normalization="none", b_dec_init="zeros", checkpoint_every_steps=N_STEPS,
    )  # fmt: skip
    states: list[TrainingState] = []
    fit(dictionary, Batches(batches()), config, Watcher(save=lambda step, state: states.append(state)))
    return unprefixed("dictionary", states[-1].tensors)


def theirs_after(kind: str, options: dict[str, object], start: dict[str, Tensor], window: int) -> dict[str, Tensor]:
    sae_class, config_class = THEIRS[kind]
    named = {THEIR_NAMES.get(name, name): value for name, value in options.items()}
    sae = sae_class(config_class(d_in=D_IN, d_sae=D_SAE, **named))
    sae.load_state_dict(
        {name: value.clone(memory_format=torch.contiguous_format) for name, value in renamed(kind, start).items()}
    )
    config = SAETrainerConfig(
        total_training_samples=N_STEPS * BATCH, train_batch_size_samples=BATCH, lr=2e-3, lr_end=2e-4,
        lr_warm_up_steps=3, lr_decay_steps=4, dead_feature_window=window, logger=LoggingConfig(log_to_wandb=False),
    )  # fmt: skip
    trainer = SAETrainer(config, sae, each_of(batches()))
    trainer.fit()
    return sae.state_dict()


def renamed(kind: str, ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return our parameters under SAELens's names and in its layout."""
    names = THEIR_TENSORS.get(kind, {})
    theirs = {names.get(name, name): value for name, value in ours.items() if name != "encoder"}
    return {"W_enc": ours["encoder"].T, **theirs}


def each_of(rows: Tensor) -> Iterator[Tensor]:
    yield from rows


@pytest.mark.parametrize(("kind", "options", "window"), CASES)
def test_twelve_steps_change_the_parameters_as_saelens_does(kind: str, options: dict[str, object], window: int) -> None:
    dictionary = start_of(kind, options)
    raw = {name: value.clone() for name, value in dictionary.state_dict().items()}
    start = renamed(kind, raw)
    theirs = theirs_after(kind, options, raw, window)
    ours = renamed(kind, ours_after(dictionary, window))
    if "threshold" in theirs:  # SAELens projects before a step, we project after it
        theirs["threshold"] = theirs["threshold"].clamp(min=0.0)
    assert set(ours) == set(theirs)
    for name in ours:
        change = (theirs[name] - start[name]).norm()
        assert change > 0
        assert (ours[name] - theirs[name]).norm() <= 1e-5 * change, name
