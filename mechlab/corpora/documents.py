"""A document: text, and what is known to be true of stretches of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a text carry one value of one label, for example emotion=joy."""

    start: int
    end: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its labelled spans; a corpus without ground truth leaves the labels empty."""

    text: str
    labels: tuple[Span, ...] = ()


@runtime_checkable
class Corpus(Protocol):
    """Documents in a fixed order, the same on every pass, with a fingerprint of what determines them."""

    name: str
    fingerprint: str
    label_names: Mapping[str, tuple[str, ...]]

    def documents(self) -> Iterator[Document]:
        """Yield the documents from the first one; an endless generator is a corpus too."""
        ...
