import math
from collections import Counter
from random import Random

import pytest

from mechlab.corpora.documents import Span
from mechlab.corpora.tales.writer import Marked, Question, Template, Weighted, Writer

WORD, PAIR = Template("{a}"), Template("Then {a} saw {b}.")


def test_a_choice_costs_the_logarithm_of_its_options():
    writer = Writer(Random(0))
    writer.choose(range(7))
    writer.choose(["only"])
    assert writer.document().nll_nats == pytest.approx(math.log(7))


def test_a_weighted_choice_costs_minus_its_log_weight_and_comes_as_often():
    choice, drawn = Weighted({1: 3.0, 2: 1.0}), Counter()
    for seed in range(4000):
        writer = Writer(Random(seed))
        option = writer.weighted(choice)
        drawn[option] += 1
        assert writer.document().nll_nats == pytest.approx(-math.log({1: 0.75, 2: 0.25}[option]))
    assert abs(drawn[1] - 3000) < 4 * math.sqrt(4000 * 0.75 * 0.25)


def test_distinct_options_cost_the_logarithm_of_their_arrangements():
    writer = Writer(Random(0))
    taken = writer.distinct(range(6), 3, besides={0})
    assert len(set(taken)) == 3 and 0 not in taken
    assert writer.document().nll_nats == pytest.approx(math.log(5 * 4 * 3))


def test_every_arrangement_of_distinct_options_is_as_likely():
    drawn = Counter(tuple(Writer(Random(seed)).distinct("abcd", 2, besides="d")) for seed in range(6000))
    assert len(drawn) == 6
    assert all(abs(count - 1000) < 4 * math.sqrt(1000 * 5 / 6) for count in drawn.values())


def test_more_distinct_options_than_there_are_cannot_be_had():
    with pytest.raises(ValueError, match="3 different options asked for, 2 left"):
        Writer(Random(0)).distinct("abc", 3, besides="a")


def test_a_chosen_word_is_paid_for_where_it_is_written_first_come_first_served():
    writer = Writer(Random(0))
    writer.choose((WORD, PAIR))
    name = writer.choose(["Tom"] * 5)
    again = writer.choose(["Tom"] * 3)
    writer.fill(PAIR, {"a": name, "b": again})
    expected = [(0, math.log(2)), (5, math.log(5)), (13, math.log(3))]
    assert writer.document().surprisals == tuple(expected)


def test_an_echo_pays_nothing():
    writer = Writer(Random(0))
    word = writer.choose(["17"] * 5)
    writer.fill(PAIR, {"a": Marked("17", echoes=True), "b": word})
    assert writer.document().surprisals == ((12, math.log(5)),)


def test_an_option_of_weight_zero_is_never_drawn():
    writer = Writer(Random(0))
    assert {writer.weighted(Weighted({True: 1.0, False: 0.0})) for _ in range(50)} == {True}
    assert writer.document().nll_nats == 0


def test_a_choice_that_only_the_end_shows_is_paid_at_the_end():
    writer = Writer(Random(0))
    writer.fill(WORD, {"a": "Tom"})
    writer.choose((True, False))
    writer.choose(["unsaid", "silent"])
    assert writer.document().surprisals == ((3, math.log(2)), (3, math.log(2)))


def test_lists_are_told_with_commas_and_a_last_and():
    for count, text in ((1, "the a"), (2, "the a and the b"), (3, "the a, the b and the c")):
        writer = Writer(Random(0))
        writer.fill(WORD, {"a": [Marked(letter) for letter in "abc"[:count]]})
        assert writer.document().text == text


def test_sentences_stand_one_space_apart():
    writer = Writer(Random(0))
    for _ in range(2):
        writer.fill(PAIR, {"a": "A", "b": "B"})
    assert writer.document().text == "Then A saw B. Then A saw B."


def test_a_state_lasts_from_the_word_that_reveals_it_to_the_end():
    writer = Writer(Random(0))
    writer.fill(PAIR, {"a": "Tom", "b": "snow"})
    writer.fill(WORD, {"a": "frost"})
    spans = [span for span in writer.document().labels if span.name == "season"]
    assert spans == [Span(13, 24, "season", "winter")]


def test_a_word_told_for_its_own_sake_reveals_nothing():
    writer = Writer(Random(0))
    writer.fill(WORD, {"a": Marked("snow", reveals=False)})
    assert writer.document().labels == ()


def test_the_subject_ends_with_its_passage():
    writer = Writer(Random(0))
    start = writer.begin()
    writer.fill(PAIR, {"a": Marked("Tom", (("subject", "male"),)), "b": "it"})
    writer.end_passage(start, "ioi")
    writer.fill(WORD, {"a": "more"})
    spans = {span for span in writer.document().labels if span.name != "gender"}
    assert spans == {Span(0, 16, "task", "ioi"), Span(5, 16, "subject", "male")}


def test_a_question_stands_at_its_answer():
    writer, question = Writer(Random(0)), Question(("B",), ("A",), {})
    writer.fill(PAIR, {"a": "A", "b": Marked("B", (), question)})
    assert writer.questions == [(11, question)]
