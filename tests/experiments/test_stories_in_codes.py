"""The pieces of experiment 007: where stories call for words, codes chosen on one half, pushes chosen and judged."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from experiment_pieces import pieces_of

import mechlab
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.activate_codes import CodeChoice
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.codebook_start import new_codebooks, start_codebooks
from mechlab.metrics.code_search import rank_codes
from mechlab.metrics.written_text import WrittenText
from mechlab.models.sites import Site

PLACE = "007_stories_in_codes"
MODULES = ("topics", "steering", "told", "months", "rivals", "pushing", "one_seed", "run")


@pytest.fixture(scope="module")
def pieces():
    with pieces_of(PLACE, *MODULES) as found:
        yield found


@pytest.fixture(scope="module")
def judge():
    if not (Path(mechlab.__file__).parent / "models" / "tales" / "model.safetensors").exists():
        pytest.skip("the built-in model is not there")
    return mechlab.load("tales", device="cpu")


@pytest.fixture(scope="module")
def rows(judge) -> TokenRows:
    return mechlab.pack(mechlab.open_corpus("tales"), judge.tokenizer, row_length=64, n_tokens=300 * 64)


@pytest.fixture(scope="module")
def model(judge, rows) -> CodebookModel:
    copy = mechlab.load("tales", device="cpu")
    sites = (Site.parse("mlp_out.0", copy.spec), Site.parse("mlp_out.3", copy.spec))
    snapping = CodebookModel(copy, new_codebooks(copy, sites, {"n_codes": 60, "k": 4, "n_groups": 2}))
    start_codebooks(snapping, rows.tokens[:40].long(), n_iterations=2)
    return snapping


@pytest.fixture(scope="module")
def halves(pieces, model, rows):
    return pieces.told.Halves(model, rows)


def test_a_story_calls_for_a_word_where_it_is_known_and_comes_next(pieces, judge, rows):
    topic = pieces.topics.topic("things: sea")
    calls, at, names = topic.calls(rows, judge), 0, rows.label_names["topic"]
    words = re.compile(topic.pattern)
    for row in range(len(rows)):
        strings = judge.token_strings(rows.tokens[row].long())
        for place in (~rows.special[row]).nonzero().squeeze(1).tolist():
            known = int(rows.labels["topic"][row, place]) == names.index("sea")
            comes = place + 1 < 64 and bool(words.fullmatch(strings[place + 1].strip()))
            fresh = not words.fullmatch(strings[place].strip())
            assert bool(calls[at]) == (known and comes and fresh), (strings[place : place + 2], known)
            at += 1
    assert int(calls.sum()) > 20


def test_topics_are_the_generator_s_and_others_are_refused(pieces):
    known = pieces.topics.topics()
    assert len(known) == 25 and known["months of spring"].words == ("March", "April", "May")
    assert re.search(known["gender: male"].pattern, "then he left") and not known["months of winter"].label
    with pytest.raises(UsageError, match=r"no such topic: 'war'\. Topics are season: winter"):
        pieces.topics.topic("war")


def test_a_code_is_chosen_on_one_half_and_counted_on_the_other(pieces, judge, halves, monkeypatch):
    some = ("things: sea", "months of spring", "gender: male")
    monkeypatch.setattr(pieces.told, "topics", lambda: {name: pieces.topics.topic(name) for name in some})
    (rows, there), (index, judged) = halves.rows, halves.indexes
    assert len(rows) == len(there) and not torch.equal(rows.tokens, there.tokens)
    found = list(pieces.told.told(halves, judge, {"neuron": torch.randn(int((~there.special).sum()), 3)}))
    assert [row["tokens"] for row in found] == ["call", "word", "word", "call", "word"]
    for row in found:
        causes = pieces.told.causes_of(pieces.topics.topic(row["topic"]), there, judge)
        mask, (active,) = causes[row["tokens"]], judged.active_on([(row["site"], row["code"])])
        hits = sum(bool(mask[token]) for token in active.tolist())
        assert row["recall"][0] == pytest.approx(hits / row["n"], abs=1e-4)
        assert row["precision"][0] == pytest.approx(hits / max(len(active), 1), abs=1e-4)
        assert 0 < row["neuron_precision"] < 1
    chosen = pieces.told.best_code(index, pieces.topics.topic("things: sea").mentions(rows, judge))
    assert chosen.recall >= 0.5 or chosen.f1 > 0


def text(share: float, nll: float) -> WrittenText:
    return WrittenText(
        Estimate(value=share, low=share, high=share, n=9),
        Estimate(value=nll, low=nll, high=nll, n=9),
        {1: 0.5},
        None,
        9,
    )


@pytest.mark.parametrize(
    ("tried", "taken"),
    [([(0.95, 5.0), (0.9, 3.0), (0.85, 2.0)], 1), ([(0.3, 5.0), (0.6, 9.0), (0.5, 2.0)], 1), ([(1.0, 2.0)], 0)],
)
def test_of_strengths_that_suffice_the_most_natural_is_taken_else_the_largest_share(pieces, tried, taken):
    class Scripted:
        def judged(self, push, *, choosing: bool = False) -> WrittenText:
            return text(*tried[push()])

    strengths = [(f"{place}", lambda place=place: place) for place in range(len(tried))]
    found = pieces.steering.pushed(Scripted(), strengths)
    assert found["strength"] == f"{taken}" and found["nll_nats"][0] == tried[taken][1]


@pytest.mark.parametrize(("enough_from", "taken"), [(0, 0), (3, 3), (5, 5), (7, 7), (9, 8)])
def test_the_fewest_codes_that_suffice_are_found_by_halving(pieces, enough_from, taken):
    tried = []

    class Scripted:
        def judged(self, push, *, choosing: bool = False) -> WrittenText:
            place = push()
            tried.append(choosing)
            return text(0.9 if place >= enough_from else 0.05 * place, float(place))

    strengths = [(f"{place}", lambda place=place: place) for place in range(9)]
    assert pieces.steering.pushed_by_fewest(Scripted(), strengths)["strength"] == f"{taken}"
    assert sum(tried) <= 4 and len(tried) == sum(tried) + 1


def test_several_codes_fill_no_group_beyond_its_slots_and_drawn_ones_are_others_of_the_same_groups(
    pieces, judge, halves, monkeypatch
):
    index = halves.indexes[0]
    ranked = rank_codes(index, pieces.topics.topic("gender: male").mentions(halves.rows[0], judge), n=200)
    monkeypatch.setattr(pieces.pushing, "PRECISE", 0.0)
    codes = pieces.pushing.several_codes(index, ranked)
    held = Counter((one.site, one.code // 60) for one in codes)
    assert len(codes) == len({*codes}) == 16 and max(held.values()) == 4
    drawn = pieces.steering.drawn_codes(index, codes[:4], seed=1)
    for one, other in zip(codes[:4], drawn, strict=True):
        assert (one.site, one.code // 60) == (other.site, other.code // 60) and index.totals[other.site][other.code] > 0
    assert len({*codes[:4], *drawn}) == 8
    assert (
        drawn
        == pieces.steering.drawn_codes(index, codes[:4], seed=1)
        != pieces.steering.drawn_codes(index, codes[:4], 2)
    )


def test_a_topic_without_codes_is_refused(pieces, halves):
    with pytest.raises(UsageError, match="too few codes stand for the topic: 0"):
        pieces.pushing.several_codes(halves.indexes[0], ())


def test_every_way_writes_and_is_judged(pieces, judge, model, halves, monkeypatch):
    monkeypatch.setattr(pieces.pushing, "PRECISE", 0.0)
    sae = mechlab.TopKDictionary(mechlab.TopKConfig(d_in=128, d_sae=40, k=4))
    vectors = pieces.rivals.vectors_at(judge, halves.rows[0], "resid_post.2")
    settings = {
        "sae": {"site": "resid_post.2"},
        "protocol": {"prompts": ["One day"], "n_choosing": 1, "n_judging": 2, "n_tokens": 3},
    }
    features = pieces.rivals.features_of(sae, vectors)
    found = pieces.pushing.steered("things: sea", halves, (model, judge), (sae, features), settings, 0)
    assert len(found) == 8 and all(way["n"] == 2 and len(way["distinct"]) == 3 for way in found.values())
    assert "strength" in found["codes: one"] and "strength" not in found["codes: nothing"]
    mask = pieces.topics.topic("things: sea").mentions(halves.rows[0], judge)
    direction = pieces.rivals.mean_difference(vectors, mask)
    assert torch.allclose(direction, vectors[mask].mean(0) - vectors[~mask].mean(0))
    best = pieces.rivals.best_feature(features, mask)
    hits, active = ((features[:, best] > 0) & mask).sum(), (features[:, best] > 0).sum()
    f1 = [2 * float((own & mask).sum()) / float(own.sum() + mask.sum()) for own in (features > 0).unbind(1)]
    assert 2 * float(hits) / float(active + mask.sum()) == max(f1)


def test_a_drawn_code_is_never_one_of_those_chosen(pieces, halves):
    index = halves.indexes[0]
    chosen = [CodeChoice("mlp_out.0", code) for code in (0, 1, 2)]
    assert not {*chosen} & {*pieces.steering.drawn_codes(index, chosen, 3)}


def test_variance_is_parted_into_seasons_words_and_uses(pieces):
    months, draw = pieces.months, torch.Generator().manual_seed(0)
    word = torch.arange(16).repeat(4000)
    seasons, words = torch.randn(4, 8, generator=draw).double() * 3, torch.randn(16, 8, generator=draw).double()
    vectors = seasons[word // 4] + words[word] + torch.randn(len(word), 8, generator=draw).double() * 2
    own = words.view(4, 4, 8)
    centres = seasons + own.mean(1)
    known = (
        (centres - centres.mean(0)).square().sum(-1).mean(),
        (own - own.mean(1, keepdim=True)).square().sum(-1).mean(),
        8 * 4,
    )
    assert months.variances(vectors, word) == pytest.approx([float(one) for one in known], rel=0.03)
    shuffled = months.shuffled_in_seasons(word, seed=0)
    assert torch.equal(shuffled // 4, word // 4) and torch.equal(shuffled.bincount(), word.bincount())
    between, within, _ = months.variances(vectors, shuffled)
    assert between == pytest.approx(float(known[0]), rel=0.03) and within < 0.02 * float(known[1])


def test_a_month_has_a_code_in_the_embedding_where_words_are_still_themselves(pieces, judge, model, rows):
    many = mechlab.pack(mechlab.open_corpus("tales"), judge.tokenizer, row_length=64, n_tokens=1600 * 64)
    halves = pieces.told.Halves(model, many)
    found = pieces.months.of_months(halves, judge, mechlab.load("tales", device="cpu"), rows, 0)
    assert set(found["codes of the embedding"]) == set(pieces.months.MONTHS)
    assert all(one["precision"][0] == one["recall"][0] == 1 for one in found["codes of the embedding"].values())
    behind = [found["trained codes"][month]["precision"][0] for month in pieces.months.MONTHS]
    assert len(found["trained codes"]) == 16 and sum(behind) / 12 < 0.5
    parts = found["variance"]
    assert parts["embed"]["uses"] < 1e-6 < parts["embed"]["words, shuffled"] < parts["embed"]["words"]
    assert parts["resid_post.3"]["words"] < parts["resid_post.3"]["seasons"] < parts["resid_post.3"]["uses"]
    assert found["loss_times_with_embedding_codes"][0] == pytest.approx(1, abs=0.3)
