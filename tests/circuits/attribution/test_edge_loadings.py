"""Ways split an effect exactly; each way alone is what brute force over paths says it is."""

import pytest
import torch
from circuits.attribution.small_passes import small_pass
from oracles.frozen_gradients import FrozenByHand
from oracles.path_enumeration import EveryPath

from mechlab.circuits.attribution.edge_loadings import edge_loadings
from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.step_numbers import StepNumbers
from mechlab.circuits.attribution.stream_targets import stream_targets
from mechlab.circuits.attribution.targets import chosen_targets, logit_targets

CASES = [
    ("gpt2", "relu with a skip", False),
    ("gpt2", "crosslayer_transcoder", True),
    ("llama", "topk", True),
    ("neox_parallel", "relu with a skip", True),
    ("gemma2", "relu with a skip", False),
]


@pytest.mark.parametrize(("family", "kind", "bos"), CASES)
def test_all_ways_sum_to_the_effect(family, kind, bos):
    _, frozen, sources = small_pass(family, kind, bos=bos)
    columns = list(range(0, sources.n_columns, 5))
    directions = torch.randn(2, frozen.spec.d_model, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for targets in (
        logit_targets(frozen, (3, 7), (-1, 2)),
        chosen_targets(frozen, 2, [(4, 3), (11, 0)]),
        stream_targets(frozen, "resid_pre.2", directions),
    ):
        found = edge_loadings(frozen, sources, targets, columns)
        effects = attributed(frozen, sources, targets).effects[:, columns]
        assert torch.allclose(found.total, effects, atol=1e-10) and effects.abs().max() > 0.05
        assert found.heads.abs().max() > 0.01 and (found.skips.abs().max() > 0.01) == ("skip" in kind)


@pytest.mark.parametrize(
    ("family", "kind", "bos"), [("gpt2", "relu with a skip", False), ("llama", "relu with a skip", True)]
)
def test_each_way_is_what_the_paths_that_take_it_bring(family, kind, bos):
    model, frozen, sources = small_pass(family, kind, n_pos=3, bos=bos)
    targets = chosen_targets(frozen, 1, [(3, 2)])
    by_hand = FrozenByHand(model.module, list(frozen.transcoders.layers), frozen.tokens[None], bos)
    paths = EveryPath(by_hand).to(1, 2, targets.vectors[0], mid=True)
    numbers, columns = StepNumbers(sources, frozen.spec.n_heads), range(sources.starts["errors"], sources.n_columns)
    found = edge_loadings(frozen, sources, targets, columns)
    exact = 1e-10 if family == "gpt2" else 1e-5  # a model's own RMS norm rounds to float32
    for place, column in enumerate(columns):
        name = numbers.step(column, 0 if column >= sources.starts["bos"] else _position(sources, column)).name
        own = {names[1:]: one for names, one in paths.items() if names[0] == name and "feature" not in str(names)}
        assert float(found.direct[0, place]) == pytest.approx(own.get((), 0.0), abs=exact)
        for kind_, heads, alone in (
            ("head", found.heads.flatten(2), found.heads_alone.flatten(2)),
            ("skip", found.skips, found.skips_alone),
        ):
            for way in range(heads.shape[2]):
                layer, head = divmod(way, frozen.spec.n_heads)
                start = f"head.{layer}.{head}@" if kind_ == "head" else f"skip.{way}@"
                last = sum(one for names, one in own.items() if names and names[-1].startswith(start))
                only = sum(one for names, one in own.items() if len(names) == 1 and names[0].startswith(start))
                assert float(heads[0, place, way]) == pytest.approx(last, abs=exact)
                assert float(alone[0, place, way]) == pytest.approx(only, abs=exact)
        several = sum(one for names, one in own.items() if len(names) > 1)
        assert float(found.over_several[0, place]) == pytest.approx(several, abs=exact)
    assert found.over_several.abs().max() > 1e-3


def _position(sources, column: int) -> int:
    n_pos = len(sources.tokens)
    return (column - sources.starts["errors"]) % n_pos


def test_a_source_at_the_target_s_own_position_may_come_straight():
    _, frozen, sources = small_pass("gpt2", "relu", n_pos=4)
    targets = logit_targets(frozen, (3,), (-1,))
    last_error = sources.starts["errors"] + 2 * 4 + 3
    found = edge_loadings(frozen, sources, targets, [last_error, last_error - 1])
    assert found.direct[0, 0] != 0 and found.direct[0, 1] == 0
    assert not found.heads.any()  # no head reads what the last MLP leaves
