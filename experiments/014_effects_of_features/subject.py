"""What is looked at: a model, prompts of two tasks, and transcoders of every layer that the command line trained."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mechlab
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel
from mechlab.store.sweep import read_sweep


def trained(settings: Mapping[str, Any], seeds: Sequence[int], n_layers: int, sweep: Path) -> None:
    """Let the command line train a transcoder of every layer with every seed; those that are there are kept."""
    sites = ",".join(f"mlp.{layer}" for layer in range(n_layers))
    told = [word for key, value in settings.items() if key != "kind" for word in (f"--{key}", str(value))]
    command = ["sweep", settings["kind"], "--sites", sites, "--seeds", ",".join(map(str, seeds)), *told]
    subprocess.run([sys.executable, "-m", "mechlab", *command, "--out", str(sweep), "--resume"], check=True)


def transcoders_of(model: LanguageModel, sweep: Path, seed: int) -> TranscoderSet:
    """Return one seed's transcoders of all layers."""
    record = read_sweep(sweep)
    members = record.members if record else ()
    return mechlab.open_transcoders(model, [sweep / one.name for one in members if one.seed == seed])


def prompts(model: LanguageModel, settings: Mapping[str, Any], task: str, more: int = 0) -> tuple[PromptPairs, ...]:
    """Return a task's prompts; with another number, others."""
    told = {**settings["task"], "seed": settings["task"]["seed"] + more}
    return mechlab.prompt_pairs(model.tokenizer, task, **told)


def one_by_one(batches: Sequence[PromptPairs]) -> list[PromptPairs]:
    """Return batches of one prompt each."""
    return [pairs.select(slice(row, row + 1)) for pairs in batches for row in range(len(pairs))]
