"""What two passes over pairs of prompts hold, as paths through values need it: the run's points, and differences."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.observables.value_paths import Values, values_of
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.models.language_model import LanguageModel

Stream = Float[Tensor, "n pos d_model"]


@dataclass(frozen=True, eq=False)
class PairStreams:
    """Two passes, by layer; differences are the clean prompt's less the corrupted one's.

    Attributes:
        patterns: of the clean prompts.
        values: differences of what heads read as values.
        pre: what heads read the norm of, in the clean prompts.
        mid: what MLPs read the norm of, in the clean prompts.
        written: differences of what MLPs write; none without MLPs.
        start: differences of what the stream begins with.
        end: the clean prompts' stream behind the last layer.
        end_gap: its differences.
    """

    patterns: tuple[Float[Tensor, "n n_heads q_pos pos"], ...]
    values: tuple[Values, ...]
    pre: tuple[Stream, ...]
    mid: tuple[Stream, ...]
    written: tuple[Stream, ...]
    start: Stream
    end: Stream
    end_gap: Stream


@torch.no_grad()
def pair_streams(model: LanguageModel, pairs: PromptPairs) -> PairStreams:
    """Return what the passes over a batch of pairs hold."""
    spec = model.spec
    layers, has_mlp = range(spec.n_layers), spec.d_mlp > 0
    middle = "resid_mid" if has_mlp and not spec.parallel else "resid_pre"
    changing = ["v", *["mlp_out"] * has_mlp]
    end = f"resid_post.{spec.n_layers - 1}"
    kinds = dict.fromkeys(["resid_pre", middle, "pattern", *changing])
    seen = model.activations(
        pairs.clean.to(model.device), [*(f"{kind}.{layer}" for layer in layers for kind in kinds), end]
    )
    # Patterns are asked for here, too, so that equal tokens go through the same arithmetic in both passes.
    other = model.activations(
        pairs.corrupted.to(model.device),
        ["resid_pre.0", *(f"{kind}.{layer}" for layer in layers for kind in ("pattern", *changing)), end],
    )
    gaps = {name: seen[name] - other[name] for name in other if not name.startswith("pattern")}
    return PairStreams(
        patterns=tuple(seen[f"pattern.{layer}"] for layer in layers),
        values=tuple(values_of(gaps[f"v.{layer}"], spec.n_heads) for layer in layers),
        pre=tuple(seen[f"resid_pre.{layer}"] for layer in layers),
        mid=tuple(seen[f"{middle}.{layer}"] for layer in layers),
        written=tuple(gaps[f"mlp_out.{layer}"] for layer in layers if has_mlp),
        start=gaps["resid_pre.0"],
        end=seen[end],
        end_gap=gaps[end],
    )
