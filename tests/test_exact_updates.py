"""Twelve updates in float32 end as near to the same updates in float64 as SAELens's own float32 does.

The oracle is SAELens's trainer in float64. Adam turns a gradient near zero, whose sign is rounding, into a step of full
length; so the first gradients, which cannot part like that, are held to float32's precision.
"""

from dataclasses import dataclass, field

import pytest
import torch
from oracles.saelens_trainer import SaeLensTrainer, as_saelens
from torch import Tensor

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig
from mechlab.training.run import TrainingRun
from mechlab.training.source import TensorSource

D_IN, D_SAE, BATCH, N_STEPS, FEW, NEVER = 24, 160, 256, 12, 2, 1000
FLOAT32, FAR_BELOW_EVERY_BUG = 1e-6, 1e-5
NESTED = {"k": 4.5, "widths": [10, 40, D_SAE]}
JUMP = {"jumprelu_init_threshold": 0.3, "jumprelu_bandwidth": 0.4, "l0_coefficient": 0.05}
Named = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A kind with its options, after how many steps a silent feature is dead, and whether few codes are on."""

    kind: str
    options: dict[str, object] = field(default_factory=dict)
    dead_after: int = NEVER
    few: bool = False

    def __str__(self) -> str:
        return "-".join([self.kind, *(["dead"] if self.dead_after < NEVER else []), *(["few"] if self.few else [])])


CASES = [
    Case("topk", {"k": 6}),
    Case("topk", {"k": 3}, dead_after=1),
    Case("batchtopk", {"k": 6.5}),
    Case("batchtopk", {"k": 6.5}, dead_after=2),
    Case("matryoshka", NESTED),
    Case("matryoshka", NESTED, dead_after=1),
    Case("relu", {"l1_coefficient": 0.3}),
    Case("relu", {"l1_coefficient": 0.3}, few=True),
    Case("jumprelu", JUMP),
    Case("jumprelu", {**JUMP, "jumprelu_init_threshold": 2.0, "pre_act_loss_coefficient": 0.01}, dead_after=1),
    Case("jumprelu", JUMP, few=True),
    Case("gated", {"l1_coefficient": 0.3}),
    Case("gated", {"l1_coefficient": 0.3}, few=True),
]


def batches() -> Tensor:
    draw = torch.Generator().manual_seed(3)
    directions = torch.randn(40, D_IN, generator=draw)
    strengths = torch.rand(N_STEPS, BATCH, 40, generator=draw).mul(12).sub(10.5).relu()
    return strengths @ directions + 0.3 * torch.randn(N_STEPS, BATCH, D_IN, generator=draw) + 0.5


@torch.no_grad()
def start_of(case: Case) -> Dictionary:
    sizes = {"d_in": D_IN, "d_sae": D_SAE}
    dictionary = KINDS[case.kind](build(KINDS[case.kind].Config, {**sizes, **case.options}), seed=5)
    draw = torch.Generator().manual_seed(4)
    dictionary.W_dec.mul_(torch.rand(D_SAE, 1, generator=draw) * 8 + 2)  # far from unit norm, unequal
    dictionary.b_enc.copy_(torch.randn(D_SAE, generator=draw) * 0.1)
    if case.few:
        pre = dictionary.pre_activations(batches()[0])
        dictionary.b_enc.sub_(pre.quantile(1 - FEW / D_SAE))
    return dictionary


class OurTrainer:
    """Our run behind the same three calls as the oracle's."""

    def __init__(self, dictionary: Dictionary, config: TrainConfig) -> None:
        self.run = TrainingRun(dictionary, TensorSource(batches()[0], BATCH), config)

    def step(self, rows: Tensor) -> None:
        self.run.advance(rows, rows)

    def parameters(self) -> Named:
        return self._of(dict(self.run.dictionary.named_parameters()))

    def first_moments(self) -> Named:
        state = self.run.optimizer.state
        return self._of({name: state[value]["exp_avg"] for name, value in self.run.dictionary.named_parameters()})

    def _of(self, tensors: Named) -> Named:
        return as_saelens(self.run.dictionary.kind, tensors)


def trainers(case: Case) -> dict[str, OurTrainer | SaeLensTrainer]:
    dictionary = start_of(case)
    config = TrainConfig(
        n_tokens=10**9, batch_size=BATCH, lr=2e-3, lr_warmup_fraction=0.0, dead_after_tokens=case.dead_after * BATCH,
        normalization="none", b_dec_init="zeros",
    )  # fmt: skip
    return {
        "exact": SaeLensTrainer(dictionary, config, case.options, torch.float64),
        "saelens": SaeLensTrainer(dictionary, config, case.options, torch.float32),
        "ours": OurTrainer(dictionary, config),
    }


def apart(found: Named, exact: Named, whole: Named) -> float:
    """Return the distance of all tensors together, as a part of the length of `whole`."""
    missed = sum((found[name].double() - exact[name]).square().sum() for name in exact)
    return float((missed / sum(value.square().sum() for value in whole.values())) ** 0.5)


def projected(parameters: Named) -> Named:
    """Return the parameters with thresholds at or above zero: SAELens projects before a step, we after it."""
    return {name: value.clamp(min=0.0) if name == "threshold" else value for name, value in parameters.items()}


@pytest.mark.parametrize("case", [case for case in CASES if case.dead_after == NEVER], ids=str)
def test_every_gradient_is_that_of_float64_to_rounding(case: Case) -> None:
    sides = trainers(case)
    rows = batches()[0]
    for side in sides.values():
        side.step(rows)
    ours, exact = sides["ours"].first_moments(), sides["exact"].first_moments()
    distances = {name: float((ours[name] - exact[name]).norm() / exact[name].norm()) for name in exact}
    assert all(distance <= FLOAT32 for distance in distances.values()), distances


@pytest.mark.parametrize("case", CASES, ids=str)
def test_twelve_updates_end_as_near_to_float64_as_saelens_own(case: Case) -> None:
    sides = trainers(case)
    start = sides["exact"].parameters()
    for rows in batches():
        for side in sides.values():
            side.step(rows)
    ends = {name: projected(side.parameters()) for name, side in sides.items()}
    change = {name: ends["exact"][name] - start[name] for name in start}
    ours, theirs = (apart(ends[name], ends["exact"], change) for name in ("ours", "saelens"))
    assert theirs <= FAR_BELOW_EVERY_BUG, "the oracle's own float32 is that far off: Adam divides by noise here"
    assert ours <= max(2 * theirs, FLOAT32)
