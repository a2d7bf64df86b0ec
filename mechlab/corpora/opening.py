"""One name, one corpus: a generator by its name, a file or folder by its path, a hub data set as owner/name."""

import re
from pathlib import Path

from mechlab.core.errors import UnknownName
from mechlab.corpora import CORPORA
from mechlab.corpora.documents import Corpus


def open_corpus(name: str | Path, *, seed: int = 0, text_column: str = "text") -> Corpus:
    """Return the corpus a name stands for; nothing is read or downloaded yet.

    Args:
        name: a name in CORPORA; else a path that exists; else `owner/name` or `owner/name:subset` on the hub.
        seed: of a generator; files and hub data sets have their own order.
        text_column: the column of a table that holds the text.

    Raises:
        UnknownName: it is none of these; the message lists the generators.
        UsageError: a path that does not exist, or is no corpus.
    """
    text = str(name)
    if text in CORPORA:
        return CORPORA[text](seed=seed)
    from mechlab.corpora.text_files import READERS, TextFiles

    if text and (Path(name).exists() or Path(name).suffix in READERS):
        return TextFiles(name, text_column)
    if re.fullmatch(r"[\w.-]*\w/[\w.-]*\w(:[\w.-]+)?", text):
        from mechlab.corpora.hub import HubCorpus

        return HubCorpus(text, text_column)
    listed = f"Known: {', '.join(CORPORA)}; a file or folder; or owner/name on the Hugging Face hub."
    raise UnknownName("no such corpus", value=text, remedy=listed)
