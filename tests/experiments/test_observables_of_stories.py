"""Experiment 015: twins differ in what they should; predictions, slopes, regressions and edits are what they say."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from circuits.asked_pairs import random_pairs
from experiment_pieces import pieces_of
from oracles.tiny_models import tiny
from scipy.stats import linregress, spearmanr

import mechlab
from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.pulling import NormRules
from mechlab.corpora.rows import TokenRows
from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.names import GENDER, NAMES_BY_GENDER
from mechlab.models.huggingface import HuggingFaceModel

PLACE = "015_observables_of_stories"
ASKING = ("twins", "plain_twins", "subject", "telling")
PIECES = (*ASKING, "through_mlps", "ranking", "coupled", "few_labels", "taking_out")
HIGH = Observable(name="a - h", tokens=(5, 9), weights=(1.0, -1.0))
OTHER = Observable(name="b - h", tokens=(7, 3), weights=(1.0, -1.0))
SETTINGS = {"seed": 0, "draws": 6, "shuffles": 5, "rows_of_written": 4, "prompts": 2, "coupled_draws": 1, "labels": 6}
SETTINGS |= {
    "rows_at_once": 3,
    "seeds": [0, 1],
    "prompt_counts": [1, 2],
    "rows_of_loss": 4,
    "taken_draws": 1,
    "part": 0.5,
}


@pytest.fixture(scope="module")
def pieces() -> Iterator[SimpleNamespace]:
    with pieces_of(PLACE, *PIECES) as found:
        yield found


@pytest.fixture(scope="module")
def subject(pieces: SimpleNamespace) -> object:
    """A random model, asked random pairs of which every second has the first class as its clean prompt."""
    model, parts = HuggingFaceModel(tiny("gpt2").double()), []
    for seed in (0, 1):
        pairs = random_pairs(8, seed=seed)
        facts = tuple({"first_is_clean": row % 2 == 0} for row in range(8))
        places = {**pairs.positions, "cause": torch.full((8,), 4)}
        parts.append(replace(pairs, facts=facts, positions=places))
    tokens = torch.randint(3, 12, (6, 12), generator=torch.Generator().manual_seed(3))
    special = torch.zeros_like(tokens, dtype=torch.bool)
    special[:, 0] = True
    text = TokenRows(tokens.int(), special, "random rows")
    halves = {"held out": (parts[0],), "labelled": (parts[1],)}
    return pieces.subject.Subject(model, {"a - h": HIGH, "b - h": OTHER}, lambda name, half: halves[half], text)


def test_twins_tell_the_same_of_a_man_and_a_woman_and_end_before_the_pronoun(pieces: SimpleNamespace) -> None:
    documents = [TalesCorpus(3).document(number) for number in range(400)]
    swap = pieces.twins.gender_swap(NAMES_BY_GENDER, {"he"})
    made = list(pieces.twins.twins(documents, swap, 0, 60))
    texts = {document.text for document in documents}
    assert len(made) > 40
    for man, woman in made:
        assert any(text.startswith(man.text) and text[len(man.text) :].startswith(" he") for text in texts)
        words = [pieces.twins.TOKEN.findall(one.text) for one in (man, woman)]
        changed = [pair for pair in zip(*words, strict=True) if pair[0] != pair[1]]
        assert changed and all((GENDER[one], GENDER[other]) == ("male", "female") for one, other in changed)
        names = [one.text[slice(*one.roles["cause"])] for one in (man, woman)]
        assert tuple(names) == [pair for pair in changed if pair[0] in NAMES_BY_GENDER["male"]][-1] == changed[-1]
        assert not {"he", "his", "him", "He", "His"} & set(words[1])


def test_twins_of_feelings_and_seasons_exchange_whole_classes(pieces: SimpleNamespace) -> None:
    documents = [TalesCorpus(4).document(number) for number in range(300)]
    for swap, gone in (
        (pieces.twins.emotion_swap("sadness", "joy"), {"sad", "cried", "wept"}),
        (pieces.twins.season_swap("summer", "winter"), {"summer", "June", "July", "heat"}),
    ):
        made = list(pieces.twins.twins(documents, swap, 0, 60))
        assert len(made) > 10
        assert all(not gone & set(pieces.twins.TOKEN.findall(high.text)) for _, high in made)
        assert all(len(low.text.split()) == len(high.text.split()) for low, high in made)


def test_pairs_turn_about_and_their_right_words_follow_the_class(pieces: SimpleNamespace) -> None:
    settings = {"seed": 1, "pairs": 8, "longest": 60, "row_length": 32, "tokens": 64}
    asked = pieces.subject.tales_subject(settings)
    she, he = (asked.model.tokenizer.encode_with_offsets(word)[0][0] for word in ("she", "he"))
    names = {half: set[str]() for half in pieces.subject.HALVES}
    for half in pieces.subject.HALVES:
        pairs = asked.twins("she - he", half)
        facts = [fact["first_is_clean"] for one in pairs for fact in one.facts]
        assert len(facts) == 8 and sum(facts) == 4
        for one in pairs:
            assert one.candidates.tolist() == [[she, he]] * len(one)
            assert one.is_right.tolist() == [[not fact["first_is_clean"], fact["first_is_clean"]] for fact in one.facts]
            for tokens in (one.clean, one.corrupted):
                found = tokens[torch.arange(len(one)), one.positions["cause"]].tolist()
                names[half] |= {asked.model.tokenizer.token_string(token).strip() for token in found}
    assert len(names["labelled"]) > 8 and not names["labelled"] & names["held out"]
    assert all(name in GENDER for half in names.values() for name in half)


def test_plain_twins_have_as_many_tokens_and_the_cause_in_one_place(pieces: SimpleNamespace) -> None:
    model = mechlab.load("tales", device="cpu")
    names = {"female": ["Mary", "Ann Lee"], "male": ["John", "Tom Ray"]}
    made = pieces.plain_twins.plain_twins("she - he", names, 0, model.tokenizer)
    for man, woman in (next(made) for _ in range(20)):
        lengths = [len(model.tokenizer.encode_with_offsets(one.text)[0]) for one in (man, woman)]
        assert lengths[0] == lengths[1] and " boy" in man.text and " girl" in woman.text
        for one, own in ((man, names["male"]), (woman, names["female"])):
            begin, end = one.roles["cause"]
            assert end == begin + 1 and any(one.text[:end].endswith(name) for name in own)
    for text, end, alike in (("Tom Ray was", 3, False), ("Tom was", 3, True), ("Tom was", 7, False)):
        pair = [
            pieces.plain_twins.Prompt(*one)
            for one in (("Mary was", {"cause": (3, 4)}), (text, {"cause": (end - 1, end)}))
        ]
        assert pieces.plain_twins._cut_alike(pieces.twins.Twin(*pair), model.tokenizer) == alike


def test_ranks_are_of_mean_sizes_with_signs_turned(pieces: SimpleNamespace, subject: object) -> None:
    found = pieces.ranking.ranked(subject, "a - h", SETTINGS)
    (pairs,) = subject.twins("a - h", "held out")
    scores = mechlab.ov_patching(subject.model, [pairs], HIGH, recomputed=True)
    turned = [value * (-1 if row % 2 == 0 else 1) for row, value in enumerate(scores.recomputed.values)]
    means = torch.stack(turned).mean(0)
    lengths = mechlab.head_lengths(subject.model, HIGH, NormRules.all("cheap")).flatten()
    wanted = spearmanr(lengths.numpy(), means.abs().numpy()).statistic
    assert found["spearman"]["recomputed"]["length"][0] == pytest.approx(wanted, abs=1e-4)
    rows = {row["head"]: row for row in found["heads"]}
    assert [row["length"] for row in found["heads"]] == sorted((row["length"] for row in found["heads"]), reverse=True)
    assert rows["1.2"]["recomputed"][0] == pytest.approx(float(means[1 * 4 + 2]), abs=1e-4)
    assert set(found["nulls"]) == {"straight", "frozen", "recomputed"} and found["n_pairs"] == 8


def test_spreads_and_sizes_are_those_of_brute_force(pieces: SimpleNamespace, subject: object) -> None:
    model, weights = subject.model, subject.model.weights()
    layer, head = 1, 2
    y = weights.W_U[:, 5] - weights.W_U[:, 9]
    along = (weights.ln_final_w * y) @ weights.layers[layer].W_O[head].T * y.numel() ** 0.5
    x = weights.W_E - weights.W_E.mean(1, keepdim=True)
    own = weights.layers[layer]
    x = x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt() * own.ln1_w + own.ln1_b
    wanted = (x @ own.W_V[head] @ along).std()
    assert float(pieces.ranking.spread(model, HIGH)[layer * 4 + head]) == pytest.approx(float(wanted), rel=1e-5)
    z = model.activations(subject.text.tokens[:4].long(), [f"z.{layer}"])[f"z.{layer}"][:, 1:, head]
    found = pieces.ranking.written(model, HIGH, subject.text, SETTINGS)[layer * 4 + head]
    assert float(found) == pytest.approx(float((z @ along).flatten().std()), rel=1e-5)
    size = (torch.diag(own.ln1_w) @ own.W_V[head] @ own.W_O[head]).norm()
    assert float(pieces.ranking._sizes(model)[layer * 4 + head]) == pytest.approx(float(size), rel=1e-5)


def test_nulls_tell_the_middle_the_end_and_who_reaches_it(pieces: SimpleNamespace) -> None:
    found = pieces.telling.null([float(number) for number in range(101)], 95.0)
    assert found == {"median": 50.0, "95 %": 95.0, "reached": round(6 / 101, 4)}


def test_slopes_are_those_of_a_line_through_all_tokens(pieces: SimpleNamespace, subject: object) -> None:
    found = pieces.coupled.coupled(subject, "a - h", SETTINGS)
    assert found["n_tokens"] == 6 * 11 and set(found["pairs"]) == {"b - h", "drawn 0"}
    row = found["pairs"]["b - h"][0]
    layer, head = map(int, row["head"].split("."))
    one, other = (pieces.ranking.at_head(subject.model, each, (layer, head)).stream for each in (HIGH, OTHER))
    seen = subject.model.activations(subject.text.tokens.long(), [f"resid_pre.{layer}"])[f"resid_pre.{layer}"][:, 1:]
    level = (seen - seen.mean(-1, keepdim=True)).flatten(0, 1)
    z = level / (level.square().mean(1, keepdim=True) + 1e-5).sqrt()
    line = linregress((z @ one).numpy(), (z @ other).numpy())
    assert row["slope"][0] == pytest.approx(line.slope, abs=1e-4)
    assert row["r2"][0] == pytest.approx(line.rvalue**2, abs=1e-4)
    assert row["coupling"] == pytest.approx(float(one @ other / one.square().sum()), abs=1e-4)
    assert row["coupling / slope"][0] == pytest.approx(row["coupling"] / line.slope, rel=1e-2)
    cosine = torch.nn.functional.cosine_similarity(one, other, dim=0)
    assert row["cosine, squared"] == pytest.approx(float(cosine) ** 2, abs=1e-4)


def test_examples_hold_what_the_head_reads_at_the_cause_and_the_observable_at_the_end(
    pieces: SimpleNamespace, subject: object
) -> None:
    batches = subject.twins("a - h", "held out")
    found = pieces.few_labels.examples(subject.model, HIGH, batches, 1)
    (pairs,) = batches
    assert found.is_high.tolist() == [False] * 8 + [True] * 8
    first = torch.stack([pairs.clean[row] if row % 2 == 0 else pairs.corrupted[row] for row in range(8)])
    seen = subject.model.activations(first, ["ln1_normalized.1", "resid_pre.1"])
    torch.testing.assert_close(found.stream[:8], seen["resid_pre.1"][:, 4])
    logits = subject.model.logits(first)[:, -1]
    torch.testing.assert_close(found.values[:8], logits[:, 5] - logits[:, 9])
    values = subject.model.activations(first, ["v.1"])["v.1"][:, 4, 2]
    own = subject.model.weights().layers[1]
    torch.testing.assert_close(found.read[:8] @ own.W_V[2] + own.b_V[2], values)


def test_regressions_are_those_of_the_textbook(pieces: SimpleNamespace) -> None:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(12, 30, generator=draw).double() + 3, torch.randn(12, generator=draw).double()
    centred, target = (x - x.mean(0)).numpy(), (y - y.mean()).numpy()
    wanted = np.linalg.pinv(centred) @ target
    np.testing.assert_allclose(pieces.few_labels.least_squares(x, y).numpy(), wanted, atol=1e-8)
    penalties = np.linalg.svd(centred)[1].max() ** 2 * np.logspace(-8, 2, 25)

    def fit(some: list[int], penalty: float) -> tuple[np.ndarray, float, np.ndarray]:
        level = x[some].numpy() - x[some].numpy().mean(0)
        own = level.T @ np.linalg.solve(
            level @ level.T + penalty * np.eye(len(some)), y[some].numpy() - y[some].numpy().mean()
        )
        return own, float(y[some].mean()), x[some].numpy().mean(0)

    def missed(penalty: float) -> float:
        errors = []
        for out in range(12):
            own, level, middle = fit([row for row in range(12) if row != out], penalty)
            errors.append((float(y[out]) - level - (x[out].numpy() - middle) @ own) ** 2)
        return float(np.mean(errors))

    best = min(penalties, key=missed)
    np.testing.assert_allclose(pieces.few_labels.ridge(x, y).numpy(), fit(list(range(12)), best)[0], atol=1e-8)
    labelled = pieces.few_labels.drawn_labels(pieces.few_labels.Examples(x, x, y, torch.arange(12) >= 6), 5, 0)
    assert labelled.is_high.tolist() == [False, False, True, True, True]
    apart = pieces.few_labels.mean_difference(x, torch.arange(12) >= 6)
    torch.testing.assert_close(apart, x[6:].mean(0) - x[:6].mean(0))


def test_directions_are_judged_alike_and_the_values_own_is_perfect(pieces: SimpleNamespace) -> None:
    draw = torch.Generator().manual_seed(1)
    read, own = torch.randn(40, 6, generator=draw).double(), torch.randn(6, generator=draw).double()
    judged = pieces.few_labels.Examples(read, read, read @ own + 5, torch.arange(40) >= 20)
    found = pieces.few_labels._against({"": own}, {"turned": torch.randn(6, generator=draw).double()}, judged)
    assert found["observable"]["r2"][0] == 1 and found["turned"]["r2"][0] < 1
    gap = found["observable"]["r2"][0] - found["turned"]["r2"][0]
    assert found["turned"]["less"]["observable"][0] == pytest.approx(gap, abs=2e-4)
    wins = ((read @ own)[20:, None] > (read @ own)[None, :20]).double().mean()
    assert found["observable"]["auc"][0] == pytest.approx(float(wins), abs=1e-4)


def test_few_labels_tell_every_way_for_every_draw(pieces: SimpleNamespace, subject: object) -> None:
    found = pieces.few_labels.few_labels(subject, "a - h", SETTINGS)
    assert set(found["with labels"]) == {"0", "1"} and len(found["every head"]) == 12
    assert {"observable", "observable, through MLPs at 2", "ridge", "mean difference"} < set(found["with labels"]["0"])
    lengths = mechlab.head_lengths(subject.model, HIGH, NormRules.all("cheap"))
    assert found["head"] == "{}.{}".format(*divmod(int(lengths.argmax()), 4))
    assert found["every head"][found["head"]][0] == pytest.approx(
        found["without labels"]["observable"]["r2"][0], abs=1e-4
    )


def test_through_mlps_is_the_gradient_of_what_follows_the_head(pieces: SimpleNamespace, subject: object) -> None:
    """What a head writes at the last token moves the observable by MLPs and norms; later attention is held."""
    model, layer, head = subject.model, 1, 2
    tokens = subject.twins("a - h", "held out")[0].clean[:1]
    seen = model.activations(tokens, [f"{kind}.{one}" for one in range(3) for kind in ("attn_out", "resid_mid")])
    weights = model.weights()
    start = seen[f"resid_mid.{layer}"][0, -1].clone().requires_grad_()
    parts = tiny("gpt2").double()
    blocks, stream = parts.transformer.h, start
    for one in range(layer, 3):
        stream = stream if one == layer else stream + seen[f"attn_out.{one}"][0, -1]
        stream = stream + blocks[one].mlp(blocks[one].ln_2(stream))
    logits = parts.lm_head(parts.transformer.ln_f(stream))
    (slope,) = torch.autograd.grad(logits[5] - logits[9], start)
    torch.testing.assert_close(pieces.through_mlps.before_mlps(model, HIGH, layer, [tokens]), slope)
    own = weights.layers[layer]
    wanted = own.W_V[head] @ own.W_O[head] @ slope
    torch.testing.assert_close(pieces.through_mlps.through_mlps(model, HIGH, (layer, head), [tokens]), wanted)
    drawn = pieces.through_mlps.unlabelled(subject.twins("a - h", "held out"), 8, 0)
    (pairs,) = subject.twins("a - h", "held out")
    sides = [[bool((one == side).all(1).any()) for side in (pairs.clean, pairs.corrupted)] for one in drawn]
    assert all(one != other for one, other in sides) and 0 < sum(one for one, _ in sides) < 8
    assert len({tuple(one[0].tolist()) for one in drawn}) == 8


def test_without_takes_spans_out_and_leaves_the_rest(pieces: SimpleNamespace, subject: object) -> None:
    span = pieces.taking_out._of_layer(subject.model, HIGH, 1)
    tokens = subject.text.tokens[:2].long()
    before = subject.model.activations(tokens, ["resid_pre.1"])["resid_pre.1"]
    with pieces.taking_out.without(subject.model, {"resid_pre.1": span}):
        after = subject.model.activations(tokens, ["resid_pre.1"])["resid_pre.1"]
    for head in range(4):
        along = pieces.ranking.at_head(subject.model, HIGH, (1, head)).stream
        assert (after @ along).abs().max() < 1e-8 < (before @ along).abs().max()
    with pieces.taking_out.without(subject.model, {"resid_pre.1": span[:1]}, 0.25):
        lessened = subject.model.activations(tokens, ["resid_pre.1"])["resid_pre.1"]
    torch.testing.assert_close(lessened @ span[0], 0.75 * (before @ span[0]))
    lost = (before - after).flatten(0, 1)
    assert torch.linalg.matrix_rank(lost, atol=1e-8) == 4 == len(span)


def test_gaps_and_answers_are_counted_over_both_prompts_of_each_pair(pieces: SimpleNamespace, subject: object) -> None:
    (pairs,) = batches = subject.twins("a - h", "held out")
    logits = [subject.model.logits(tokens)[:, -1] for tokens in (pairs.clean, pairs.corrupted)]
    gap = ((logits[0][:, 5] - logits[0][:, 9]) - (logits[1][:, 5] - logits[1][:, 9])).abs()
    ends = pieces.taking_out.endings(subject.model, batches)
    torch.testing.assert_close(pieces.taking_out.gaps(HIGH, ends), gap)
    rows = torch.arange(8)
    right, wrong = pairs.candidates[:, 0], pairs.candidates[:, 1]
    above = [(logits[0][rows, right] > logits[0][rows, wrong]), (logits[1][rows, wrong] > logits[1][rows, right])]
    first = [logits[0].argmax(1) == right, logits[1].argmax(1) == wrong]
    found = pieces.taking_out.right_answers(ends)
    assert found["above the other"] == pytest.approx(float(torch.cat(above).double().mean()), abs=1e-4)
    assert found["first of all"] == pytest.approx(float(torch.cat(first).double().mean()), abs=1e-4)


def test_edits_leave_no_gap_in_front_of_the_last_norm_and_losses_split(
    pieces: SimpleNamespace, subject: object
) -> None:
    found = pieces.taking_out.taken_out(subject, "a - h", SETTINGS)
    final = found["edits"]["raw observable, last norm"]
    own = found["edits"]["observable"]
    assert final["gap left"]["a - h"][0] < 0.05 < own["gap left"]["a - h"][0]
    assert {"drawn 0", "mean difference, 1", "all heads of every layer", "observable, through MLPs"} < set(
        found["edits"]
    )
    text, site = subject.text.select(slice(0, 4)), found["site"]
    layer = int(site.split(".")[1])
    head = int(mechlab.head_lengths(subject.model, HIGH, NormRules.all("cheap"))[layer].argmax())
    counts, logs = text.tokens[:, 2:].long(), []
    taken = {site: [pieces.ranking.at_head(subject.model, HIGH, (layer, head)).stream]}
    for edit in ({}, taken):
        with pieces.taking_out.without(subject.model, edit):
            told = subject.model.logits(text.tokens.long())[:, 1:-1].log_softmax(-1)
        logs.append(told.gather(2, counts[..., None])[..., 0])
    is_said = torch.isin(counts, torch.tensor([5, 9, 7, 3]))
    for which, kind in ((is_said, "pronouns' loss, nats more"), (~is_said, "others' loss, nats more")):
        assert own[kind][0] == pytest.approx(float((logs[0] - logs[1])[which].mean()), abs=1e-4)
    assert own["loss"][0] == pytest.approx(float(logs[1].mean() / logs[0].mean() - 1), abs=1e-4)
