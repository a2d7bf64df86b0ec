"""Experiment 013: routes sum to what they explain, ways to what heads write, and keeping all changes nothing."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers as hf
from circuits.attribution.random_transcoders import shaken
from experiment_pieces import pieces_of
from small_run import tiny_model

import mechlab
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.transcoder_set import TranscoderSet

PLACE = "013_years_in_features"
TASK = {"n": 12, "style": "tales", "seed": 0}
N_FEATURES = 24


@pytest.fixture(scope="module")
def pieces() -> Iterator[SimpleNamespace]:
    with pieces_of(PLACE, "subject", "routes", "removal", "curve", "loss", "answering") as found:
        yield found


@pytest.fixture(scope="module")
def subject(pieces: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> object:
    model = mechlab.load(str(_louder(tiny_model(tmp_path_factory.mktemp("model") / "tiny"))), device="cpu")
    return pieces.subject.subject_of(model, {"task": TASK}, tmp_path_factory.mktemp("none"))


def _louder(folder: Path) -> Path:
    """Return a random model whose heads and MLPs matter to its answers: its matrices are made larger."""
    model = hf.GPT2LMHeadModel.from_pretrained(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter *= 12
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def transcoders(subject: object) -> TranscoderSet:
    spec = subject.model.spec
    config = TopKConfig(d_in=spec.d_model, d_out=spec.d_model, d_sae=N_FEATURES, k=2)
    made = {f"mlp.{layer}": shaken(TopKDictionary(config), torch.float32, layer) for layer in subject.layers}
    return TranscoderSet.of(made, spec)


def test_no_prompt_is_both_chosen_by_and_tested_on(subject: object) -> None:
    texts = [
        {tuple(row) for pairs in half for row in pairs.clean.tolist()}
        for half in (subject.chosen_by, subject.tested_on)
    ]
    assert sum(map(len, texts)) == TASK["n"] and not texts[0] & texts[1]


def test_all_routes_together_bring_how_far_the_answers_are_apart(
    pieces: SimpleNamespace, subject: object, transcoders: TranscoderSet
) -> None:
    found = pieces.routes.found_routes(subject, transcoders, {"width": None, "n_traced": 1})
    assert abs(found.apart) > 1e-3 and found.explained == pytest.approx(found.apart, rel=1e-3, abs=1e-4)
    values = list(found.brought.values())
    assert [abs(one) for one in values] == sorted(map(abs, values), reverse=True)
    route = found.moved()[0]
    (layer, head), role = pieces.routes.head_of(route)
    assert (layer, head) in {(i, j) for i in subject.layers for j in range(2)} and role in (
        "start",
        "century",
        "elsewhere",
    )
    assert all(at > 0 or layer == 0 for at, _ in found.features[route])


def test_what_tokens_bring_sums_to_what_the_head_writes(pieces: SimpleNamespace, subject: object) -> None:
    pairs, head = subject.tested_on[0], (1, 1)
    n_pos = pairs.clean.shape[1]
    ways = [pieces.removal.Way(head, back, ()) for back in range(1, n_pos + 1)]
    brought = sum(pieces.removal._brought(subject, way, pairs, pairs.clean) for way in ways)
    written = subject.model.activations(pairs.clean, ["head.1.1"])["head.1.1"][:, -1]
    torch.testing.assert_close(brought, written, atol=1e-5, rtol=1e-4)


def test_a_way_to_no_feature_takes_nothing_and_a_way_to_many_does(
    pieces: SimpleNamespace, subject: object, transcoders: TranscoderSet
) -> None:
    clean = torch.cat([pieces.subject.asked(subject.model, pairs) for pairs in subject.tested_on])
    every = tuple((1, number) for number in range(N_FEATURES))
    none, taken = (
        pieces.removal.left_without(subject, transcoders, pieces.removal.Way((0, 0), "start", features))
        for features in ((), every)
    )
    torch.testing.assert_close(none, clean)
    assert (taken - clean).abs().max() > 1e-6
    found = pieces.removal.judged(
        subject, transcoders, pieces.removal.Way((0, 0), "start", every[:2]), list(every), {"n_drawn": 2}, 0
    )
    assert found["n_features"] == 2 and "largest" in found["drawn path exchanged"]
    assert {"path", "path exchanged", "drawn features", "drawn direction"} <= found.keys()


def test_keeping_every_neuron_changes_nothing_and_keeping_none_leaves_the_mean(
    pieces: SimpleNamespace, subject: object, transcoders: TranscoderSet
) -> None:
    found = pieces.curve.curve(subject, transcoders, 1, {"n_kept": [0, 4, 64], "n_drawn": 2}, 0)
    assert found["neurons"]["first"]["64"] == pytest.approx(found["model"], abs=2e-5)
    assert found["features"]["first"]["0"] == found["neurons"]["first"]["0"] != found["model"]
    assert found["features"]["n_ever_on"] <= N_FEATURES


def test_the_loss_of_the_model_is_that_of_its_own_cross_entropy(pieces: SimpleNamespace, subject: object) -> None:
    rows = mechlab.pack(mechlab.open_corpus("tales"), subject.model.tokenizer, row_length=32, n_tokens=128)
    found = pieces.loss._losses(subject, {}, rows)
    tokens = rows.tokens.long()
    with torch.no_grad():
        logits = subject.model.logits(tokens)
    special = torch.tensor(sorted(subject.model.special_ids))
    for row, value in enumerate(found.tolist()):
        counts = ~(torch.isin(tokens[row, 1:], special) | torch.isin(tokens[row, :-1], special))
        wanted = torch.nn.functional.cross_entropy(logits[row, :-1][counts], tokens[row, 1:][counts])
        assert value == pytest.approx(float(wanted), rel=1e-5)


def test_the_way_taken_has_the_strongest_features_of_the_first_head(pieces: SimpleNamespace) -> None:
    one, two = ("start", "head.0.1", "features.1", "answer"), ("century", "head.0.0", "features.1", "answer")
    features = {one: {(1, 3): 2.0, (1, 4): 1.0, (1, 5): 3.0}, two: {(1, 9): 9.0}}
    found = pieces.routes.Found({one: 2.0, two: 1.0}, features, 3.0, 3.0)
    way = pieces.answering.way_of(found, 0.8)
    assert (way.head, way.source, way.features) == ((0, 1), "start", ((1, 5), (1, 3)))
