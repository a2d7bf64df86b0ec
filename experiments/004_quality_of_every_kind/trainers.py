"""Both trainers on the same batches in the same order, from the same weights, at the same settings."""

import copy
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from sae_lens import (
    SAE,
    BatchTopKTrainingSAE,
    BatchTopKTrainingSAEConfig,
    GatedTrainingSAE,
    GatedTrainingSAEConfig,
    JumpReLUTrainingSAE,
    JumpReLUTrainingSAEConfig,
    MatryoshkaBatchTopKTrainingSAE,
    MatryoshkaBatchTopKTrainingSAEConfig,
    StandardTrainingSAE,
    StandardTrainingSAEConfig,
    TopKTrainingSAE,
    TopKTrainingSAEConfig,
)
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer
from safetensors.torch import load_file, save_file
from torch import Tensor

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.saelens_format import from_saelens, to_saelens
from mechlab.training.config import TrainConfig
from mechlab.training.first_batch import expected_norm_scale
from mechlab.training.loop import fit

THEIRS = {
    "relu": (StandardTrainingSAE, StandardTrainingSAEConfig),
    "gated": (GatedTrainingSAE, GatedTrainingSAEConfig),
    "topk": (TopKTrainingSAE, TopKTrainingSAEConfig),
    "batchtopk": (BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig),
    "jumprelu": (JumpReLUTrainingSAE, JumpReLUTrainingSAEConfig),
    "matryoshka": (MatryoshkaBatchTopKTrainingSAE, MatryoshkaBatchTopKTrainingSAEConfig),
}
OPTIONS_RENAMED = {"widths": "matryoshka_widths"}
TENSORS_RENAMED = defaultdict(dict, gated={"b_enc": "b_gate"})
WEIGHTS = "sae_weights.safetensors"


class InOrder:
    """Batches in memory, served once, in their order."""

    def __init__(self, batches: list[Tensor]) -> None:
        self.batches, self.n_served = batches, 0

    def next(self) -> Tensor:
        """Return the next batch."""
        self.n_served += 1
        return self.batches[self.n_served - 1]

    def state(self) -> dict[str, Tensor]:
        """Return how many were served."""
        return {"n_served": torch.tensor(self.n_served)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue after that many."""
        self.n_served = int(state["n_served"])


def train_ours(start: Dictionary, batches: list[Tensor], config: TrainConfig, **other: Any) -> Dictionary:
    """Return what mechlab makes of the starting dictionary, with other settings where they are named."""
    dictionary = copy.deepcopy(start)
    fit(dictionary, InOrder(batches), config.model_copy(update=other))
    return dictionary.eval()


def train_theirs(start: Dictionary, batches: list[Tensor], config: TrainConfig) -> Dictionary:
    """Return what SAELens's trainer makes of the starting dictionary, as it reads back from SAELens's folder.

    `b_dec` starts at zero, as always in SAELens; batches are scaled to the norm that ours are.
    """
    sae, scale = in_saelens(start), expected_norm_scale(batches[0])
    SAETrainer(trainer_config(config), sae, (batch * scale for batch in batches)).fit()
    with tempfile.TemporaryDirectory() as folder:
        sae.save_inference_model(folder)
        cfg = json.loads((Path(folder) / "cfg.json").read_text())
        dictionary = from_saelens(cfg, load_file(Path(folder) / WEIGHTS))
    dictionary.fold_scales(scale, scale)
    return dictionary.eval()


def in_saelens(start: Dictionary) -> Any:
    """Return SAELens's training class of the same kind, options and weights."""
    kind, config = THEIRS[start.kind]
    options = {OPTIONS_RENAMED.get(name, name): value for name, value in own_options(start).items()}
    sae = kind(config(d_in=start.config.d_in, d_sae=start.config.d_sae, **options))
    renamed = TENSORS_RENAMED[start.kind]
    own = {renamed.get(name, name): value.clone() for name, value in start.state_dict().items()}
    sae.load_state_dict({"W_enc": own.pop("encoder").T.contiguous(), **own})
    return sae


def own_options(dictionary: Dictionary) -> dict[str, Any]:
    """Return the options that were given for the kind."""
    given = dictionary.config.model_dump(exclude_unset=True, exclude={"d_in", "d_sae"})
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


def trainer_config(config: TrainConfig) -> SAETrainerConfig:
    """Return the same schedule and dead-feature window in SAELens's words."""
    return SAETrainerConfig(
        total_training_samples=config.n_steps * config.batch_size,
        train_batch_size_samples=config.batch_size,
        lr=config.lr,
        lr_end=config.lr / 10,  # unused where the rate is constant between warm-up and decay, but must not be zero
        lr_warm_up_steps=round(config.lr_warmup_fraction * config.n_steps),
        lr_decay_steps=round(config.lr_decay_fraction * config.n_steps),
        dead_feature_window=config.dead_after_tokens // config.batch_size,
        logger=LoggingConfig(log_to_wandb=False),
    )


def same_form(dictionary: Dictionary) -> Dictionary:
    """Return a dictionary as it reads back from SAELens's format: the same class, whoever trained it."""
    return from_saelens(*to_saelens(dictionary)).eval()


def opened_by_saelens(dictionary: Dictionary) -> SAE:
    """Return the dictionary as SAELens loads it from a folder."""
    cfg, tensors = to_saelens(dictionary)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cfg.json").write_text(json.dumps(cfg))
        save_file(tensors, Path(folder) / WEIGHTS)
        return SAE.load_from_disk(folder)
