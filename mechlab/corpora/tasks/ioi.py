"""Indirect object identification: two people, one of them gives, so the other one receives.

`ABBA` names the receiver first, `BABA` the giver; they take turns. Three corruptions change names only:
`flip` makes the receiver the giver, so that the answer flips; `swap` lets a third person give, and `abc` puts three
unrelated people in the three places, so that nobody is the answer.

Source: Wang et al. 2022, "Interpretability in the Wild", section 2 and appendix (the ABC distribution is `abc`).
"""

from random import Random
from typing import Literal, NamedTuple

from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tales.lexicon import TOPICS
from mechlab.corpora.tales.names import NAMES
from mechlab.corpora.tales.tasks.ioi import TELLING
from mechlab.corpora.tales.writer import Template, templates
from mechlab.corpora.tasks.drafts import Draft, Prompt, playing, written
from mechlab.corpora.tasks.pair_task import Drafter, PairConfig, PairTask
from mechlab.corpora.tasks.plain_words import OBJECTS, PEOPLE, PLACES
from mechlab.corpora.tasks.single_tokens import needed_tokens, whole_words

PLAIN = templates(
    "When {first} and {second} went to the {place}, {giver} gave the {item} to {answer}",
    "Then, {first} and {second} had a long talk at the {place}. Afterwards, {giver} handed the {item} to {answer}",
    "While {first} and {second} were waiting near the {place}, {giver} passed the {item} to {answer}",
    "After {first} and {second} left the {place}, {giver} decided to give the {item} to {answer}",
    "Last week, {first} and {second} met at the {place}. Soon {giver} showed the {item} to {answer}",
)


class IoiConfig(PairConfig):
    """What IOI pairs are told; `corruption` is which names the corrupted prompt changes."""

    corruption: Literal["flip", "swap", "abc"] = "flip"


class _Wording(NamedTuple):
    sentences: tuple[Template, ...]
    people: tuple[str, ...]
    settings: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    begins: bool


STYLES = {
    "plain": _Wording(PLAIN, PEOPLE, ((PLACES, OBJECTS),), begins=False),
    "tales": _Wording(TELLING, NAMES, tuple((topic.places, topic.items) for topic in TOPICS), begins=True),
}


def drafter(tokenizer: Encoder, config: IoiConfig) -> Drafter:
    """Return what drafts an IOI pair; its facts are `io`, `subject`, `giver` (corrupted), `order`, `sentence`."""
    wording = STYLES[config.style]
    people = needed_tokens(tokenizer, wording.people, 5, "names", begins=wording.begins)
    settings = [[whole_words(tokenizer, words) for words in setting] for setting in wording.settings]

    def draft(random: Random, index: int) -> Draft:
        order = ("ABBA", "BABA")[index % 2]
        io, subject, *others = random.sample(list(people), 5)
        sentence = random.randrange(len(wording.sentences))
        places, items = random.choice(settings)
        scene = {"place": random.choice(places), "item": random.choice(items)}
        cast = {"flip": (io, subject, io), "swap": (io, subject, others[0]), "abc": tuple(others)}[config.corruption]
        clean = _told(wording.sentences[sentence], (io, subject, subject), order, scene)
        corrupted = _told(wording.sentences[sentence], cast, order, scene)
        right = [people[subject]] if config.corruption == "flip" else []
        facts = {"io": io, "subject": subject, "giver": cast[2], "order": order, "sentence": sentence}
        return Draft(clean, corrupted, [people[io], people[subject]], [people[io]], right, facts)

    return draft


def _told(sentence: Template, cast: tuple[str, str, str], order: str, scene: dict[str, str]) -> Prompt:
    named = [playing(word, role) for word, role in zip(cast, ("IO", "S1", "S2"), strict=True)]
    first, second = named[:2] if order == "ABBA" else named[1::-1]
    return written((sentence, {"first": first, "second": second, "giver": named[2], **scene}))


TASK = PairTask("ioi", IoiConfig, drafter)
