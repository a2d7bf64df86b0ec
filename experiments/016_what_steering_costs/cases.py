"""What a model is steered by in each case, and whether the same can be said to TransformerLens by a hook."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mechlab import (
    FeaturePart,
    LanguageModel,
    ReluConfig,
    ReluDictionary,
    SteerGate,
    SteerSpec,
    SteerStep,
    TokenSpan,
    VectorPart,
)
from mechlab.core.randomness import torch_generator

V = VectorPart(name="v")
HOOKED = ("one site", "every layer")
"""Cases that TransformerLens is given, too: a vector added where a block ends."""


def sources_of(model: LanguageModel, settings: dict[str, Any]) -> dict[str, Any]:
    """Return a random direction and a random dictionary, as wide as the model."""
    width = model.spec.d_model
    draw = torch_generator(settings["seed"], "direction")
    dictionary = ReluDictionary(ReluConfig(d_in=width, d_sae=settings["d_sae"]), seed=settings["seed"])
    return {"v": torch.randn(width, generator=draw), "sae": dictionary.requires_grad_(False)}


def cases_of(model: LanguageModel, settings: dict[str, Any], n_rows: int) -> dict[str, SteerSpec | Sequence[SteerSpec]]:
    """Return the specs by name; of the last one, each row has its own."""
    by, middle = settings["strength"], f"resid_post.{model.spec.n_layers // 2}"
    one = SteerStep(part=V, strength=by, sites=(middle,))
    feature = FeaturePart(dictionary="sae", feature=3)
    steps = {
        "one site": one,
        "every layer": SteerStep(part=V, strength=by, sites=("resid_post",)),
        "window of decoded tokens": SteerStep(
            part=V, strength=by, sites=(middle,), span=TokenSpan(within="decoded", start=5, stop=20)
        ),
        "ablated, gated, length kept": SteerStep(
            part=V, operation="ablate", sites=(middle,), gate=SteerGate(part=V), keep_norm=True
        ),
        "feature clamped": SteerStep(part=feature, operation="clamp", strength=by, sites=(middle,)),
    }
    specs: dict[str, SteerSpec | Sequence[SteerSpec]] = {name: SteerSpec(steps=(step,)) for name, step in steps.items()}
    own = SteerSpec(steps=(one,))
    return {**specs, "every row its own strength": [own.times(row / n_rows) for row in range(n_rows)]}


def prompts_of(model: LanguageModel, settings: dict[str, Any], n_rows: int) -> Tensor:
    """Return random rows of tokens."""
    draw = torch_generator(settings["seed"], "prompts")
    return torch.randint(3, model.spec.d_vocab, (n_rows, settings["n_prompt"]), generator=draw)
