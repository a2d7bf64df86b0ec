"""Points of a prompt are what each stop reads there, and how much its heads look."""

import pytest
import torch
from circuits.observables.held import FAMILIES, held

from mechlab.circuits.observables.prompt_points import prompt_points
from mechlab.core.errors import UsageError


@pytest.mark.parametrize("family", FAMILIES)
def test_streams_and_patterns_are_the_prompts(family):
    found, path = held(family), ("head.0.1", "mlp.1", "heads.2", "logits")
    points = prompt_points(found.model, found.tokens, path, (1, -3, 3, -1))
    oracle = found.exact
    tolerance = {"atol": 1e-12 if found.parts.norm("ln_final").centres else 1e-5}
    assert torch.allclose(points["head.0.1"].stream, oracle.streams[0][1], **tolerance)
    assert torch.allclose(points["mlp.1"].stream, oracle.mids[1][3], **tolerance)
    assert torch.allclose(points["heads.2"].stream, oracle.streams[2][3], **tolerance)
    assert torch.allclose(points["logits"].stream, oracle.streams[3][5], **tolerance)
    assert torch.allclose(points["head.0.1"].attention, oracle.patterns[0][1, 3, 1, None], **tolerance)
    assert torch.allclose(points["heads.2"].attention, oracle.patterns[2][:, 5, 3], **tolerance)
    assert points["mlp.1"].attention is None and points["logits"].attention is None


def test_positions_that_no_path_takes_are_refused():
    found = held("gpt2")

    def ask(path, positions):
        return prompt_points(found.model, found.tokens, path, positions)

    for positions in ((1,), (1, 6), (-7, 5)):
        with pytest.raises(UsageError, match="positions do not fit the path"):
            ask(("head.0.1", "logits"), positions)
    for path, positions, value in (
        (("mlp.0", "logits"), (1, 5), r"mlp\.0 from 1 to 5"),
        (("head.0.1", "logits"), (5, 3), r"head\.0\.1 from 5 to 3"),
        (("head.0.1+", "logits"), (1, 3), r"head\.0\.1\+ from 1 to 3"),
    ):
        with pytest.raises(UsageError, match=f"stop cannot move: '{value}'"):
            ask(path, positions)
    assert ask(("head.0.1+", "logits"), (3, 3))
