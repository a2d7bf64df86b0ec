"""Sentences written with roles: the characters a role names are its word, and the text ends before the answer."""

from mechlab.corpora.tales.writer import Template
from mechlab.corpora.tasks.drafts import playing, written


def test_a_text_ends_before_the_answer_and_roles_cover_their_words():
    template = Template("{first} met {second}. {giver} waved to {answer} and left.")
    slots = {"first": playing("Ann", "IO"), "second": playing("Bob", "S1"), "giver": playing("Bob", "S2")}
    prompt = written((template, slots))
    assert prompt.text == "Ann met Bob. Bob waved to"
    assert prompt.roles == {"IO": (0, 3), "S1": (8, 11), "S2": (13, 16)}


def test_an_answer_without_a_space_before_it_leaves_none_behind():
    prompt = written((Template("from 17{start} to 17{answer}"), {"start": playing("32", "start")}))
    assert prompt.text == "from 1732 to 17"
    assert prompt.text[slice(*prompt.roles["start"])] == "32"


def test_sentences_follow_one_another_and_what_comes_after_the_answer_is_left_out():
    named = [playing("cup", "item_1"), playing("pen", "item_2"), playing("hat", "item_3")]
    last = Template("Where is the {answer}? Ask {asked}.")
    prompt = written((Template("See {items}."), {"items": named}), (last, {"asked": playing("Ann", "asked")}))
    assert prompt.text == "See the cup, the pen and the hat. Where is the"
    assert {role: prompt.text[slice(*place)] for role, place in prompt.roles.items()} == {
        "item_1": "cup",
        "item_2": "pen",
        "item_3": "hat",
    }
