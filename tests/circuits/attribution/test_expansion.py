"""What all steps add to a reader is what it reads, and a step's own reader reads what the step brings."""

import pytest
import torch
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.expansion import Expansion, Readers
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
def test_steps_add_up_to_what_a_reader_is_at_every_depth(family, kind, bos):
    _, frozen, sources = small_pass(family, kind, n_pos=5, bos=bos)
    expansion = Expansion(frozen, sources)
    directions = torch.randn(2, frozen.spec.d_model, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for targets in (
        logit_targets(frozen, (3, 7), (-1, 2)),
        chosen_targets(frozen, 2, [(4, 3), (11, 0)]),
        stream_targets(frozen, "resid_pre.2", directions, (-1,)),
    ):
        values, readers = targets.values, Readers.of(frozen, targets)
        for _ in range(5):
            effects = expansion.effects(readers)
            assert torch.allclose(effects.sum(-1), values, atol=1e-10)
            goes_on = expansion.numbers.goes_on(torch.arange(expansion.numbers.n_steps))
            rows, steps = ((effects != 0) & goes_on).nonzero(as_tuple=True)
            if not len(rows):
                break
            some = torch.randperm(len(rows), generator=torch.Generator().manual_seed(2))[:40]
            values = effects[rows[some], steps[some]]
            readers = expansion.followed(readers.chosen(rows[some]), steps[some], values)
            assert len(readers) == len(some)


def test_a_reader_sees_nothing_above_it_nor_elsewhere():
    _, frozen, sources = small_pass("gpt2", n_pos=5)
    expansion = Expansion(frozen, sources)
    effects = expansion.effects(Readers.of(frozen, chosen_targets(frozen, 1, [(4, 3)])))[0]
    seen = [expansion.numbers.step(number, 3) for number in effects.nonzero().flatten().tolist()]
    assert {step.layer for step in seen if step.kind == "head"} == {0, 1}
    assert {step.layer for step in seen if step.kind in ("feature", "error", "skip")} == {0}
    own = [number for number in effects.nonzero().flatten().tolist() if number < len(sources.code)]
    assert own and set(sources.position[own].tolist()) == {3}
    assert {step.source for step in seen if step.kind == "head"} == {0, 1, 2, 3}
