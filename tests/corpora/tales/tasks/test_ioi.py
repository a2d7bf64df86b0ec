from collections import Counter

import pytest

from mechlab.corpora.tales.names import NAMES
from mechlab.corpora.tales.prompts import prompts
from mechlab.corpora.tales.vocabulary import words_of


@pytest.mark.parametrize("order", ["ABBA", "BABA"])
def test_the_answer_is_the_name_told_once_and_stands_where_the_order_says(order):
    for prompt in prompts("ioi", 150, order=order):
        names = [word for word in words_of(prompt.text) if word in NAMES]
        counts = Counter(names)
        assert prompt.answers == tuple(name for name in counts if counts[name] == 1)
        assert prompt.distractors == tuple(name for name in counts if counts[name] == 2)
        assert (
            names
            == {"ABBA": [*prompt.answers, names[1], names[1]], "BABA": [names[0], *prompt.answers, names[0]]}[order]
        )


def test_both_orders_and_all_sentences_are_drawn():
    drawn = prompts("ioi", 300)
    orders = Counter(prompt.facts["order"] for prompt in drawn)
    assert min(orders["ABBA"], orders["BABA"]) > 110
    assert len({prompt.text.split()[-4] for prompt in drawn}) == 6
