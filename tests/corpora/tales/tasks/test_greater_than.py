import math
import re

import pytest

from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.prompts import prompts


def test_the_right_years_are_the_later_ones_of_the_century():
    for prompt in prompts("greater_than", 200):
        century, start, again = re.fullmatch(r".*\b(\d\d) (\d\d)\b.* (\d\d)", prompt.text).groups()
        assert century == again and 11 <= int(century) <= 19
        assert [int(year) for year in prompt.answers] == list(range(int(start) + 1, 100))
        assert [int(year) for year in prompt.distractors] == list(range(2, int(start) + 1))


def test_the_year_costs_the_logarithm_of_the_later_years():
    corpus = TalesCorpus(0, tasks=["greater_than"])
    for index in range(200):
        document = corpus.document(index)
        _, start, *_ = re.findall(r"\d\d", document.text)
        (answer,) = [span for span in document.labels if span[2:] == ("role", "answer")]
        paid = sum(nats for position, nats in document.surprisals if position == answer.start)
        assert document.text[answer.start : answer.end] > start
        assert paid == pytest.approx(math.log(99 - int(start)))
