"""A document: one text with what is known about it; a corpus: a named stream of documents."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable


class Span(NamedTuple):
    """A stretch of characters `text[start:end]` for which the label called `name` has the class `value`."""

    start: int
    end: int
    name: str
    value: str


class Document(NamedTuple):
    """One text, its labels, and its price where the corpus knows it.

    Attributes:
        text: the whole text.
        labels: known causes; spans of one label never overlap.
        nll_nats: minus the log probability of the whole text, its end included, or None where nobody knows it.
        surprisals: (character position, nats) of each random choice, placed at the word that shows it; they sum to
            `nll_nats`.
    """

    text: str
    labels: tuple[Span, ...] = ()
    nll_nats: float | None = None
    surprisals: tuple[tuple[int, float], ...] = ()


@runtime_checkable
class Corpus(Protocol):
    """A named stream of documents; the same fingerprint means the same documents in the same order."""

    @property
    def name(self) -> str:
        """Return the corpus's name."""
        ...

    @property
    def fingerprint(self) -> str:
        """Return the hash of everything that determines the documents."""
        ...

    @property
    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the classes of each label; empty where nothing is labelled."""
        ...

    def documents(self) -> Iterator[Document]:
        """Return the documents from the first on; the stream may be endless."""
        ...
