"""IOI: names are counted in the text itself; each corruption changes the names it says and no other."""

import re
from collections import Counter

import pytest

from mechlab.core.errors import UsageError
from mechlab.corpora.tales.names import NAMES
from mechlab.corpora.tales.tasks.ioi import TELLING
from mechlab.corpora.tasks.ioi import PLAIN, STYLES, TASK, IoiConfig

ALL = [(style, corruption) for style in STYLES for corruption in ("flip", "swap", "abc")]


def names_in(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text) if word in NAMES]


@pytest.fixture(scope="module", params=ALL, ids="-".join)
def drawn(request, told):
    style, corruption = request.param
    tokenizer = request.getfixturevalue(style)
    config = IoiConfig(n=60, style=style, corruption=corruption)
    return told(TASK.pairs(tokenizer, config), tokenizer), corruption


def test_the_name_told_once_is_right_and_the_one_told_twice_is_wrong(drawn):
    for pair in drawn[0]:
        count = Counter(names_in(pair.text))
        assert sorted(count.values()) == [1, 2]
        assert [name for name in count if count[name] == 1] == pair.right == [pair.facts["io"]]
        assert set(pair.candidates) == set(count)
        assert pair.facts["subject"] == names_in(pair.text)[-1]


def test_roles_stand_on_their_names_and_the_order_says_who_is_first(drawn):
    for pair in drawn[0]:
        first, second, giver = names_in(pair.text)
        assert (pair.roles["IO"], pair.roles["S1"], pair.roles["S2"]) == (*pair.right, giver, giver)
        assert pair.facts["order"] == ("ABBA" if giver == second else "BABA")
        assert pair.roles["IO" if giver == second else "S1"] == first
        assert pair.roles["END"] == "to"


def test_the_corruption_changes_the_names_it_says(drawn):
    pairs, corruption = drawn
    for pair in pairs:
        clean, corrupted = names_in(pair.text), names_in(pair.corrupted)
        count = Counter(corrupted)
        if corruption == "abc":
            assert len(count) == 3 and not set(count) & set(clean)
        else:
            assert corrupted[:2] == clean[:2] and corrupted[2] != clean[2]
        if corruption == "swap":
            assert len(count) == 3
        if corruption == "flip":
            assert [name for name in count if count[name] == 1] == pair.right_corrupted == [pair.facts["subject"]]
        else:
            assert pair.right_corrupted == []
        assert pair.facts["giver"] == corrupted[2]


def test_both_orders_come_equally_often(drawn):
    assert Counter(pair.facts["order"] for pair in drawn[0]) == {"ABBA": 30, "BABA": 30}


def test_sentences_are_the_style_s_own(drawn, request):
    sentences = {"tales": TELLING, "plain": PLAIN}["tales" if "tales" in request.node.name else "plain"]
    for pair in drawn[0]:
        text = sentences[pair.facts["sentence"]].text.partition("{answer}")[0].strip()
        assert re.fullmatch(re.sub(r"\\{\w+\\}", r"\\w+", re.escape(text)), pair.text)
    assert len({pair.facts["sentence"] for pair in drawn[0]}) == len(sentences)


def test_the_built_in_model_answers_both_prompts(tales, solved):
    batches = TASK.pairs(tales, IoiConfig(n=300, style="tales"))
    assert solved(batches) > 0.98 and solved(batches, "corrupted") > 0.98


def test_too_few_names_are_refused(tales, plain):
    few = type("Few", (), {"__getattr__": lambda self, name: getattr(plain, name)})()
    few.encode_batch_with_offsets = lambda texts: plain.encode_batch_with_offsets([text.lower() for text in texts])
    with pytest.raises(UsageError, match=r"names.*Mary"):
        TASK.pairs(few, IoiConfig(style="plain"))
