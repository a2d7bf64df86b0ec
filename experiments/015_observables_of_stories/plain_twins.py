"""Twins for a model of plain English: short stories of a boy or a girl, in sentences of our own.

The name is exchanged for one of as many tokens; pairs that the tokenizer cuts otherwise are left out. The cause is the
name's last token.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from random import Random

from twins import CAUSE, Twin

from mechlab.core.randomness import sub_seed
from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tasks.drafts import Prompt

NAMES = {
    gender: tuple(names.split())
    for gender, names in (
        ("female", "Lily Lucy Mia Sara Anna Sue Amy Emma Jane Ella Molly Rose Mary Kate Zoe Daisy Jenny Betty"),
        ("male", "Tim Tom Ben Max Jack Sam Bob Billy Timmy Joe John Fred Leo Jim Dan Peter Jimmy Tommy"),
    )
}
OPENINGS = (
    "Once upon a time, there was a little {kind} named {name}.",
    "One day, a {kind} named {name} went to the park.",
    "There was a {kind} who lived in a small house. The {kind} was called {name}.",
    "{name} was a happy {kind}.",
    "{name} was a little {kind} who loved to play.",
)
ENDINGS = {
    "she - he": (
        "{name} was happy because",
        "{name} was sad because",
        "{name} saw a big dog and",
        "When {name} woke up,",
        "{name} wanted to play, but",
    ),
    "her - his": (
        "{name} was playing with",
        "{name} could not find",
        "{name} went to the garden with",
        "{name} was sad and told",
        "{name} ran home to",
    ),
}


def plain_twins(observable: str, names: Mapping[str, Sequence[str]], seed: int, tokenizer: Encoder) -> Iterator[Twin]:
    """Yield pairs drawn without end."""
    for number in count():
        random = Random(sub_seed(seed, f"plain twins/{number}"))
        text = f"{random.choice(OPENINGS)} {random.choice(ENDINGS[observable])}"
        told = [("boy", random.choice(names["male"])), ("girl", random.choice(names["female"]))]
        pair = Twin(*(_prompt(text, kind, name) for kind, name in told))
        if _cut_alike(pair, tokenizer):
            yield pair


def _cut_alike(pair: Twin, tokenizer: Encoder) -> bool:
    """Return whether both prompts have as many tokens, and the cause's last one in the same place."""
    cut = tokenizer.encode_batch_with_offsets([one.text for one in pair])
    ends = [one.roles[CAUSE][1] for one in pair]
    places = [sum(last < end for _, last in offsets) for (_, offsets), end in zip(cut, ends, strict=True)]
    return len(cut[0][0]) == len(cut[1][0]) and places[0] == places[1]


def _prompt(text: str, kind: str, name: str) -> Prompt:
    written = text.format(kind=kind, name=name)
    end = written.rindex(name) + len(name)
    return Prompt(written, {CAUSE: (end - 1, end)})
