"""One random GPT-2 with a TopK transcoder for every MLP, the prompt, and our attribution graph of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

import mechlab
from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.core.randomness import torch_generator
from mechlab.dictionaries.topk import TopKDictionary
from mechlab.models.huggingface import HuggingFaceModel

BOS = 0


@dataclass(frozen=True, eq=False)
class Case:
    """What both sides are given."""

    module: Any
    transcoders: tuple[TopKDictionary, ...]
    tokens: Tensor
    targets: tuple[int, ...]
    k: int


def case_of(settings: dict[str, Any], k: int, n_pos: int) -> Case:
    """Return the model, its transcoders with `k` features on, and a prompt behind a BOS."""
    draw = torch_generator(settings["seed"], "weights")
    torch.manual_seed(settings["seed"])  # the library that makes the model takes no generator
    module = GPT2LMHeadModel(GPT2Config(**settings["model"], bos_token_id=BOS, eos_token_id=BOS))
    width = settings["model"]["n_embd"]
    config = mechlab.TopKConfig(
        d_in=width, d_out=width, d_sae=settings["d_sae"], k=k, rescale_acts_by_decoder_norm=False
    )
    made = []
    for layer in range(settings["model"]["n_layer"]):
        transcoder = TopKDictionary(config, seed=settings["seed"] + layer).eval().requires_grad_(False)
        transcoder.b_enc.normal_(0, 0.01, generator=draw)
        transcoder.b_dec.normal_(0, 0.1, generator=draw)
        made.append(transcoder)
    tokens = torch.randint(1, settings["model"]["vocab_size"], (1, n_pos), generator=draw)
    tokens[0, 0] = BOS
    return Case(module.eval().requires_grad_(False), tuple(made), tokens, tuple(settings["targets"]), k)


def ours(case: Case) -> Callable[[], AttributionGraph]:
    """Return what makes our graph, everything loaded."""
    model = HuggingFaceModel(case.module)
    found = mechlab.TranscoderSet.of({f"mlp.{layer}": one for layer, one in enumerate(case.transcoders)}, model.spec)

    tokens, targets = case.tokens, case.targets

    def graph() -> AttributionGraph:
        held = replace(mechlab.frozen_pass(model, found, tokens), has_bos=True)
        return mechlab.attribution_graph(held, mechlab.logit_targets(held, targets))

    return graph
