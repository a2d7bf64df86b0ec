"""Laundry lists: the answer is the item the text names once; every place of the list is asked equally often."""

import re
from collections import Counter

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError, UsageError
from mechlab.corpora.tales.lexicon import TOPICS
from mechlab.corpora.tasks.laundry_list import PLAIN, STYLES, TASK, LaundryListConfig
from mechlab.corpora.tasks.plain_words import OBJECTS


def nouns_in(text: str) -> list[str]:
    """Return the listed kind of nouns in a text; the tales speak of a bag, which is none of their things."""
    plain = text.startswith(("I packed", "There were", "My list"))
    known = set(OBJECTS) if plain else {item for topic in TOPICS for item in topic.items}
    return [word for word in re.findall(r"the (\w+)", text) if word in known]


@pytest.fixture(scope="module", params=[(style, n) for style in STYLES for n in (2, 3, 7, 10)], ids=str)
def drawn(request, told):
    style, n_items = request.param
    tokenizer = request.getfixturevalue(style)
    config = LaundryListConfig(n=10 * n_items, style=style, n_items=n_items)
    return told(TASK.pairs(tokenizer, config), tokenizer), n_items


def test_the_item_named_once_is_right_in_both_prompts(drawn):
    pairs, n_items = drawn
    for pair in pairs:
        for text, right in ((pair.text, pair.right), (pair.corrupted, pair.right_corrupted)):
            count = Counter(nouns_in(text))
            assert len(count) == n_items and [item for item in count if count[item] == 1] == right
        assert set(pair.candidates) == set(nouns_in(pair.text)) == set(pair.facts["items"])


def test_roles_stand_on_the_list_and_on_what_is_named_again(drawn):
    pairs, n_items = drawn
    for pair in pairs:
        nouns = nouns_in(pair.text)
        assert [pair.roles[f"item_{number + 1}"] for number in range(n_items)] == nouns[:n_items]
        assert [pair.roles[f"found_{number + 1}"] for number in range(n_items - 1)] == nouns[n_items:]
        assert set(pair.roles) == {f"item_{i + 1}" for i in range(n_items)} | {
            f"found_{i + 1}" for i in range(n_items - 1)
        } | {"END"}
        assert pair.roles["END"] == "the"


def test_the_corruption_puts_the_answer_in_the_place_of_one_item_named_again(drawn):
    pairs, n_items = drawn
    for pair in pairs:
        clean, corrupted = nouns_in(pair.text), nouns_in(pair.corrupted)
        changed = [(old, new) for old, new in zip(clean, corrupted, strict=True) if old != new]
        assert corrupted[:n_items] == clean[:n_items]
        assert changed == [(pair.right_corrupted[0], pair.right[0])]
        assert pair.facts["items"][pair.facts["target"] - 1] == pair.right[0]
        assert pair.facts["items"][pair.facts["corrupted_target"] - 1] == pair.right_corrupted[0]


def test_every_place_is_asked_equally_often_and_the_order_of_naming_is_drawn(drawn):
    pairs, n_items = drawn
    assert Counter(pair.facts["target"] for pair in pairs) == dict.fromkeys(range(1, n_items + 1), 10)
    if n_items > 3:
        orders = {tuple(pair.facts["items"].index(word) for word in nouns_in(pair.text)[n_items:]) for pair in pairs}
        assert len(orders) > n_items


def test_several_lengths_take_turns_and_each_is_balanced(plain):
    batches = TASK.pairs(plain, LaundryListConfig(n=80, n_items=(2, 4)))
    facts = [each for pairs in batches for each in pairs.facts]
    assert Counter(each["n_items"] for each in facts) == {2: 40, 4: 40}
    assert Counter(each["target"] for each in facts if each["n_items"] == 4) == dict.fromkeys(range(1, 5), 10)
    assert all(pairs.candidates.shape[1] == each["n_items"] for pairs in batches for each in pairs.facts)


def test_the_built_in_model_recalls_lists_and_their_corruptions(tales, solved):
    for n_items in (2, 5, 10):
        batches = TASK.pairs(tales, LaundryListConfig(n=150, style="tales", n_items=n_items))
        assert solved(batches) > 0.97 and solved(batches, "corrupted") > 0.97


@pytest.mark.parametrize("bad", [1, 21, (), (3, 1), "many"])
def test_lists_too_short_or_too_long_are_refused(bad):
    with pytest.raises(ConfigError, match="n_items"):
        build(LaundryListConfig, {"n_items": bad})


def test_no_plain_sentence_speaks_of_an_object_by_itself():
    literals = {word for template in PLAIN for literal, _ in template.parts for word in re.findall(r"\w+", literal)}
    assert not literals & set(OBJECTS)


def test_twenty_items_fit_the_plain_words_but_no_topic_of_the_tales(plain, tales):
    (pairs, *_) = TASK.pairs(plain, LaundryListConfig(n=3, n_items=20))
    assert pairs.candidates.shape[1] == 20
    with pytest.raises(UsageError, match="12 of the 13 needed"):
        TASK.pairs(tales, LaundryListConfig(style="tales", n_items=13))


def test_mixed_lists_hold_things_of_many_topics_and_can_be_longer_than_one(tales, told):
    config = LaundryListConfig(n=40, style="tales", n_items=16, mixed=True)
    pairs = told(TASK.pairs(tales, config), tales)
    topic_of = {item: topic.name for topic in TOPICS for item in topic.items}
    for pair in pairs:
        count = Counter(nouns_in(pair.text))
        assert len(count) == 16 and [item for item in count if count[item] == 1] == pair.right
        assert len({topic_of[item] for item in count}) > 2
    own = told(TASK.pairs(tales, LaundryListConfig(n=40, style="tales", n_items=6)), tales)
    assert all(len({topic_of[item] for item in nouns_in(pair.text)}) == 1 for pair in own)
    with pytest.raises(UsageError):
        TASK.pairs(tales, LaundryListConfig(style="tales", n_items=16))
