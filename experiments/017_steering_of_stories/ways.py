"""Ways of steering along a direction: at a ladder of strengths, at every token or where a story calls for a word."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from causes import Cause
from finding import calls_for
from torch import Tensor

import mechlab
from mechlab.circuits.directions.direction import Direction
from mechlab.circuits.directions.examples import Examples
from mechlab.circuits.directions.logistic_probe import LogisticProbe
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.models.language_model import LanguageModel

OTHERS = 4000
Gate = tuple[Tensor, float]


@dataclass(frozen=True, eq=False)
class Ladder:
    """How a direction becomes a way.

    Attributes:
        model: who is steered.
        rows: text that norms are measured on.
        strengths: in mean norms of the activation at the site, the weakest first.
        gates: what opens a gate, by site; without one a step is made at every token.
        stop: the first token of a text that is no longer steered; None steers all.
    """

    model: LanguageModel
    rows: TokenRows
    strengths: Sequence[float]
    gates: Mapping[str, Gate] | None = None
    stop: int | None = None

    def way(self, name: str, direction: Direction) -> mechlab.Way:
        """Return a way along a direction."""
        sources, gate = {"direction": direction.vector}, None
        if self.gates is not None:
            sources["calls"], above = self.gates[direction.site]
            gate = mechlab.SteerGate(part=mechlab.VectorPart(name="calls"), above=above)
        step = mechlab.SteerStep(
            part=mechlab.VectorPart(name="direction"),
            unit="mean_norm",
            sites=(direction.site,),
            gate=gate,
            span=mechlab.TokenSpan(stop=self.stop),
        )
        spec = mechlab.SteerSpec(steps=(step,), model=self.model.fingerprint)
        told = mechlab.measured(self.model, spec, self.rows, sources, n_rows=32)
        edits = {by: partial(mechlab.steer_by, self.model, told.times(by), sources) for by in self.strengths}
        return mechlab.Way(name, edits)


def calls_of(model: LanguageModel, rows: TokenRows, asked: Cause, site: str) -> Gate:
    """Return a direction and a threshold that tell where a word of the cause or of a sister comes next."""
    where = calls_for(model, rows, asked)
    vectors = model.activations(rows.tokens.long(), [site])[site][~rows.special]
    order = torch.randperm(len(vectors), generator=torch_generator(0, "tokens that call for nothing"))
    kept = where | torch.isin(torch.arange(len(vectors)), order[:OTHERS])
    examples = Examples(site, model.fingerprint, vectors[kept], where[kept], torch.arange(int(kept.sum())))
    fit = LogisticProbe().fit(examples)
    assert fit.threshold is not None
    return (fit.vector / fit.vector.norm()).float(), fit.threshold


def prompted(asked: Cause) -> mechlab.Way:
    """Return the way that needs no edit: a sentence about the cause is said before, and does not count."""
    return mechlab.Way("prompt", {1.0: nullcontext}, asked.said)
