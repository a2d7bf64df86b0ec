"""The corpus `tales`: an endless stream of small stories; document i depends on the seed and i alone."""

from collections.abc import Iterator, Sequence
from itertools import count
from random import Random

from mechlab.core.config import digest
from mechlab.core.randomness import sub_seed
from mechlab.corpora.documents import Document
from mechlab.corpora.tales.labels import LABEL_NAMES
from mechlab.corpora.tales.plan import Plan
from mechlab.corpora.tales.story import Story
from mechlab.corpora.tales.tasks import TASKS
from mechlab.corpora.tales.vocabulary import vocabulary, words_of
from mechlab.corpora.tales.writer import Writer

VERSION = 3


class TalesCorpus:
    """Small English stories with the cause of every word and the price of every choice.

    Args:
        seed: the stories' seed.
        tasks: which passages to tell, by name; None tells all.
        n_documents: where the stream ends; None never ends it.
    """

    name = "tales"
    label_names = LABEL_NAMES

    def __init__(self, seed: int = 0, tasks: Sequence[str] | None = None, n_documents: int | None = None) -> None:
        self.seed = seed
        self.tasks = tuple(TASKS) if tasks is None else tuple(name for name in TASKS if name in tasks)
        self.n_documents = n_documents
        for name in tasks or ():
            TASKS[name]
        self._plan = Plan([TASKS[name] for name in self.tasks])

    @property
    def fingerprint(self) -> str:
        """Return the hash of the seed, the tasks, the length, the words and the sentences."""
        sentences = [template.text for name in self.tasks for template in TASKS[name].templates]
        what = {"seed": self.seed, "tasks": self.tasks, "n_documents": self.n_documents, "version": VERSION}
        return digest({"name": self.name, **what, "vocabulary": vocabulary(), "sentences": sentences})

    def document(self, index: int) -> Document:
        """Return the document with this index."""
        writer = Writer(Random(sub_seed(self.seed, f"tales/{index}")))
        self._plan.tell(Story(writer))
        return writer.document()

    def documents(self, start: int = 0) -> Iterator[Document]:
        """Return the documents from index `start` on."""
        indices = count(start) if self.n_documents is None else range(start, self.n_documents)
        return map(self.document, indices)

    def entropy_per_token(self, n_documents: int = 2_000) -> float:
        """Return the generator's own entropy in nats per token, measured on the first documents.

        The text determines every choice, so no model's mean loss over whole documents can be lower. A document counts
        its tokens and the one token that ends it.
        """
        documents = [self.document(index) for index in range(n_documents)]
        n_tokens = sum(len(words_of(document.text)) + 1 for document in documents)
        return sum(document.nll_nats or 0.0 for document in documents) / n_tokens
