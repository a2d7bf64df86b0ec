"""A graph traces all features or the foremost, adds up everywhere, and scores what errors keep from view."""

from dataclasses import replace

import pytest
import torch
from circuits.attribution.random_transcoders import random_set
from oracles.tiny_models import tiny, token_rows

from mechlab.circuits.attribution import attribution_graph as module
from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.rows import attributed
from mechlab.circuits.attribution.targets import feature_targets, logit_targets
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


@pytest.fixture(scope="module", params=[("gpt2", "topk"), ("llama", "crosslayer_transcoder")])
def frozen(request):
    family, kind = request.param
    model = HuggingFaceModel(tiny(family).double())
    return replace(frozen_pass(model, random_set(kind, model.spec), token_rows(1, 8)), has_bos=True)


@pytest.fixture(scope="module")
def whole(frozen):
    return attribution_graph(frozen, logit_targets(frozen, (3, 7)), at_once=20)


def test_all_features_have_the_rows_they_have_by_themselves(frozen, whole):
    assert torch.equal(whole.visited, torch.arange(len(whole.sources.code))) and whole.largest_miss < 1e-10
    for layer in range(frozen.spec.n_layers):
        own = whole.sources.layer == layer
        wanted = attributed(frozen, whole.sources, feature_targets(frozen, whole.sources, layer))
        assert torch.allclose(whole.of_features.effects[own], wanted.effects, atol=1e-12)
        assert torch.allclose(whole.of_features.bias[own], wanted.bias, atol=1e-12)


def test_a_budget_takes_features_of_large_influence_and_their_true_rows(frozen, whole):
    targets = logit_targets(frozen, (3, 7))
    few = attribution_graph(frozen, targets, max_features=40, at_once=10)
    assert len(few.visited) == 40 and few.largest_miss < 1e-10
    assert torch.allclose(few.of_features.effects, whole.of_features.effects[few.visited], atol=1e-12)
    best = whole.influence.columns[: len(whole.visited)].topk(40).indices
    drawn = torch.randperm(len(whole.visited), generator=torch.Generator().manual_seed(0))[:40]
    shared = [len(set(few.visited.tolist()) & set(others.tolist())) for others in (best, drawn)]
    assert shared[0] > 28 > shared[1]
    assert len(attribution_graph(frozen, targets, max_features=10**6).visited) == len(whole.visited)
    assert not len(attribution_graph(frozen, targets, max_features=0).visited)


def test_a_long_prompt_takes_fewer_features_at_once_and_finds_the_same(frozen, whole, monkeypatch):
    walks = []

    def counted(frozen, sources, targets):
        walks.append(len(targets))
        return attributed(frozen, sources, targets)

    monkeypatch.setattr(module, "attributed", counted)
    monkeypatch.setattr(module, "LARGEST", 7 * frozen.final.numel() + 1)
    again = attribution_graph(frozen, logit_targets(frozen, (3, 7)), at_once=20)
    assert max(walks) == 7 and torch.allclose(again.of_features.effects, whole.of_features.effects, atol=1e-12)
    monkeypatch.setattr(module, "LARGEST", 1)
    assert module.bounded(20, frozen) == 1


def test_influence_of_where_it_ends_sums_to_one(whole):
    starts, found = whole.sources.starts, whole.influence
    unseen = torch.ones(len(whole.sources.code), dtype=torch.bool)
    unseen[whole.visited] = False
    ends = float(found.columns[starts["errors"] :].sum()) + float(found.columns[: len(unseen)][unseen].sum())
    assert ends + found.bias == pytest.approx(1)


def test_scores_are_one_without_errors_and_less_with_them(whole):
    sources = whole.sources
    assert 0 < whole.replacement_score < 1 and 0 < whole.completeness_score < 1
    errors = slice(sources.starts["errors"], sources.starts["tokens"])

    def without(rows):
        effects = rows.effects.clone()
        effects[:, errors] = 0
        return replace(rows, effects=effects)

    perfect = replace(whole, of_targets=without(whole.of_targets), of_features=without(whole.of_features))
    assert perfect.replacement_score == pytest.approx(1) and perfect.completeness_score == pytest.approx(1)


def test_weights_say_how_much_each_target_counts(frozen, whole):
    first = attribution_graph(frozen, logit_targets(frozen, (3,)), max_features=0)
    weighted = attribution_graph(frozen, logit_targets(frozen, (3, 7)), weights=(5, 0), max_features=0)
    assert torch.allclose(first.influence.columns, weighted.influence.columns)
    assert whole.weights.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("weights", [(1,), (1, -1), (0, 0)])
def test_weights_that_do_not_fit_are_refused(frozen, weights):
    with pytest.raises(UsageError, match="weights do not fit"):
        attribution_graph(frozen, logit_targets(frozen, (3, 7)), weights=weights)


def test_no_target_is_refused(frozen):
    nothing = logit_targets(frozen, (3,)).chosen(torch.tensor([], dtype=torch.long))
    with pytest.raises(UsageError, match="nothing is asked about"):
        attribution_graph(frozen, nothing)
