"""Scores of any method are one table, and circuits are made of what was scored."""

from typing import Any

import pytest
import torch

import mechlab
from mechlab.circuits.patching.faithfulness import SHARES
from mechlab.core.config import build
from mechlab.core.errors import UnknownName, UsageError
from mechlab.core.progress import SILENT
from mechlab.interventions.wiring import wiring_of
from mechlab.verbs.patch_options import PatchOptions
from mechlab.verbs.steps.patching.scoring import Scored, check_asked, scored


def options(**values) -> PatchOptions:
    return build(PatchOptions, {"task": "ioi", **values})


@pytest.fixture(scope="module")
def subject(model):
    small = mechlab.load(str(model))
    return small, mechlab.prompt_pairs(small.tokenizer, "ioi", n=6, style="tales")


def test_edges_have_their_means_and_intervals_over_prompts(subject):
    model, batches = subject
    found = scored(options(task="ioi", method="eap"), model, batches, SILENT)
    direct = mechlab.eap(model, batches, mechlab.LogitDifference())
    columns: dict[str, Any] = dict(found.columns())
    assert torch.allclose(columns["score"], direct.of_edges) and len(columns["name"]) == direct.wiring.n_edges
    assert (columns["low"] <= columns["score"]).all() and (columns["score"] <= columns["high"]).all()
    place = columns["name"].index("head.0.1 -> head.1.0.k")
    assert columns["score"][place] == pytest.approx(float(direct.mean[direct.wiring.edge("head.0.1", "head.1.0.k")]))


def test_circuits_are_of_the_best_by_sign_or_size_and_random_ones_are_not(subject):
    model, _ = subject
    wiring = wiring_of(model)
    ranking = torch.zeros(wiring.is_edge.shape)
    ranking[wiring.edge("input", "logits")], ranking[wiring.edge("mlp.0", "mlp.1")] = 1.0, -2.0
    found = Scored(("a",), torch.ones(2, 1, dtype=torch.float64), ranking)
    place = found.sizes(wiring).index(2)
    first = {by: found.circuits(wiring, options(task="ioi", by=by))[place] for by in ("signed", "size")}
    assert first["signed"][wiring.edge("input", "logits")] and not first["signed"][wiring.edge("mlp.0", "mlp.1")]
    assert first["size"][wiring.edge("mlp.0", "mlp.1")] and first["size"].sum() == 2
    drawn = [found.circuits(wiring, options(task="ioi"), number) for number in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2]) and len(drawn[0]) == len(SHARES)
    grown = found.circuits(wiring, options(task="ioi", select="greedy", by="size"))[place]
    assert grown[wiring.edge("input", "logits")] and not grown[wiring.edge("mlp.0", "mlp.1")]


def test_random_nodes_follow_their_seed(subject):
    model, batches = subject
    found = scored(options(task="ioi", method="attribution"), model, batches, SILENT)
    wiring = wiring_of(model)
    assert found.of == "nodes" and found.sizes(wiring)[-1] == 6
    one, other = (found.circuits(wiring, options(task="ioi", seed=seed), 0) for seed in (0, 1))
    assert torch.equal(one, found.circuits(wiring, options(task="ioi"), 0)) and not torch.equal(one, other)


def test_unknown_tasks_and_methods_are_refused_before_anything_is_loaded():
    with pytest.raises(UnknownName, match="prompt-pair task"):
        check_asked(options(task="oii"))
    with pytest.raises(UnknownName, match="patching method"):
        check_asked(options(task="ioi", method="acdc"))
    with pytest.raises(UsageError, match="path and method do not fit"):
        check_asked(options(task="ioi", path=("input", "logits")))
