"""Pairs of parts sum to the model's own score, and a pair is what its two sources do when they are alone."""

import pytest
import torch
from circuits.attribution.small_passes import small_pass

from mechlab.circuits.attribution.qk_attribution import qk_attribution
from mechlab.circuits.attribution.streams import streams_of
from mechlab.core.errors import UsageError
from mechlab.models.rotation import turn
from mechlab.models.score_scale import score_scale

CASES = [
    ("gpt2", "relu with a skip", False),
    ("gpt2", "crosslayer_transcoder", True),
    ("llama", "topk", True),
    ("neox_parallel", "relu with a skip", True),
    ("qwen3", "relu", False),
    ("gemma2", "relu", False),
]


@pytest.mark.parametrize("head", [(0, 1), (2, 3)])
@pytest.mark.parametrize(("family", "kind", "bos"), CASES)
def test_pairs_sum_to_the_score(family, kind, bos, head):
    model, frozen, _ = small_pass(family, kind, bos=bos)
    for against in (None, 1):
        found = qk_attribution(model, frozen, head, query=5, key=3, against=against)
        whole = float((found.query @ found.key.T).sum())
        assert abs(whole - found.score) < 1e-10 * (1 + abs(found.score)) and abs(found.missing) < 1e-10
        assert found.by_query.sum() == pytest.approx(float(found.by_key.sum()), abs=1e-10)
        assert len(found.query) == found.sources.n_columns + 1


@pytest.mark.parametrize("head", [(0, 1), (1, 3), (2, 0)])
@pytest.mark.parametrize("family", ["gpt2", "llama", "neox_parallel", "qwen2", "qwen3"])
def test_the_score_is_the_model_s_own(family, head):
    model, frozen, _ = small_pass(family)
    layer, number = head
    rounded = [
        f"{kind}_scale.{one}" for one in range(3) for kind in ("ln1", "ln2") if model.spec.normalization == "RMS"
    ]
    rounded += [f"{kind}_norm_scale.{layer}" for kind in "qk" if model.spec.qk_norm]
    with model.edit(dict.fromkeys(rounded, torch.clone)):  # else RMS norms of a float64 model round to float32
        scores = model.activations(frozen.tokens[None], [f"scores.{layer}"])[f"scores.{layer}"][0, number]
    exact = 1e-6 if model.spec.qk_norm else 1e-10  # the pass before, whose norms of queries and keys round too
    for query, key in ((6, 6), (6, 2), (4, 0)):
        found = qk_attribution(model, frozen, head, query=query, key=key)
        assert found.score == pytest.approx(float(scores[query, key]), abs=exact)


@pytest.mark.parametrize(("family", "exact"), [("gpt2", 1e-10), ("llama", 1e-5)])
def test_a_difference_of_scores_is_that_of_the_log_patterns_of_eager_attention(family, exact):
    model, frozen, _ = small_pass(family)
    model.module.set_attn_implementation("eager")
    patterns = model.module(frozen.tokens[None], output_attentions=True).attentions
    for layer, head in ((0, 2), (1, 1), (2, 3)):
        found = qk_attribution(model, frozen, (layer, head), key=4, against=1)
        log = patterns[layer][0, head, -1].double().log()
        assert found.score == pytest.approx(float(log[4] - log[1]), abs=exact)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_pair_is_what_its_two_sources_do_alone(family):
    model, frozen, sources = small_pass(family, bos=True)
    layer, head, query, key = 2, 3, 6, 4
    found = qk_attribution(model, frozen, (layer, head), query=query, key=key)
    columns = torch.arange(0, sources.n_columns, 7)
    stream, weights = streams_of(frozen, sources, columns).pre[layer], frozen.weights.layers[layer]
    normed = frozen.centred(stream) / frozen.layers[layer].ln1 * weights.ln1_w
    sides = []
    for matrix, place in ((weights.W_Q[head], query), (weights.W_K[head], key)):
        turned = turn(model, place)
        sides.append(normed[:, place] @ matrix @ (torch.eye(8, dtype=torch.float64) if turned is None else turned))
    wanted = sides[0] @ sides[1].T * score_scale(model, layer)
    ours = found.query[columns] @ found.key[columns].T
    assert torch.allclose(ours, wanted, atol=1e-10) and wanted.abs().max() > 1e-3


def test_the_top_pairs_are_the_largest_of_all_and_have_names():
    model, frozen, sources = small_pass("gpt2")
    found = qk_attribution(model, frozen, (2, 3), query=6, key=4)
    every = found.query @ found.key.T
    top = found.top_pairs(8)
    wanted = every.flatten()[every.flatten().abs().argsort(descending=True)[:8]]
    assert [pair.effect for pair in top] == pytest.approx(wanted.tolist())
    names = [found.name(part) for part in range(len(found.query))]
    assert names[-1] == "bias" and names[sources.starts["tokens"] + 2] == "token@2"
    for pair in top:
        assert float(every[names.index(pair.query), names.index(pair.key)]) == pytest.approx(pair.effect)
    of_features = found.top_pairs(5, of="features")
    assert all(pair.query.startswith("feature.") and pair.key.startswith("feature.") for pair in of_features)
    n = sources.starts["errors"]
    assert abs(of_features[0].effect) == pytest.approx(float(every[:n, :n].abs().max()))


def test_a_head_or_key_that_is_not_there_is_refused():
    model, frozen, _ = small_pass("gpt2")
    with pytest.raises(UsageError, match=r"no such head: '3\.0'\. Layers are 0\.\.2, heads 0\.\.3"):
        qk_attribution(model, frozen, (3, 0), key=1)
    with pytest.raises(UsageError, match=r"key stands behind the query: 5\. Give keys at 0\.\.3"):
        qk_attribution(model, frozen, (1, 0), query=3, key=1, against=5)
    with pytest.raises(UsageError, match="no such position: 9"):
        qk_attribution(model, frozen, (1, 0), key=9)
