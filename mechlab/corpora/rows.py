"""Token rows: a corpus tokenised once and cut into rows of one length, with what is known of every token."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Int, Int8, Int32, Int64
from torch import Tensor

from mechlab.core.config import digest
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.documents import Corpus, Document
from mechlab.corpora.encoding import NO_LABEL, Encoded, Encoder, encode, refuse_foreign_vocabulary, start_token

CHUNK_CHARACTERS = 1 << 16


@dataclass(frozen=True, eq=False)
class TokenRows:
    """Rows of tokens.

    Attributes:
        tokens: token ids.
        special: true where a token stands for no text (start, end, padding).
        fingerprint: the hash of what determines the rows: corpus, tokenizer, row length, number of tokens.
        labels: the class index of each token per label, -1 where it has none.
        label_names: the classes of each label, in index order.
    """

    tokens: Int32[Tensor, "n_rows pos"]
    special: Bool[Tensor, "n_rows pos"]
    fingerprint: str
    labels: dict[str, Int8[Tensor, "n_rows pos"]] = field(default_factory=dict)
    label_names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @property
    def row_length(self) -> int:
        """Return the number of tokens per row."""
        return self.tokens.shape[1]

    @property
    def n_tokens(self) -> int:
        """Return the number of tokens, special ones included."""
        return self.tokens.numel()

    def select(self, rows: slice | Int64[Tensor, " n"]) -> "TokenRows":
        """Return only some of the rows, under a fingerprint of their own."""
        picked = [rows.start, rows.stop, rows.step] if isinstance(rows, slice) else rows.tolist()
        return replace(
            self,
            tokens=self.tokens[rows],
            special=self.special[rows],
            labels={name: codes[rows] for name, codes in self.labels.items()},
            fingerprint=digest({"rows": self.fingerprint, "picked": picked}),
        )


def pack(
    corpus: Corpus,
    tokenizer: Encoder,
    *,
    row_length: int,
    n_tokens: int,
    d_vocab: int | None = None,
    progress: Progress = SILENT,
) -> TokenRows:
    """Return the corpus's first tokens as rows; every document and every row opens with the start token.

    A document cut at a row's end goes on in the next row, behind a start token.

    Args:
        corpus: where the documents come from.
        tokenizer: the model's tokenizer.
        row_length: tokens per row, the start token included.
        n_tokens: how many tokens the rows must hold; rounded up to whole rows.
        d_vocab: the model's vocabulary; None takes the tokenizer's.
        progress: where to report.

    Raises:
        UsageError: the corpus is empty or too short (says how many tokens it has), or the tokenizer is not the model's.
    """
    if row_length < 2 or n_tokens < 1:
        raise UsageError("rows need at least 2 tokens each, and 1 in all", value=f"{row_length} and {n_tokens}")
    with progress.task("tokenising", n_tokens, "tokens") as task:
        parts: list[Encoded] = []
        for part in encoded_parts(corpus, tokenizer, d_vocab or tokenizer.d_vocab, n_tokens + row_length):
            parts.append(part)
            task.advance(part.ids.size)
    ids = np.concatenate([part.ids for part in parts]) if parts else np.zeros(0, np.int32)
    labels = {name: np.concatenate([part.labels[name] for part in parts]) for name in corpus.label_names if parts}
    identity = {"corpus": corpus.fingerprint, "tokenizer": tokenizer.fingerprint, "row_length": row_length}
    fingerprint = digest({**identity, "n_tokens": n_tokens})
    rows = cut(Encoded(ids, labels), tokenizer, row_length, ceil(n_tokens / row_length), fingerprint)
    refuse_short(corpus.name, ids.size, rows.n_tokens, row_length, n_tokens)
    return replace(rows, label_names=dict(corpus.label_names))


def cut(stream: Encoded, tokenizer: Encoder, row_length: int, n_rows: int, fingerprint: str) -> TokenRows:
    """Return at most `n_rows` rows of a stream whose documents are opened already; a rest below a row is left out."""
    start = start_token(tokenizer)
    begins = row_begins(stream.ids, start, row_length, n_rows)
    index = begins[:, None] + np.arange(row_length)
    tokens, labels = stream.ids[index], {name: codes[index] for name, codes in stream.labels.items()}
    if start is not None:
        tokens[:, 0] = start
        for codes in labels.values():
            codes[:, 0] = NO_LABEL
    special = np.isin(tokens, sorted(tokenizer.special_ids | ({start} if start is not None else set())))
    by_name = {name: torch.from_numpy(codes) for name, codes in labels.items()}
    return TokenRows(torch.from_numpy(tokens), torch.from_numpy(special), fingerprint, by_name)


def split(rows: TokenRows, n_held_out: int) -> tuple[TokenRows, TokenRows]:
    """Return the rows to train on and the last `n_held_out` rows, to judge by; neighbours share at most one document.

    Raises:
        UsageError: nothing would be left on one of the two sides.
    """
    if not 0 < n_held_out < len(rows):
        raise UsageError("cannot hold out that many rows", value=n_held_out, remedy=f"There are {len(rows)} rows.")
    border = len(rows) - n_held_out
    return rows.select(slice(0, border)), rows.select(slice(border, len(rows)))


def encoded_parts(corpus: Corpus, tokenizer: Encoder, d_vocab: int, n_enough: int) -> Iterator[Encoded]:
    """Yield a corpus's stream of tokens part by part until there is enough of it.

    Raises:
        UsageError: the tokenizer is not the model's.
    """
    unknown = tokenizer.unk_id
    n_seen = n_unknown = 0
    for documents in _chunks(corpus.documents()):
        part = encode(documents, tokenizer, corpus.label_names)
        n_seen += part.ids.size
        n_unknown += 0 if unknown is None else int((part.ids == unknown).sum())
        refuse_foreign_vocabulary(part.ids, n_unknown, d_vocab, n_seen)
        yield part
        if n_seen >= n_enough:
            return


def _chunks(documents: Iterator[Document]) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    n_characters = 0
    for document in documents:
        chunk.append(document)
        n_characters += len(document.text) + 1
        if n_characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, n_characters = [], 0
    if chunk:
        yield chunk


def row_begins(
    ids: Int[np.ndarray, " n"], start: int | None, row_length: int, n_rows: int
) -> Int64[np.ndarray, " rows"]:
    """Return where in the stream each row begins; one before its first token if a start token has to be put there."""
    begins: list[int] = []
    cursor = 0
    while len(begins) < n_rows and cursor < ids.size:
        begin = cursor if start is None or ids[cursor] == start else cursor - 1
        if begin + row_length > ids.size:
            break
        begins.append(begin)
        cursor = begin + row_length
    return np.array(begins, dtype=np.int64)


def refuse_short(name: str, n_stream: int, n_in_rows: int, row_length: int, n_tokens: int) -> None:
    """Pass if a corpus filled the rows asked for.

    Raises:
        UsageError: it has no token at all, or fewer than `n_tokens` in whole rows.
    """
    if n_stream == 0:
        raise UsageError("corpus is empty", value=name, remedy="It has no document with a token in it.")
    if n_in_rows < n_tokens:
        raise UsageError(
            f"corpus is too short: {n_in_rows:,} tokens in whole rows of {row_length}, {n_tokens:,} asked",
            value=name,
            remedy="Ask for fewer tokens, or give it more text.",
        )
