"""The learning rate over a run: a line up, a plateau, a line down."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Schedule(Protocol):
    """A run's length in steps, its peak rate, and in which shares of it the rate rises and falls."""

    @property
    def n_steps(self) -> int:
        """Optimiser steps."""
        ...

    @property
    def lr(self) -> float:
        """Peak rate."""
        ...

    @property
    def lr_warmup_fraction(self) -> float:
        """Share of the run in which the rate rises."""
        ...

    @property
    def lr_decay_fraction(self) -> float:
        """Share of the run, at its end, in which it falls."""
        ...


def learning_rate(step: int, config: Schedule) -> float:
    """Return the learning rate of step 0, 1, ..., n_steps - 1.

    Warm-up reaches the full rate at its last step; decay would reach zero one step after the end.
    """
    n_warmup = round(config.lr_warmup_fraction * config.n_steps)
    n_decay = round(config.lr_decay_fraction * config.n_steps)
    if step < n_warmup:
        return config.lr * (step + 1) / n_warmup
    into_decay = step - (config.n_steps - n_decay)
    return config.lr if into_decay < 0 else config.lr * (1 - into_decay / n_decay)


def fractions_fit(decay: float, info: Any) -> float:
    """Return the share of a run in which the rate falls; a check of configs that have a warm-up too.

    Raises:
        ValueError: it and the warm-up are more than the whole run.
    """
    if decay + info.data.get("lr_warmup_fraction", 0.0) > 1.0:
        raise ValueError("warm-up and decay together are at most the whole run")
    return decay


def is_due(step: int, every: int, n_steps: int) -> bool:
    """Return whether something that is done every so many steps, and at the end, is due."""
    return step % every == 0 or step == n_steps
