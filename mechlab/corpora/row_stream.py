"""A corpus as rows that are made while they are read: the rows of `pack`, of which only a few are held at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from mechlab.core.config import digest
from mechlab.corpora.documents import Corpus
from mechlab.corpora.encoding import NO_LABEL, Encoded, Encoder, start_token
from mechlab.corpora.rows import TokenRows, cut, encoded_parts, refuse_short, row_begins


@dataclass(frozen=True)
class RowStream:
    """The first rows of a corpus, block by block.

    Iterating yields blocks of rows; one after another they are what `pack` returns. It raises as `pack` does; that the
    corpus is too short is known only at its end.

    Attributes:
        n_tokens: how many tokens the rows must hold; rounded up to whole rows.
    """

    corpus: Corpus
    tokenizer: Encoder
    row_length: int
    n_tokens: int
    d_vocab: int | None = None

    def __iter__(self) -> Iterator[TokenRows]:
        """Yield the blocks."""
        n_rows = n_left = ceil(self.n_tokens / self.row_length)
        n_stream, rest = 0, None
        d_vocab = self.d_vocab or self.tokenizer.d_vocab
        for part in encoded_parts(self.corpus, self.tokenizer, d_vocab, self.n_tokens + self.row_length):
            n_stream += part.ids.size
            stream = part if rest is None else _joined(rest, part)
            begins = row_begins(stream.ids, start_token(self.tokenizer), self.row_length, n_left)
            if len(begins):
                block = cut(stream, self.tokenizer, self.row_length, n_left, self._fingerprint(n_rows - n_left))
                yield replace(block, label_names=dict(self.corpus.label_names))
            n_left -= len(begins)
            rest = self._rest(stream, int(begins[-1]) + self.row_length if len(begins) else 0)
        refuse_short(self.corpus.name, n_stream, (n_rows - n_left) * self.row_length, self.row_length, self.n_tokens)

    def _rest(self, stream: Encoded, cursor: int) -> Encoded:
        """Return what no row holds yet, opened by a start token if it begins inside a document."""
        ids, labels = stream.ids[cursor:], {name: codes[cursor:] for name, codes in stream.labels.items()}
        start = start_token(self.tokenizer)
        if start is None or not ids.size or ids[0] == start:
            return Encoded(ids, labels)
        opened = np.insert(ids, 0, start)
        return Encoded(opened, {name: np.insert(codes, 0, NO_LABEL) for name, codes in labels.items()})

    def _fingerprint(self, first_row: int) -> str:
        identity = {"corpus": self.corpus.fingerprint, "tokenizer": self.tokenizer.fingerprint}
        return digest({**identity, "row_length": self.row_length, "first_row": first_row})


def _joined(rest: Encoded, part: Encoded) -> Encoded:
    labels = {name: np.concatenate([codes, part.labels[name]]) for name, codes in rest.labels.items()}
    return Encoded(np.concatenate([rest.ids, part.ids]), labels)
