"""The corpus `tokfsm`: an endless stream of walks on the paper's machine, each state labelled and priced."""

from collections.abc import Iterator
from itertools import count
from math import log

from mechlab.core.config import digest
from mechlab.core.randomness import torch_generator
from mechlab.corpora.documents import Document, Span
from mechlab.corpora.tokfsm.machine import Machine
from mechlab.corpora.tokfsm.rollouts import paths

VERSION = 1
N_STEPS = 64
BLOCK = 256


class TokFsmCorpus:
    """Texts of 128 digits, 64 states of two; a tokenizer of digits and rows of 129 tokens give one walk per row.

    Args:
        seed: the walks' seed; the machine is the paper's under every seed.
    """

    name = "tokfsm"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.machine = Machine.drawn()

    @property
    def fingerprint(self) -> str:
        """Return the hash of the seed, the machine and the length of a walk."""
        what = {"seed": self.seed, "successors": self.machine.successors.tolist(), "version": VERSION}
        return digest({"name": self.name, **what, "n_steps": N_STEPS, "block": BLOCK})

    @property
    def label_names(self) -> dict[str, tuple[str, ...]]:
        """Return the states, each as it is written."""
        return {"state": tuple(map(_written, range(self.machine.n_states)))}

    def documents(self) -> Iterator[Document]:
        """Return the documents from the first on, without end."""
        for block in count():
            generator = torch_generator(self.seed, f"{self.name}/{block}")
            yield from map(self._document, paths(self.machine, BLOCK, N_STEPS, generator).tolist())

    def _document(self, states: list[int]) -> Document:
        words = list(map(_written, states))
        starts = range(0, 2 * len(words), 2)
        labels = tuple(Span(start, start + 2, "state", word) for start, word in zip(starts, words, strict=True))
        start_nats, step_nats = log(self.machine.n_states), log(self.machine.n_edges)
        surprisals = tuple((start, step_nats if start else start_nats) for start in starts)
        return Document("".join(words), labels, sum(nats for _, nats in surprisals), surprisals)


def _written(state: int) -> str:
    return f"{state:02d}"
