"""The learning rate over a run: a line up, a plateau, a line down."""

from mechlab.training.config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate of step 0, 1, ..., n_steps - 1.

    Warm-up reaches the full rate at its last step; decay would reach zero one step after the end.
    """
    n_warmup = round(config.lr_warmup_fraction * config.n_steps)
    n_decay = round(config.lr_decay_fraction * config.n_steps)
    if step < n_warmup:
        return config.lr * (step + 1) / n_warmup
    into_decay = step - (config.n_steps - n_decay)
    return config.lr if into_decay < 0 else config.lr * (1 - into_decay / n_decay)
