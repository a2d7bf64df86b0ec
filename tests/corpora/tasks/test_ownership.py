"""Ownership: who has what is read from the text itself."""

import re
from collections import Counter

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.corpora.tales.names import NAMES
from mechlab.corpora.tasks.ownership import STYLES, TASK, OwnershipConfig


@pytest.fixture(scope="module", params=[(style, n) for style in STYLES for n in (2, 3)], ids=str)
def drawn(request, told):
    style, n_people = request.param
    tokenizer = request.getfixturevalue(style)
    config = OwnershipConfig(n=24 * n_people, style=style, n_people=n_people)
    return told(TASK.pairs(tokenizer, config), tokenizer), n_people


def read(text: str) -> tuple[dict[str, str], str, bool]:
    """Return owner -> thing, the word asked about, and whether the last sentence was told in the asked order."""
    *told, question = text.removeprefix("Here is what we know. ").split(".")
    owns, named_first = {}, set()
    for sentence in told:
        name = next(word for word in re.findall(r"\w+", sentence) if word in NAMES)
        thing = re.search(r"[Tt]he (\w+)", sentence)[1]
        owns[name] = thing
        named_first.add(sentence.strip().startswith(name))
    asked = next((word for word in question.split() if word in NAMES), None)
    return owns, asked or re.search(r"The (\w+)", question)[1], named_first == {asked is not None}


def test_the_other_half_of_the_asked_one_is_right_in_both_prompts(drawn):
    pairs, n_people = drawn
    for pair in pairs:
        for text, right in ((pair.text, pair.right), (pair.corrupted, pair.right_corrupted)):
            owns, asked, _ = read(text)
            either = owns | {thing: owner for owner, thing in owns.items()}
            assert len(owns) == n_people and [either[asked]] == right
            assert set(pair.candidates) == {either[each] for each in (owns if asked in owns else owns.values())}


def test_only_the_asked_word_changes(drawn):
    for pair in drawn[0]:
        assert read(pair.text)[0] == read(pair.corrupted)[0]
        assert read(pair.text)[1] == pair.facts["key"] == pair.roles["asked"] != pair.corrupted_roles["asked"]


def test_roles_stand_on_their_words(drawn):
    for pair in drawn[0]:
        owns, asked, _ = read(pair.text)
        for number, (owner, thing) in enumerate(owns.items(), start=1):
            assert (pair.roles[f"owner_{number}"], pair.roles[f"owned_{number}"]) == (owner, thing)
        target = pair.facts["target"]
        assert asked in (pair.roles[f"owner_{target}"], pair.roles[f"owned_{target}"])
        assert pair.corrupted_roles["asked"] in list(owns.items())[pair.facts["corrupted_target"] - 1]


def test_directions_are_what_the_text_says_and_all_cases_come_equally_often(drawn):
    pairs, n_people = drawn
    for pair in pairs:
        owns, asked, same = read(pair.text)
        assert pair.facts["direction"] == ("from_owner" if asked in owns else "from_owned")
        assert pair.facts["same_direction"] == same
    keys = ("direction", "target", "same_direction")
    count = Counter(tuple(pair.facts[key] for key in keys) for pair in pairs)
    assert len(count) == 4 * n_people and set(count.values()) == {6}


@pytest.mark.parametrize("direction", ["from_owner", "from_owned"])
def test_a_direction_can_be_fixed(plain, direction):
    batches = TASK.pairs(plain, OwnershipConfig(n=20, direction=direction))
    assert {facts["direction"] for pairs in batches for facts in pairs.facts} == {direction}


def test_the_built_in_model_looks_owners_and_things_up(tales, solved):
    for n_people in (2, 3):
        batches = TASK.pairs(tales, OwnershipConfig(n=240, style="tales", n_people=n_people))
        assert solved(batches) > 0.98 and solved(batches, "corrupted") > 0.98


@pytest.mark.parametrize("bad", [{"n_people": 1}, {"n_people": 4}, {"direction": "sideways"}])
def test_other_numbers_and_directions_are_refused(bad):
    with pytest.raises(ConfigError):
        build(OwnershipConfig, bad)
