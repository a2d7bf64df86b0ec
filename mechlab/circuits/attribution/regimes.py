"""What pushing MLP outputs does to targets, in the frozen model, in the replacement model, and in the model itself.

1. `direct`: attention, norms, codes and errors are held; a push goes on along the stream, heads and skips alone.
2. `replacement`: attention, norms and errors are held; features encode what then reaches them.
3. `model`: nothing is held.
4. Targets are read in rows with pushes and in one without, in one pass; the difference is the effect.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.sources import Sources
from mechlab.circuits.attribution.targets import Targets
from mechlab.interventions.hold import hold, push
from mechlab.interventions.stand_in import stand_in
from mechlab.models.language_model import LanguageModel

Regime = Literal["direct", "replacement", "model"]
REGIMES: tuple[Regime, ...] = ("direct", "replacement", "model")
Effects = Float[Tensor, "n n_targets"]


@dataclass(frozen=True, eq=False)
class Push:
    """What is added to MLP outputs, a row of a batch each: by layer a vector, at one position."""

    positions: Int[Tensor, "n"]
    vectors: dict[int, Float[Tensor, "n d_model"]]

    def rows(self, some: slice) -> "Push":
        """Return some of them, and a row behind them to which nothing is added."""
        vectors = {layer: torch.cat([one[some], torch.zeros_like(one[:1])]) for layer, one in self.vectors.items()}
        return Push(torch.cat([self.positions[some], self.positions[:1]]), vectors)


def feature_push(sources: Sources, columns: Int[Tensor, "n"], share: Float[Tensor, "n"]) -> Push:
    """Return what features write times a share each: -1 takes them away."""
    vectors = {}
    for layer, written in enumerate(sources.written):
        places = torch.full((len(sources.code),), -1, device=columns.device)
        places[written.columns] = torch.arange(len(written.columns), device=columns.device)
        own = places[columns]
        if (own >= 0).any():
            vectors[layer] = torch.where((own >= 0)[:, None], written.vectors[own] * share[:, None], 0)
    return Push(sources.position[columns], vectors)


@dataclass(frozen=True, eq=False)
class Trial:
    """A model, what is held still of its pass over a prompt, and what adds to it."""

    model: LanguageModel
    frozen: FrozenPass
    sources: Sources


@torch.no_grad()
def effects_of(trial: Trial, pushed: Push, targets: Targets, regime: Regime, rows_at_once: int = 32) -> Effects:
    """Return how each push changes each target.

    Args:
        trial: where.
        pushed: what is added.
        targets: what is measured.
        regime: what is held still.
        rows_at_once: pushes in one pass.

    Source: Ameisen et al. 2025, "Circuit Tracing: Revealing Computational Graphs in Language Models" (interventions in
    the local replacement model and in the model).
    """
    parts = [targets.values.new_zeros(0, len(targets))]
    for start in range(0, len(pushed.positions), rows_at_once):
        found = _values(trial, pushed.rows(slice(start, start + rows_at_once)), targets, regime)
        parts.append(found[:-1] - found[-1:])
    return torch.cat(parts)


def _values(trial: Trial, pushed: Push, targets: Targets, regime: Regime) -> Effects:
    model, frozen, n_rows = trial.model, trial.frozen, len(pushed.positions)
    site, vectors = _reading(frozen, targets)
    with ExitStack() as opened:
        opened.enter_context(holding(trial, regime, n_rows))
        opened.enter_context(push(model, pushed.positions, pushed.vectors))
        seen = model.activations(frozen.tokens.expand(n_rows, -1), [site])[site]
    return (seen[:, targets.positions].to(vectors) * vectors).sum(-1) + targets.bias


@contextmanager
def holding(trial: Trial, regime: Regime, n_rows: int) -> Iterator[None]:
    """Open a context in which all that a regime holds still is held, in passes over so many rows of the prompt."""
    model, frozen, sources = trial.model, trial.frozen, trial.sources
    if regime == "model":
        yield
        return
    codes = _codes(frozen, sources)
    untouched = torch.zeros(n_rows, frozen.n_pos, dtype=torch.bool, device=frozen.tokens.device)
    untouched[:, 0] = frozen.has_bos

    def held(layer: int, found: Tensor) -> Tensor:
        return codes[layer].expand_as(found)

    change = held if regime == "direct" else None
    stands_in = stand_in(model, frozen.transcoders, change=change, errors=sources.errors[:, None], untouched=untouched)
    with hold(model, _still(frozen)), stands_in:
        yield


def _still(frozen: FrozenPass) -> dict[str, Tensor]:
    """Return attention patterns and the norms' divisors by site."""
    found = {f"pattern.{layer}": one.pattern for layer, one in enumerate(frozen.layers)}
    if frozen.spec.normalization == "none":
        return found
    for layer, one in enumerate(frozen.layers):
        divisors = {"ln1_scale": one.ln1, "ln1_post_scale": one.ln1_post, "ln2_scale": one.read_divisor}
        found |= {f"{kind}.{layer}": value for kind, value in divisors.items() if value is not None}
    return found | {"ln_final_scale": frozen.ln_final}


def _codes(frozen: FrozenPass, sources: Sources) -> list[Tensor]:
    codes = []
    for layer in range(frozen.spec.n_layers):
        own = sources.layer == layer
        found = frozen.final.new_zeros(frozen.n_pos, frozen.transcoders.n_features(layer))
        found[sources.position[own], sources.feature[own]] = sources.code[own]
        codes.append(found)
    return codes


def _reading(frozen: FrozenPass, targets: Targets) -> tuple[str, Float[Tensor, "n d_model"]]:
    """Return where targets read in a pass, and along what: behind a norm, what they read is already divided."""
    n_layers, has_norms = frozen.spec.n_layers, frozen.spec.normalization != "none"
    is_end = targets.layer == n_layers
    if is_end and targets.through_norm and has_norms:
        return "ln_final_normalized", targets.vectors * frozen.ln_final[targets.positions]
    if is_end:
        return f"resid_post.{n_layers - 1}", targets.vectors
    if targets.before_heads or not targets.through_norm:
        return f"{'resid_pre' if targets.before_heads else 'resid_mid'}.{targets.layer}", targets.vectors
    divisor = frozen.layers[targets.layer].read_divisor
    vectors = targets.vectors if divisor is None else targets.vectors * divisor[targets.positions]
    return frozen.transcoders.site(targets.layer), vectors
