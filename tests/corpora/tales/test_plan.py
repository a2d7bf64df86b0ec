import math
from collections import Counter
from random import Random

import pytest
from oracles.enumeration import entropy, every_text, shrink

from mechlab.core.errors import UsageError
from mechlab.corpora.tales import story
from mechlab.corpora.tales.plan import Plan
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.tasks import TASKS, emotion, greater_than, ioi, pronoun, season
from mechlab.corpora.tales.writer import Writer

GRAMMARS = [*((name,) for name in TASKS), ("season", "emotion"), ("ioi", "pronoun"), ("pronoun", "repetition")]


def tiny_plan(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Plan:
    shrink(monkeypatch)
    if len(names) > 1:
        for task in (season, emotion, ioi, greater_than, pronoun):
            monkeypatch.setattr(task, "TELLING", task.TELLING[:1])
    return Plan([TASKS[name] for name in names])


@pytest.mark.parametrize("names", GRAMMARS, ids="+".join)
def test_a_documents_price_is_minus_the_log_of_its_texts_probability(names, monkeypatch):
    plan = tiny_plan(names, monkeypatch)
    told = list(every_text(plan.tell))
    chances, prices = dict(told), []
    assert math.fsum(chances.values()) == pytest.approx(1)
    assert len(chances) == len(told) > 10, "a text is told in two ways"
    for seed in range(800):
        writer = Writer(Random(seed))
        plan.tell(Story(writer))
        document = writer.document()
        prices.append(document.nll_nats)
        assert document.nll_nats == pytest.approx(-math.log(chances[document.text]))
    floor = entropy(chances.values())
    spread = math.sqrt(sum(chance * (math.log(chance) + floor) ** 2 for chance in chances.values()) / len(prices))
    assert sum(prices) / len(prices) == pytest.approx(floor, abs=4 * spread + 1e-9)


def test_texts_come_as_often_as_their_probability_says(monkeypatch):
    plan = tiny_plan(("emotion",), monkeypatch)
    chances, drawn, n_drawn = dict(every_text(plan.tell)), Counter(), 4000
    for seed in range(n_drawn):
        writer = Writer(Random(seed))
        plan.tell(Story(writer))
        drawn[writer.document().text] += 1
    chi_square = sum((drawn[text] - n_drawn * p) ** 2 / (n_drawn * p) for text, p in chances.items())
    freedom = len(chances) - 1
    assert chi_square < freedom + 5 * math.sqrt(2 * freedom)


def test_equal_texts_of_a_small_lexicon_have_equal_prices(monkeypatch):
    shrink(monkeypatch)
    monkeypatch.setattr(story, "NAMES", ("Mary", "Tom", "Anna", "John", "Lucy"))
    plan, prices = Plan(list(TASKS.values())), {}
    for seed in range(4000):
        writer = Writer(Random(seed))
        plan.tell(Story(writer))
        document = writer.document()
        assert prices.setdefault(document.text, document.nll_nats) == pytest.approx(document.nll_nats)
    assert len(prices) < 3990, "no text came twice, so nothing was tested"


def test_two_main_passages_are_two_different_ones():
    plan = Plan([TASKS["ioi"], TASKS["pronoun"]])
    passages = set()
    for seed in range(200):
        writer = Writer(Random(seed))
        plan.tell(Story(writer))
        spans = [span for span in writer.document().labels if span.name == "task"]
        passages.add(tuple(span.value for span in sorted(spans)))
    assert passages == {("ioi",), ("pronoun",), ("ioi", "pronoun"), ("pronoun", "ioi")}


def test_a_plan_without_tasks_is_refused():
    with pytest.raises(UsageError, match="needs a task"):
        Plan([])
