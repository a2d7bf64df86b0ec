"""Faithfulness: how much of what a model does its circuits do, when all edges outside carry the corrupted prompt.

1. The outcome of each circuit is measured on each prompt; of no edge (0) and of all edges (1), too.
2. `f = (m(circuit) - m(none)) / (m(all) - m(none))`, of means over prompts.
3. CPR is the area under f over the share of edges, by trapezoids: the higher the better.
4. CMD is the area between f and 1: 0 is best.

Source: Mueller et al. 2025, "MIB: A Mechanistic Interpretability Benchmark", circuit track (shares, CPR, CMD).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from mechlab.circuits.outcomes import Outcome
from mechlab.circuits.patching.edge_runs import outcomes_outside
from mechlab.circuits.patching.settings import DEFAULT, runs
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.edge_changes import written
from mechlab.interventions.wiring import wiring_of
from mechlab.models.language_model import LanguageModel

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Of all edges, how many are in a circuit."""
Means = Float64[Tensor, "*draws n_circuits_and_two"]


@dataclass(frozen=True, eq=False)
class FaithfulnessCurve:
    """Outcomes of circuits of growing size.

    Attributes:
        shares: of all edges, how many are in each circuit.
        outcomes: each prompt's outcome with no edge, with all edges, and in each circuit.
    """

    shares: tuple[float, ...]
    outcomes: Float64[Tensor, "n_circuits_and_two n"]

    @property
    def faithfulness(self) -> Float64[Tensor, "n_circuits"]:
        """Return f of each circuit."""
        return faithfulness(self.outcomes.mean(1))

    @property
    def cpr(self) -> float:
        """Return the area under f."""
        return float(cpr(self.faithfulness, self.shares))

    @property
    def cmd(self) -> float:
        """Return the area between f and 1."""
        return float(cmd(self.faithfulness, self.shares))


def faithfulness(means: Means) -> Float64[Tensor, "*draws n_circuits"]:
    """Return f from mean outcomes, those with no edge and with all edges first."""
    none, whole = means[..., :1], means[..., 1:2]
    return (means[..., 2:] - none) / (whole - none)


def cpr(values: Float64[Tensor, "*draws n_circuits"], shares: Sequence[float]) -> Float64[Tensor, "*draws"]:
    """Return the area under f, from the smallest share to the largest, of each set of values.

    Source: Mueller et al. 2025 (circuit performance ratio).
    """
    return torch.trapezoid(values, torch.tensor(shares, dtype=values.dtype))


def cmd(values: Float64[Tensor, "*draws n_circuits"], shares: Sequence[float]) -> Float64[Tensor, "*draws"]:
    """Return the area between f and 1, from the smallest share to the largest, of each set of values.

    Source: Mueller et al. 2025 (circuit-model distance).
    """
    return torch.trapezoid((1 - values).abs(), torch.tensor(shares, dtype=values.dtype))


def sizes_of(shares: Sequence[float], n: int) -> list[int]:
    """Return how many of `n` each share is, rounded down.

    Raises:
        UsageError: a share is not between 0 and 1, or they do not grow.
    """
    if list(shares) != sorted(set(shares)) or not shares or not 0 <= shares[0] <= shares[-1] <= 1:
        raise UsageError("shares of edges do not grow from 0 to 1", value=", ".join(map(str, shares)))
    return [int(share * n + 1e-9) for share in shares]


@torch.no_grad()
def faithfulness_curve(
    model: LanguageModel,
    batches: Sequence[PromptPairs],
    circuits: Bool[Tensor, "n_circuits n_sources n_readers"],
    outcome: Outcome,
    shares: Sequence[float] = SHARES,
    progress: Progress = SILENT,
) -> FaithfulnessCurve:
    """Return what circuits of these shares do, each prompt apart.

    Args:
        model: whose circuits they are.
        batches: the prompts; others than the edges were chosen on.
        circuits: the edges in, circuit by circuit.
        outcome: what is measured.
        shares: of all edges, how many are in each circuit.
        progress: where to report.

    Raises:
        UsageError: there is no prompt, there are more or fewer shares than circuits, or a circuit has an edge that
            does not exist.

    Source: Mueller et al. 2025, circuit track.
    """
    if len(shares) != len(circuits):
        raise UsageError("shares do not fit the circuits", value=f"{len(shares)} for {len(circuits)}")
    wiring = wiring_of(model)
    if n_lost := int((circuits & ~wiring.is_edge).sum()):
        raise UsageError("circuits have edges that do not exist", value=n_lost)
    ends = torch.stack([torch.zeros_like(wiring.is_edge), wiring.is_edge])
    outside, parts = wiring.is_edge & ~torch.cat([ends, circuits]), list[Tensor]()
    with progress.task("running circuits", len(outside) * sum(map(len, batches)), "rows") as task:
        for pairs in runs(batches, DEFAULT):
            others, found = written(model, wiring, pairs.corrupted), list[Tensor]()
            for some in outside.split(max(1, DEFAULT.rows_at_once // len(pairs))):
                found.append(outcomes_outside(model, wiring, pairs, others, some, outcome))
                task.advance(len(some) * len(pairs))
            parts.append(torch.cat(found))
    return FaithfulnessCurve(tuple(shares), torch.cat(parts, dim=1))
