"""The pieces of experiment 017: words exchanged one for one, directions and gates found as asked, ways held alike."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from experiment_pieces import pieces_of

import mechlab
from mechlab.circuits.channels.head_circuits import head_circuits
from mechlab.circuits.directions.examples import separate
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.metrics.dose_response import Dose
from mechlab.metrics.written_text import WrittenText
from mechlab.models.logit_lens import logit_lens

PLACE = "017_steering_of_stories"
MODULES = ("causes", "finding", "ways", "screening", "racing", "subject", "answering", "run", "steer_a_story", "tables")
CAUSES = ("sea", "kitchen", "winter", "anger", "female")
SITE = "resid_post.2"
SETTINGS = {
    "sites": {"everywhere": [SITE], "where called for": [SITE]},
    "kinds": ["observable", "feature", "component"],
    "screened": {"everywhere": [0.3], "where called for": [1.0]},
    "raced": {"everywhere": [0.2, 0.4], "where called for": [1.0]},
    "drawn": [0.4],
    "steered": {"sea": 0.5, "anger": 1},
    "terms": {"wanted": 0.8, "most_increase": 0.15},
    "rows": {"first_seed": 100, "n_tokens": 12_000, "row_length": 64, "n_pairs": 16, "n_neutral": 8},
    "writing": {"prompts": ["It", "When"], "n_each": 6, "n_tokens": 20},
}


@pytest.fixture(scope="module")
def pieces() -> Iterator[SimpleNamespace]:
    with pieces_of(PLACE, *MODULES) as found:
        yield found


@pytest.fixture(scope="module")
def model() -> mechlab.LanguageModel:
    if not (Path(mechlab.__file__).parent / "models" / "tales" / "model.safetensors").exists():
        pytest.skip("the built-in model is not there")
    return mechlab.load("tales", device="cpu")


@pytest.fixture(scope="module")
def found(pieces: SimpleNamespace, model: mechlab.LanguageModel) -> object:
    rows = pieces.subject.labelled_rows(model, SETTINGS["rows"], 0)
    sae = mechlab.TopKDictionary(mechlab.TopKConfig(d_in=model.spec.d_model, d_sae=32, k=4))
    cause = pieces.causes.cause("sea")
    return pieces.finding.Material(model, cause, rows, {SITE: sae}, head_circuits(model), 16, 0)


@pytest.mark.parametrize("name", CAUSES)
def test_words_of_a_cause_are_exchanged_one_for_one_and_none_is_a_sisters(pieces: SimpleNamespace, name: str) -> None:
    cause = pieces.causes.cause(name)
    assert not set(cause.words) & set(cause.others)
    for text, other in pieces.causes.text_pairs(cause, 12, 3):
        own, exchanged = text.split(), other.split()
        assert len(own) == len(exchanged) and own != exchanged
        kept = {*cause.context.get(name, ()), *cause.words}
        for one, new in zip(own, exchanged, strict=True):
            assert one == new or re.sub(r"\W", "", one) in kept
        assert not set(re.findall(r"\w+", other)) & kept
        assert set(re.findall(r"\w+", other)) & set(cause.others)


def test_pairs_end_where_the_story_goes_on_with_a_word_of_the_cause(pieces: SimpleNamespace) -> None:
    cause = pieces.causes.cause("anger")
    stories = [TalesCorpus(5, pieces.causes.STORIES).document(number).text for number in range(300)]
    for text, _ in pieces.causes.text_pairs(cause, 8, 5):
        whole = next(one for one in stories if one.startswith(text + " "))
        rest = re.findall(r"\w+", whole[len(text) :])
        assert rest[0] in cause.words and not set(rest[1:]) & set(cause.words)
        assert set(re.findall(r"\w+", text)) & set(cause.words)


def test_what_is_said_before_speaks_of_the_cause_in_words_the_model_has(
    pieces: SimpleNamespace, model: mechlab.LanguageModel
) -> None:
    for name in CAUSES:
        cause = pieces.causes.cause(name)
        assert re.search(cause.concept.regex, cause.said.lower())
        assert model.tokenizer.unk_id not in model.to_tokens(cause.said)
    with pytest.raises(UsageError, match="no such cause"):
        pieces.causes.cause("garden gnome")


def test_the_observable_is_the_mean_of_own_logits_less_that_of_the_sisters(
    pieces: SimpleNamespace, model: mechlab.LanguageModel
) -> None:
    cause = pieces.causes.cause("winter")
    logits = torch.randn(732, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    token = {word: model.to_tokens(word)[0, 1] for word in (*cause.words, *cause.others)}
    wanted = torch.stack([logits[token[word]] for word in cause.words]).mean()
    wanted -= torch.stack([logits[token[word]] for word in cause.others]).mean()
    assert float(pieces.finding.observable_of(model, cause).value(logits)) == pytest.approx(float(wanted))


def test_the_observables_direction_moves_its_words_at_every_site(pieces: SimpleNamespace, found: object) -> None:
    sites = (SITE, "resid_post.3")
    early, last = (pieces.finding.direction("observable", found, site) for site in sites)
    assert (early.site, last.site) == sites
    torch.testing.assert_close(early.vector, last.vector)
    lens = logit_lens(found.model, last.vector[None])[0]
    own = torch.stack([lens[found.model.to_tokens(word)[0, 1]] for word in found.asked.words])
    others = torch.stack([lens[found.model.to_tokens(word)[0, 1]] for word in found.asked.others])
    assert own.min() > others.max()


def test_the_most_telling_feature_is_on_in_stories_about_the_cause(pieces: SimpleNamespace) -> None:
    class Planted:
        b_enc = torch.zeros(4)

        def encode(self, x: torch.Tensor) -> torch.Tensor:
            return x

    often, seldom, never = torch.tensor([[1.0, 0, 1, 0], [1.0, 1, 0, 0], [0.0, 1, 0, 0]])
    examples = separate("s", "m", often.repeat(6, 1), torch.stack([seldom, seldom, often, seldom, never]))
    assert pieces.finding.telling(Planted(), examples, 2) == [2, 0]
    assert pieces.finding.telling(Planted(), examples, 4)[-1] == 1


def test_the_component_is_the_one_that_moves_the_observable_most(pieces: SimpleNamespace, found: object) -> None:
    one = pieces.finding.direction("component", found, "its head")
    along = pieces.finding.direction("observable", found, "resid_post.3").vector.double()
    best = max(
        abs(
            float(
                found.circuits.ov.values[layer, head][n] * (found.circuits.ov.write[layer, head][:, n].double() @ along)
            )
        )
        for layer in range(4)
        for head in range(4)
        for n in range(found.circuits.ov.values.shape[-1])
    )
    moved = float(one.vector.double() @ along) * one.scale
    assert moved == pytest.approx(best, rel=1e-4) and one.site.startswith("attn_out.")


def test_a_step_is_as_long_as_asked_in_mean_norms_and_made_where_the_gate_is_open(
    pieces: SimpleNamespace, found: object
) -> None:
    direction = mechlab.find_direction("random", mechlab.DirectionMaterial(found.model, SITE), seed=1)
    rows = found.rows.select(slice(0, 4))
    own = found.model.activations(rows.tokens.long(), [SITE])[SITE]
    mean = own[~rows.special].norm(dim=-1).mean()
    probe, above = pieces.ways.calls_of(found.model, found.rows, found.asked, SITE)
    opened = (own @ probe) > above
    assert 0 < opened.sum() < opened.numel() / 2
    early = torch.arange(rows.row_length) < 20
    for gates, stop, where in (
        (None, None, torch.ones_like(opened)),
        ({SITE: (probe, above)}, None, opened),
        ({SITE: (probe, above)}, 20, opened & early),
    ):
        way = pieces.ways.Ladder(found.model, rows, (0.5, 1.0), gates, stop).way("w", direction)
        assert way.name == "w" and list(way.edits) == [0.5, 1.0]
        for strength, edit in way.edits.items():
            with edit():
                moved = found.model.activations(rows.tokens.long(), [SITE])[SITE] - own
            wanted = strength * mean * direction.vector * where[..., None]
            torch.testing.assert_close(moved, wanted, atol=2e-3, rtol=1e-3)


def test_the_gate_tells_on_other_stories_where_a_word_of_the_kind_comes_next(
    pieces: SimpleNamespace, found: object
) -> None:
    probe, above = pieces.ways.calls_of(found.model, found.rows, found.asked, SITE)
    fresh = pieces.subject.labelled_rows(found.model, SETTINGS["rows"], 7).select(slice(0, 60))
    said = (found.model.activations(fresh.tokens.long(), [SITE])[SITE] @ probe) > above
    listed = {int(found.model.to_tokens(word)[0, 1]) for word in (*found.asked.words, *found.asked.others)}
    calls = torch.zeros_like(fresh.special)
    calls[:, :-1] = torch.isin(fresh.tokens[:, 1:], torch.tensor(sorted(listed)))
    said, calls = said[:, :-1][~fresh.special[:, :-1]], calls[:, :-1][~fresh.special[:, :-1]]
    assert said[calls].double().mean() > 0.7 and said[~calls].double().mean() < 0.15


def test_rows_about_nothing_of_the_kind_hold_no_word_of_the_cause(pieces: SimpleNamespace, found: object) -> None:
    rows = pieces.subject.without(found.model, found.rows, found.asked, 8)
    texts = [text.lower() for text in found.model.to_text(rows.tokens)]
    assert len(texts) == 8 and not any(re.search(found.asked.concept.regex, text) for text in texts)


def dose(strength: float, concept: float, increase: float) -> Dose:
    def exactly(value: float) -> Estimate:
        return Estimate(value=value, low=value, high=value, n=1)

    text = WrittenText(exactly(concept), exactly(1.0), {1: 1.0, 2: 1.0, 3: 1.0}, exactly(0.0), 1)
    return Dose(strength, text, exactly(increase))


def test_the_place_taken_is_the_most_fluent_that_reaches_the_concept_else_the_one_with_most_of_it(
    pieces: SimpleNamespace,
) -> None:
    place, none = pieces.screening.Place, dose(0, 0.1, 0)
    rows = [
        (place("a", "s1", "everywhere"), [none, dose(1, 0.7, 0.02), dose(2, 1.0, 0.9)]),
        (place("a", "s2", "where called for"), [none, dose(1, 0.9, 0.10)]),
        (place("a", "s3", "where called for"), [none, dose(1, 0.85, 0.05)]),
        (place("b", "s1", "everywhere"), [none, dose(1, 0.5, 0.02)]),
        (place("b", "s2", "everywhere"), [none, dose(1, 0.6, 0.14), dose(2, 0.9, 0.16)]),
        (place("c", "s1", "everywhere"), [none, dose(1, 0.9, 0.01)]),
        (place("c", "s2", "where called for"), [none, dose(1, 0.5, 0.01)]),
    ]
    chosen = pieces.screening.taken(rows, SETTINGS["terms"])
    assert [(one.kind, one.site) for one in chosen] == [("a", "s3"), ("b", "s2"), ("c", "s2")]


def test_features_are_tried_where_a_dictionary_is_and_a_component_at_its_head(
    pieces: SimpleNamespace, found: object
) -> None:
    settings = {**SETTINGS, "sites": {"everywhere": ["resid_post.1", SITE], "where called for": [SITE]}}
    places = [(one.kind, one.site, one.manner) for one in pieces.screening.places_of(found, settings)]
    assert places == [
        ("observable", "resid_post.1", "everywhere"),
        ("observable", SITE, "everywhere"),
        ("observable", SITE, "where called for"),
        ("feature", SITE, "everywhere"),
        ("feature", SITE, "where called for"),
        ("component", "its head", "everywhere"),
    ]
    writing = pieces.answering.writing_of(SETTINGS, 1, n_each=2)
    few = {**settings, "kinds": ["component"]}
    ((place, doses),) = pieces.screening.tried(found, few, writing)
    assert place.kind == "component" and [one.strength for one in doses] == [0, 0.3]


def test_a_race_has_prompting_and_drawn_directions_at_the_same_sites_and_strengths(
    pieces: SimpleNamespace, found: object
) -> None:
    places = [
        pieces.screening.Place("observable", SITE, "where called for"),
        pieces.screening.Place("feature", SITE, "everywhere"),
    ]
    ways = {way.name: way for way in pieces.racing.ways_of(found, places, SETTINGS, 10)}
    assert list(ways) == [
        "prompt",
        "observable, where called for",
        "random, where called for",
        "feature, everywhere",
        "random_feature, everywhere",
    ]
    assert list(ways["observable, where called for"].edits) == [1.0]
    assert list(ways["random, where called for"].edits) == list(ways["random_feature, everywhere"].edits) == [0.4]
    raced = pieces.finding.direction("feature", found, SITE)
    drawn = pieces.racing.drawn_feature(found, raced)
    assert drawn.facts.details["feature"] != raced.facts.details["feature"] and drawn.site == raced.site
    neutral = pieces.subject.without(found.model, found.rows, found.asked, 4)
    terms, writing = mechlab.Terms(**SETTINGS["terms"], neutral=neutral), pieces.answering.writing_of(SETTINGS, 0)
    told = pieces.racing.raced(found, places, SETTINGS, terms, writing)
    assert list(told["ways"]) == list(ways) and told["own"]["strength"] == 0
    for name, one in told["ways"].items():
        assert one["taken"] in (0, *ways[name].edits) and one["fresh"]["strength"] == one["taken"]
        assert [dose["strength"] for dose in one["tried"]] == [0, *ways[name].edits]
    prompt = told["ways"]["prompt"]["tried"]
    assert prompt[1]["concept"][0] > prompt[0]["concept"][0]


def test_the_first_part_of_each_text_is_steered_in_screens_and_races_alike(
    pieces: SimpleNamespace, found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops, ladder = [], pieces.ways.Ladder
    for module in (pieces.screening, pieces.racing):
        monkeypatch.setattr(
            module, "ladder", lambda *given: stops.append(given[-1]) or ladder(found.model, found.rows, given[1])
        )
    writing = pieces.answering.writing_of(SETTINGS, 1, n_each=1)
    list(pieces.screening.tried(found, {**SETTINGS, "kinds": ["component"]}, writing))
    place = pieces.screening.Place("component", "its head", "everywhere")
    monkeypatch.setattr(pieces.racing.mechlab, "race", lambda model, ways, *_: list(ways) and [])
    with pytest.raises(IndexError):
        pieces.racing.raced(found, [place], SETTINGS, mechlab.Terms(**SETTINGS["terms"]), writing)
    assert stops == [10, 10]
    whole = {**SETTINGS, "steered": {found.asked.name: 0.33}}
    assert pieces.screening.stop_of(found, whole, writing) == 7


def test_fitted_kinds_learn_from_tokens_in_front_of_words_of_the_kind(pieces: SimpleNamespace, found: object) -> None:
    examples = found.examples(SITE)
    topic = found.rows.labels["topic"]
    sea = found.rows.label_names["topic"].index("sea")
    listed = {int(found.model.to_tokens(word)[0, 1]) for word in (*found.asked.words, *found.asked.others)}
    calls = [
        (row, place)
        for row in range(len(found.rows))
        for place in range(1, found.rows.row_length - 1)
        if int(found.rows.tokens[row, place + 1]) in listed
        and int(found.rows.tokens[row, place]) not in listed
        and topic[row, place] >= 0
        and not found.rows.special[row, place]
    ]
    assert len(examples) == len(calls) and examples.n_positive == sum(int(topic[one] == sea) for one in calls)
    assert [row for row, _ in calls] == examples.groups.tolist()
    for kind in ("mean_difference", "logistic_probe", "pair_pca"):
        assert pieces.finding.direction(kind, found, SITE).kind == kind


def test_each_cause_is_raced_on_texts_as_long_as_it_needs_and_each_seed_on_rows_of_its_own(
    pieces: SimpleNamespace, found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SETTINGS, "tokens": {"sea": 20, "anger": 40}, "choosing": {"wanted": 0.9, "most_increase": 0.1}}
    subject = pieces.subject.Subject(found.model, found.circuits, Path("none"), settings)
    monkeypatch.setattr(pieces.subject, "dictionaries_of", lambda *_: {})
    monkeypatch.setattr(pieces.answering, "raced", lambda *given: given)
    asked = [("sea", 0), ("anger", 0), ("sea", 1)]
    races = [pieces.answering.raced_with(subject, *one, [{"kind": "a", "site": "b", "manner": "c"}]) for one in asked]
    assert [(one[-1].n_tokens, one[-1].seed) for one in races] == [(20, 0), (40, 0), (20, 1)]
    assert races[0][0].rows.fingerprint == races[1][0].rows.fingerprint != races[2][0].rows.fingerprint
    assert [one[0].asked.name for one in races] == ["sea", "anger", "sea"]
    assert races[0][-2].wanted == 0.9 and len(races[0][-2].neutral) == 8


def test_what_was_found_with_other_settings_is_not_taken_up(pieces: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert pieces.run.found_before(path, {"a": 1}) == {"config": {"a": 1}, "places": {}, "causes": {}}
    path.write_text(json.dumps({"config": {"a": 1}, "causes": {"sea": {}}}))
    assert pieces.run.found_before(path, {"a": 1})["causes"] == {"sea": {}}
    assert pieces.run.found_before(path, {"a": 2})["causes"] == {}


def test_tables_tell_means_over_seeds_and_who_reaches_what_is_wanted(pieces: SimpleNamespace) -> None:
    def way(share: float, loss: float) -> dict[str, object]:
        fresh = {"concept": [share], "increase": [loss]}
        tried = [{"concept": [0.1], "increase": [0.0]}, {"concept": [share / 2], "increase": [2 * loss]}]
        return {"taken": 0.5, "trend": -1.0, "fresh": fresh, "tried": tried, "costs": {"loss": [0.02]}}

    tables, terms = pieces.tables, SETTINGS["terms"]
    assert tables.over_seeds([0.8, 0.9, 1.0]) == "90 [65, 100]" and tables.over_seeds([0.5]) == "50"
    assert tables.over_seeds([-0.1, 0.0, 0.1]) == "0 [−25, 25]"
    ways = [way(0.8, 0.1), way(0.9, 0.1), way(1.0, 0.1)]
    assert tables.share_and_loss(ways) == "90 [65, 100] at 10 [10, 10]"
    assert tables.prompted(ways) == "45 [33, 57] at 20 [20, 20]"
    assert tables.details(ways) == "0.5, 0.5, 0.5; −1.00; 2 [2, 2]"
    assert tables.details([{**ways[0], "costs": None}]) == "0.5; −1.00; none"
    assert tables.reached(ways, terms) and not tables.reached([way(0.9, 0.2)], terms)
    assert not tables.reached([way(0.79, 0.1)], terms)

    def seeds(loss: float) -> dict[str, object]:
        return {"0": {"own": {"concept": [0.1]}, "ways": {"prompt": way(0.7, 0.0), "a, gated": way(0.9, loss)}}}

    told = {"causes": {"sea": seeds(0.1), "anger": seeds(0.2)}, "config": {"terms": terms}}
    assert list(tables.tables(told)) == [
        *("| | sea | anger |", "|---|---|---|", "| as it is | 10 | 10 |", "| prompt | 35 at 0 | 35 at 0 |"),
        *("| a | 90 at 10 | 90 at 20 |", "", "| | sea | anger |", "|---|---|---|"),
        *("| a | 0.5; −1.00; 2 | 0.5; −1.00; 2 |", "", "sea: a", "anger: none"),
    ]


def test_stories_are_steered_as_a_user_would(
    pieces: SimpleNamespace, model: mechlab.LanguageModel, capsys: pytest.CaptureFixture[str]
) -> None:
    base, steered = pieces.steer_a_story.before_and_after("It was", n=12)
    written = model.generate(
        model.to_tokens("It was").expand(12, -1), 60, temperature=1.0, generator=torch_generator(0, "generation", "cpu")
    )
    assert base == model.to_text(written)
    sea = re.compile(pieces.causes.cause("sea").concept.regex)
    before, after = (sum(bool(sea.search(text.lower())) for text in texts) for texts in (base, steered))
    assert after >= before + 4
    assert "AUC" in capsys.readouterr().out
