"""A TopK SAE trained by SAELens's own trainer, on the batches it is handed, and read back from the folder it writes."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer
from safetensors.torch import load_file

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.saelens_format import from_saelens
from mechlab.training.config import TrainConfig
from mechlab.verbs.train_options import TrainOptions


def train_theirs(stream: Iterator[torch.Tensor], options: TrainOptions, like: TrainConfig | None) -> Dictionary:
    """Return SAELens's dictionary.

    Args:
        stream: the batches, all of which are trained on.
        options: sizes, k, tokens and seed.
        like: our training config, whose learning rate, schedule and dead-feature window SAELens is given; None leaves
            SAELens its own defaults for all three.
    """
    torch.manual_seed(options.seed)
    batches = list(stream)
    scale = batches[0].shape[1] ** 0.5 / batches[0].norm(dim=-1).mean()
    width = batches[0].shape[1]
    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=width, d_sae=options.features, k=options.dictionary["k"]))
    SAETrainer(_trainer_config(len(batches), options, like), sae, iter(batch * scale for batch in batches)).fit()
    dictionary = _read_back(sae)
    dictionary.fold_scales(float(scale), float(scale))
    return dictionary.eval()


def _trainer_config(n_steps: int, options: TrainOptions, like: TrainConfig | None) -> SAETrainerConfig:
    own = {"lr": 3e-4}
    if like is not None:
        own = {
            "lr": like.lr,
            "lr_warm_up_steps": round(like.lr_warmup_fraction * n_steps),
            "lr_decay_steps": round(like.lr_decay_fraction * n_steps),
            "dead_feature_window": like.dead_after_tokens // like.batch_size,
        }
    return SAETrainerConfig(
        total_training_samples=n_steps * options.batch_size,
        train_batch_size_samples=options.batch_size,
        lr_end=own["lr"] / 10,
        logger=LoggingConfig(log_to_wandb=False),
        **own,
    )


def _read_back(sae: TopKTrainingSAE) -> Dictionary:
    with tempfile.TemporaryDirectory() as folder:
        sae.save_inference_model(folder)
        cfg = json.loads((Path(folder) / "cfg.json").read_text())
        return from_saelens(cfg, load_file(Path(folder) / "sae_weights.safetensors"))
