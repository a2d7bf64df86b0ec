"""Text from the Hugging Face hub, streamed: only what is read is downloaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import datasets
import huggingface_hub
from huggingface_hub.errors import RepositoryNotFoundError

from mechlab.core.config import digest
from mechlab.core.errors import MechlabError, UsageError
from mechlab.corpora.documents import Document
from mechlab.corpora.text_files import documents_of_table

TIMEOUT_S = 20


class HubCorpus:
    """The training split of a hub data set, pinned to the revision it had when first asked.

    Args:
        name: `owner/name`, or `owner/name:subset`.
        text_column: the column that holds the text.
    """

    def __init__(self, name: str, text_column: str = "text") -> None:
        self.name, self.text_column = name, text_column
        self.repository, _, self.subset = name.partition(":")
        self.label_names: dict[str, tuple[str, ...]] = {}

    @cached_property
    def revision(self) -> str:
        """Return the commit on the hub.

        Raises:
            UsageError: the hub cannot be reached, or has no such data set.
        """
        with _explained(self.name):
            return huggingface_hub.HfApi().dataset_info(self.repository, timeout=TIMEOUT_S).sha or "main"

    @property
    def fingerprint(self) -> str:
        """Return the hash of name, subset, revision and column."""
        return digest({"hub": self.name, "revision": self.revision, "text_column": self.text_column})

    def documents(self) -> Iterator[Document]:
        """Yield a document per row of the training split.

        Raises:
            UsageError: the hub cannot be reached, or the data set has no such subset, split or column.
        """
        where = {"revision": self.revision, "split": "train", "streaming": True}
        with _explained(self.name):
            table = datasets.load_dataset(self.repository, self.subset or None, **where)
            yield from documents_of_table(table, self.text_column, self.name)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn whatever the hub's libraries raise into one line."""
    try:
        yield
    except MechlabError:
        raise
    except RepositoryNotFoundError:
        remedy = "Write owner/name, as on the hub; a private one needs `hf auth login`."
        raise UsageError("the hub has no such data set", value=name, remedy=remedy) from None
    except ValueError as error:
        raise UsageError("hub data set cannot be opened", value=name, remedy=str(error)) from None
    except Exception as error:
        reason = str(error).partition("\n")[0]
        remedy = f"Check the network, or give a local file ({type(error).__name__}: {reason})."
        raise UsageError("hub data set cannot be reached", value=name, remedy=remedy) from None
