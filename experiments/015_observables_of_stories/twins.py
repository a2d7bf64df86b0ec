"""Twins: two prompts that differ only in what class they tell of, cut right before the word that shows it.

1. A story of the first class is drawn: a man, joy, winter.
2. Its twin has every word that tells the class exchanged: the hero's name and pronouns, feelings and reactions, months
   and signs.
3. Both end before a word that follows from the class, where the last exchanged word is a cause (a name, a feeling, a
   month). That word is the role `cause`.
4. Every second pair has the first class as its clean prompt.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from mechlab.circuits.observables.observable import Observable
from mechlab.core.randomness import sub_seed
from mechlab.corpora.documents import Document
from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tales.lexicon import EMOTIONS, SEASONS, Emotion, Season
from mechlab.corpora.tales.names import PRONOUNS
from mechlab.corpora.tales.vocabulary import TOKEN
from mechlab.corpora.tasks.drafts import Draft, Prompt
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.corpora.tasks.tokenizing import batched

CAUSE = "cause"


class Swap(NamedTuple):
    """Which words of a story are exchanged, which of them are causes, and before which words it may be cut."""

    words: Mapping[str, str]
    causes: Collection[str]
    answers: Collection[str]


class Twin(NamedTuple):
    """A prompt of the first class and its twin, with the characters of the cause in each."""

    first: Prompt
    second: Prompt


Swapping = Callable[[Document, Random], Swap | None]


def gender_swap(names: Mapping[str, Sequence[str]], answers: Collection[str]) -> Swapping:
    """Return what makes a woman of a man: another name from those given, and the pronouns."""
    pronouns = {PRONOUNS["male"][slot]: PRONOUNS["female"][slot] for slot in PRONOUNS["male"]}

    def swap(document: Document, random: Random) -> Swap | None:
        begin = min((span.start for span in document.labels if span.name == "subject"), default=None)
        hero = None if begin is None else TOKEN.match(document.text, begin)
        if hero is None or hero[0] not in names["male"]:
            return None
        told = set(TOKEN.findall(document.text))
        other = random.choice([name for name in names["female"] if name not in told])
        return Swap({hero[0]: other, **pronouns}, {hero[0]}, answers)

    return swap


def emotion_swap(first: str, second: str) -> Swapping:
    """Return what exchanges a feeling and its reactions."""
    one, other = (next(each for each in EMOTIONS if each.name == name) for name in (first, second))
    return _class_swap(one, other, one.feelings, one.reactions)


def season_swap(first: str, second: str) -> Swapping:
    """Return what exchanges a season, its months and its signs."""
    one, other = (next(each for each in SEASONS if each.name == name) for name in (first, second))
    return _class_swap(one, other, (one.name, *one.months, *one.signs), one.signs)


def _class_swap(
    one: Emotion | Season, other: Emotion | Season, causes: Collection[str], answers: Collection[str]
) -> Swapping:
    mine, its = ((each.name, *each[1], *each[2]) for each in (one, other))
    found = Swap(dict(zip(mine, its, strict=True)), set(causes), set(answers))
    return lambda document, random: found


def twins(documents: Iterable[Document], swapping: Swapping, seed: int, longest: int) -> Iterator[Twin]:
    """Yield a pair for every story that can be cut, at a place drawn from those it has within so many words."""
    for number, document in enumerate(documents):
        random = Random(sub_seed(seed, f"twins/{number}"))
        swap = swapping(document, random)
        words = [(found[0], found.start()) for found in TOKEN.finditer(document.text)][:longest]
        places = [] if swap is None else _cuts([word for word, _ in words], swap)
        if swap is not None and places:
            cause, end = random.choice(places)
            yield Twin(*(_prompt(document.text, words[: end + 1], cause, table) for table in ({}, swap.words)))


def _cuts(words: Sequence[str], swap: Swap) -> list[tuple[int, int]]:
    """Return the places of answers whose last exchanged word before is a cause, each with the cause's place."""
    found, last = list[tuple[int, int]](), None
    for place, word in enumerate(words):
        if word in swap.answers and last is not None and words[last] in swap.causes:
            found.append((last, place))
        if word in swap.words:
            last = place
    return found


def _prompt(text: str, words: Sequence[tuple[str, int]], cause: int, table: Mapping[str, str]) -> Prompt:
    """Return the text up to the last of the words, with those in the table exchanged."""
    written, done, place = "", 0, (0, 0)
    for number, (word, start) in enumerate(words[:-1]):
        written += text[done:start]
        if number == cause:
            place = (len(written), len(written) + len(table.get(word, word)))
        written, done = written + table.get(word, word), start + len(word)
    return Prompt(written, {CAUSE: place})


def asked(
    made: Iterable[Twin], n: int, observable: Observable, tokenizer: Encoder, task: str
) -> tuple[PromptPairs, ...]:
    """Return so many different pairs as batches, the observable's tokens being the candidates."""
    different = dict[tuple[str, str], Twin]()
    for one in made:
        different.setdefault((one.first.text, one.second.text), one)
        if len(different) == n:
            break
    drafts = [_draft(one, observable, number % 2 == 0) for number, one in enumerate(different.values())]
    return batched(task, drafts, tokenizer)


def _draft(twin: Twin, observable: Observable, first_is_clean: bool) -> Draft:
    """Return the pair; the second class, such as women, is what the observable is high for."""
    for_second = [token for token, weight in zip(observable.tokens, observable.weights, strict=True) if weight > 0]
    for_first = [token for token in observable.tokens if token not in for_second]
    sides = [(twin.first, for_first), (twin.second, for_second)]
    (clean, right), (corrupted, wrong) = sides if first_is_clean else sides[::-1]
    return Draft(clean, corrupted, observable.tokens, right, wrong, {"first_is_clean": first_is_clean})
