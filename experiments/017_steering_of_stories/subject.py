"""What is looked at: a model, dictionaries that the command line trained, labelled rows, and rows without the cause."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from causes import Cause, cause
from finding import Material

import mechlab
from mechlab.circuits.channels.head_circuits import HeadCircuits
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.metrics.causes import regex_cause
from mechlab.models.language_model import LanguageModel
from mechlab.store.sweep import read_sweep
from mechlab.verbs.steps.stored import stored_dictionary


def trained(settings: Mapping[str, Any], sites: Sequence[str], seeds: Sequence[int], sweep: Path) -> None:
    """Let the command line train a dictionary of every site with every seed; those that are there are kept."""
    told = [word for key, value in settings.items() if key != "kind" for word in (f"--{key}", str(value))]
    command = ["sweep", settings["kind"], "--sites", ",".join(sites), "--seeds", ",".join(map(str, seeds)), *told]
    subprocess.run([sys.executable, "-m", "mechlab", *command, "--out", str(sweep), "--resume"], check=True)


def dictionaries_of(sweep: Path, seed: int) -> dict[str, Dictionary]:
    """Return one seed's dictionaries by their site."""
    record = read_sweep(sweep)
    members = record.members if record else ()
    return {
        one.settings["site"]: stored_dictionary(mechlab.open_run(sweep / one.name))
        for one in members
        if one.seed == seed
    }


def labelled_rows(model: LanguageModel, settings: Mapping[str, Any], seed: int) -> TokenRows:
    """Return stories with their labels; every seed has its own."""
    corpus = mechlab.open_corpus("tales", seed=settings["first_seed"] + seed)
    return mechlab.pack(corpus, model.tokenizer, row_length=settings["row_length"], n_tokens=settings["n_tokens"])


def without(model: LanguageModel, rows: TokenRows, asked: Cause, n: int) -> TokenRows:
    """Return rows that hold no word of the cause, the first of them."""
    held = torch.zeros_like(rows.special)
    held[~rows.special] = regex_cause(rows, model, asked.concept.regex)
    return rows.select((~held.any(1)).nonzero().squeeze(1)[:n])


@dataclass(frozen=True, eq=False)
class Subject:
    """What every cause is asked of.

    Attributes:
        model: who writes.
        circuits: of its heads.
        sweep: the folder of the dictionaries.
        settings: as config.yaml has them.
    """

    model: LanguageModel
    circuits: HeadCircuits
    sweep: Path
    settings: Mapping[str, Any]

    def material(self, name: str, seed: int) -> Material:
        """Return what one cause's directions are found from with one seed."""
        told = self.settings["rows"]
        rows, own = labelled_rows(self.model, told, seed), dictionaries_of(self.sweep, seed)
        return Material(self.model, cause(name), rows, own, self.circuits, told["n_pairs"], seed)
