"""One random GPT-2 with a TopK transcoder for every MLP, the prompt, and our attribution graph of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

import mechlab
from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.core.randomness import torch_generator
from mechlab.dictionaries.circuit_tracer_format import to_circuit_tracer
from mechlab.dictionaries.topk import TopKDictionary
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.store.circuit_tracer_folder import CONFIG_NAME, write_transcoders

BOS = 0
HOOKS = ("ln2.hook_normalized", "hook_mlp_out")


@dataclass(frozen=True, eq=False)
class Case:
    """What both sides are given; the transcoders lie in a folder."""

    module: Any
    folder: Path
    tokens: Tensor
    targets: tuple[int, ...]
    k: int


def write_folder(settings: dict[str, Any], folder: Path) -> None:
    """Write a transcoder for every layer, as circuit-tracer lays them out."""
    width, draw = settings["model"]["n_embd"], torch_generator(settings["seed"], "transcoders")
    config = mechlab.TopKConfig(
        d_in=width, d_out=width, d_sae=settings["d_sae"], k=1, rescale_acts_by_decoder_norm=False
    )
    made = []
    for layer in range(settings["model"]["n_layer"]):
        transcoder = TopKDictionary(config, seed=settings["seed"] + layer).eval().requires_grad_(False)
        transcoder.b_enc.normal_(0, 0.01, generator=draw)
        transcoder.b_dec.normal_(0, 0.1, generator=draw)
        made.append(transcoder)
    write_transcoders(folder, *to_circuit_tracer(made, HOOKS, "random"))


def case_of(settings: dict[str, Any], folder: Path, k: int, n_pos: int) -> Case:
    """Return the model, its transcoders with `k` features on, and a prompt behind a BOS."""
    draw = torch_generator(settings["seed"], "prompt")
    torch.manual_seed(settings["seed"])  # the library that makes the model takes no generator
    module = GPT2LMHeadModel(GPT2Config(**settings["model"], bos_token_id=BOS, eos_token_id=BOS))
    config = yaml.safe_load((folder / CONFIG_NAME).read_text())
    (folder / CONFIG_NAME).write_text(yaml.safe_dump({**config, "k": k}))
    tokens = torch.randint(1, settings["model"]["vocab_size"], (1, n_pos), generator=draw)
    tokens[0, 0] = BOS
    return Case(module.eval().requires_grad_(False), folder, tokens, tuple(settings["targets"]), k)


def ours(case: Case, on_use: bool) -> Callable[[], AttributionGraph]:
    """Return what makes our graph, all that stays in memory loaded: with `on_use`, no weights of transcoders."""
    model = HuggingFaceModel(case.module)
    found = mechlab.open_transcoders(model, case.folder, on_use=on_use)
    tokens, targets = case.tokens, case.targets

    def graph() -> AttributionGraph:
        held = replace(mechlab.frozen_pass(model, found, tokens), has_bos=True)
        return mechlab.attribution_graph(held, mechlab.logit_targets(held, targets))

    return graph
