"""What becomes of a trained model with codebooks: with our upkeep, or with drawn codes that are left alone."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mechlab.core.randomness import torch_generator
from mechlab.corpora.tokfsm.machine import Machine
from mechlab.corpora.tokfsm.rollouts import rollouts
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.codebook_start import new_codebooks, start_codebooks
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.sites import sites_of
from mechlab.training.finetune import finetune
from mechlab.training.finetune_config import FinetuneConfig

START_ROWS = 400


@dataclass(frozen=True)
class Rollouts:
    """New rollouts for every step."""

    machine: Machine
    n_rows: int
    row_length: int
    seed: int

    def batch(self, step: int) -> Tensor:
        """Return the rollouts of a step."""
        return rollouts(self.machine, self.n_rows, self.row_length, torch_generator(self.seed, f"fine-tuning {step}"))


def with_codes(
    base: HuggingFaceModel, arm: dict[str, Any], source: Rollouts, settings: dict[str, Any]
) -> CodebookModel:
    """Return a copy of the model, trained further with codebooks."""
    model = HuggingFaceModel(copy.deepcopy(base.module), name=base.name)
    like = {"n_codes": arm["n_codes"], "k": arm.get("k", 1)}
    books = new_codebooks(model, sites_of(arm["sites"], model.spec), like, source.seed)
    snapping = CodebookModel(model, books)
    config = FinetuneConfig(**{**settings, "n_steps": arm.get("n_steps", settings["n_steps"])})
    if arm.get("plain"):
        config = config.model_copy(update={"revive_every_steps": None})
    else:
        start_codebooks(snapping, source_rows(source, START_ROWS), seed=source.seed)
    finetune(snapping, source, config, seed=source.seed)
    return snapping


def source_rows(source: Rollouts, n_rows: int) -> Tensor:
    """Return rollouts that no step trains on."""
    return rollouts(source.machine, n_rows, source.row_length, torch_generator(source.seed, "rows for centres"))


@torch.no_grad()
def walks_of(model: Any, machine: Machine, n: int, row_length: int, seed: int) -> Tensor:
    """Return the states that the model writes by itself, from the start token at temperature 1."""
    start = torch.full((n, 1), machine.bos_id)
    n_tokens = (row_length - 1) // machine.n_digits * machine.n_digits
    draw = torch_generator(seed, "walks")
    return machine.states_of(model.generate(start, n_tokens, temperature=1.0, generator=draw)[:, 1:])
