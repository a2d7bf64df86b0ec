"""A course: one step at a time, with its log and its checkpoints."""

from collections.abc import Callable
from typing import Any

import torch

from mechlab.training.course import Course, Watcher
from mechlab.training.run import TrainingRun
from mechlab.training.source import TensorSource
from mechlab.training.state import TrainingState

BATCH = 100


def test_a_course_resumed_takes_only_the_steps_left_and_ends_in_the_same_bytes(
    planted: Any, make: Callable[..., Any], quick: Callable[..., Any]
) -> None:
    states: dict[int, TrainingState] = {}
    config = quick(checkpoint_every_steps=7)

    def course(dictionary: Any, resume: TrainingState | None = None) -> Course:
        run = TrainingRun(dictionary, TensorSource(planted.rows, BATCH), config)
        return Course(run, Watcher(save=states.__setitem__), resume)

    whole, rest = make("topk"), make("topk")
    first = course(whole)
    taken = 0
    while not first.at_end:
        taken += first.step()[0]
    assert (taken, first.n_tokens, sorted(states)) == (20 * BATCH, 20 * BATCH, [7, 14])
    assert first.finish().n_steps == 20
    assert sorted(states) == [7, 14, 20]
    again = course(rest, states[14])
    n_steps = 0
    while not again.at_end:
        again.step()
        n_steps += 1
    again.finish()
    assert n_steps == 6
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), rest.parameters(), strict=True))
