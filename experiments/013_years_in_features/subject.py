"""What is looked at: a model, prompts about years in two halves, transcoders and SAEs that the command line trained."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import mechlab
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.corpora.tasks.preference import probability_difference
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.metrics.bootstrap import mean_estimate
from mechlab.models.language_model import LanguageModel
from mechlab.store.run import Run, open_run
from mechlab.store.sweep import read_sweep
from mechlab.verbs.steps.stored import stored_dictionary

Batches = tuple[PromptPairs, ...]


@dataclass(frozen=True, eq=False)
class Subject:
    """A model, prompts to choose by and others to test on, and the folder of the sweep."""

    model: LanguageModel
    chosen_by: Batches
    tested_on: Batches
    sweep: Path

    @property
    def layers(self) -> range:
        """Return the numbers of the model's layers."""
        return range(self.model.spec.n_layers)

    @cached_property
    def members(self) -> dict[tuple[str, int], Run]:
        """Return the sweep's runs: by the layer's transcoder (`mlp.2`) or SAE (`mlp_out.2`), and seed."""
        record = read_sweep(self.sweep)
        runs = [(one.seed, open_run(self.sweep / one.name)) for one in (record.members if record else ())]
        return {(_place(run.manifest.config), seed): run for seed, run in runs}

    def transcoders(self, seed: int) -> TranscoderSet:
        """Return one seed's transcoders of all layers."""
        return mechlab.open_transcoders(
            self.model, [self.members[f"mlp.{layer}", seed].folder for layer in self.layers]
        )

    def sae(self, layer: int, seed: int) -> Dictionary:
        """Return one seed's SAE of what a layer's MLP writes."""
        return stored_dictionary(self.members[f"mlp_out.{layer}", seed]).to(self.model.device)


def subject_of(model: LanguageModel, settings: Mapping[str, Any], sweep: Path) -> Subject:
    """Return the subject; the prompts of each layout are halved, so that no half tells about the other."""
    halves = [pairs.halves() for pairs in mechlab.prompt_pairs(model.tokenizer, "greater_than", **settings["task"])]
    chosen_by, tested_on = (tuple(part) for part in zip(*halves, strict=True))
    return Subject(model, chosen_by, tested_on, sweep)


def trained(settings: Mapping[str, Any], seeds: Sequence[int], n_layers: int, sweep: Path, *more: str) -> Path:
    """Let the command line train a transcoder and an SAE at every layer, with every seed; return the sweep's folder."""
    sites = ",".join(f"{kind}.{layer}" for kind in ("mlp", "mlp_out") for layer in range(n_layers))
    told = {key: value for key, value in settings.items() if key != "kind"}
    asked = [word for key, value in told.items() for word in (f"--{key}", str(value))]
    command = ["sweep", settings["kind"], "--sites", sites, "--seeds", ",".join(map(str, seeds)), *asked, *more]
    subprocess.run([sys.executable, "-m", "mechlab", *command, "--out", str(sweep), "--resume"], check=True)
    return sweep


def asked(model: LanguageModel, pairs: PromptPairs) -> Tensor:
    """Return each prompt's probability of later years less that of the others."""
    with torch.no_grad():
        return probability_difference(model.logits(pairs.clean)[:, -1], pairs.candidates, pairs.is_right)


def mean(values: Tensor, seed: int = 0) -> list[float]:
    """Return the mean over prompts, with its 95 % interval."""
    found = mean_estimate(values.double().cpu(), seed=seed)
    return [round(one, 5) for one in (found.value, found.low, found.high)]


def _place(config: Mapping[str, Any]) -> str:
    layer = config["site"].rpartition(".")[2]
    return f"{'mlp' if config.get('target') else 'mlp_out'}.{layer}"
