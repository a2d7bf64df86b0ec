"""SAELens's own trainer from the parameters of one of our dictionaries, in float32 or float64."""

import sae_lens
import torch
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer
from torch import Tensor

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.training.config import TrainConfig

CLASSES = {
    "relu": "Standard",
    "gated": "Gated",
    "topk": "TopK",
    "batchtopk": "BatchTopK",
    "jumprelu": "JumpReLU",
    "matryoshka": "MatryoshkaBatchTopK",
}
OPTION_NAMES = {"widths": "matryoshka_widths", "aux_loss_per_level": "use_matryoshka_aux_loss"}
TENSOR_NAMES = {"gated": {"b_enc": "b_gate"}}
LONG = 10**9


def as_saelens(kind: str, ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return copies of our tensors under SAELens's names and in its layout."""
    names = TENSOR_NAMES.get(kind, {})
    theirs = {names.get(name, name): value for name, value in ours.items() if name != "encoder"}
    tensors = {"W_enc": ours["encoder"].T, **theirs}
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}


class SaeLensTrainer:
    """A training SAE of SAELens and its trainer, one step at a time, at a constant learning rate."""

    def __init__(
        self, dictionary: Dictionary, config: TrainConfig, options: dict[str, object], dtype: torch.dtype
    ) -> None:
        name, sizes = f"{CLASSES[dictionary.kind]}TrainingSAE", dictionary.config
        own = {OPTION_NAMES.get(key, key): value for key, value in options.items()}
        sae_config = getattr(sae_lens, f"{name}Config")(
            d_in=sizes.d_in, d_sae=sizes.d_sae, dtype=str(dtype).removeprefix("torch."), **own
        )
        self.sae = getattr(sae_lens, name)(sae_config)
        start = as_saelens(dictionary.kind, dictionary.state_dict())
        self.sae.load_state_dict(start)
        for key, parameter in self.sae.named_parameters():
            parameter.data = start[key].to(dtype)  # a threshold would stay in float32
        settings = SAETrainerConfig(
            total_training_samples=LONG * config.batch_size,
            train_batch_size_samples=config.batch_size,
            lr=config.lr,
            lr_end=config.lr,
            dead_feature_window=config.dead_after_tokens // config.batch_size,
            logger=LoggingConfig(log_to_wandb=False),
        )
        self.trainer = SAETrainer(settings, self.sae, iter([]))

    def step(self, rows: Tensor) -> None:
        """Train on one batch."""
        self.trainer.step(rows.to(self.sae.W_dec.dtype))
        self.trainer.n_training_steps += 1

    def parameters(self) -> dict[str, Tensor]:
        """Return copies of the trained parameters."""
        return {name: value.detach().clone() for name, value in self.sae.named_parameters()}

    def first_moments(self) -> dict[str, Tensor]:
        """Return Adam's running means of the gradients; after one step a tenth of the gradients."""
        state = self.trainer.optimizer.state
        return {name: state[value]["exp_avg"].clone() for name, value in self.sae.named_parameters()}
