"""Documents to token ids: each opened by a start token, each token with the labels of the spans it overlaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int8, Int32

from mechlab.core.errors import UsageError
from mechlab.corpora.documents import Document

NO_LABEL = -1
MOST_UNKNOWN = 0.05


@runtime_checkable
class Encoder(Protocol):
    """What packing asks of a tokenizer; offsets are characters, and no special token is added by the call."""

    @property
    def fingerprint(self) -> str:
        """Return the hash of the vocabulary and the rules."""
        ...

    @property
    def d_vocab(self) -> int:
        """Return the number of ids."""
        ...

    @property
    def bos_id(self) -> int | None:
        """Return the id that opens a text, if there is one."""
        ...

    @property
    def eos_id(self) -> int | None:
        """Return the id that closes a text, if there is one."""
        ...

    @property
    def unk_id(self) -> int | None:
        """Return the id of text outside the vocabulary, if there is one."""
        ...

    @property
    def special_ids(self) -> frozenset[int]:
        """Return the ids that stand for no text."""
        ...

    def encode_batch_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Return the ids and the [start, end) characters of each token, for each text."""
        ...


@dataclass(frozen=True, eq=False)
class Encoded:
    """A stretch of the token stream, with one class index per token and label (-1: the token has none)."""

    ids: Int32[np.ndarray, " n"]
    labels: dict[str, Int8[np.ndarray, " n"]]


def start_token(tokenizer: Encoder) -> int | None:
    """Return the id put before every document: BOS, or EOS where a tokenizer has no BOS, or None."""
    return tokenizer.eos_id if tokenizer.bos_id is None else tokenizer.bos_id


def encode(documents: Sequence[Document], tokenizer: Encoder, label_names: Mapping[str, Sequence[str]]) -> Encoded:
    """Return the documents as one stretch of tokens; a document without tokens leaves no trace."""
    pairs = tokenizer.encode_batch_with_offsets([document.text for document in documents])
    kept = [(document, *pair) for document, pair in zip(documents, pairs, strict=True) if pair[0]]
    ids = np.fromiter(chain.from_iterable(ids for _, ids, _ in kept), dtype=np.int32)
    labels = _label(kept, label_names) if label_names else {}
    start = start_token(tokenizer)
    if start is None or not kept:
        return Encoded(ids, labels)
    counts = np.array([len(document_ids) for _, document_ids, _ in kept])
    opens = np.cumsum(counts) - counts
    opened = {name: np.insert(codes, opens, np.int8(NO_LABEL)) for name, codes in labels.items()}
    return Encoded(np.insert(ids, opens, np.int32(start)), opened)


def refuse_foreign_vocabulary(ids: Int[np.ndarray, " n"], n_unknown: int, d_vocab: int, n_seen: int) -> None:
    """Pass if the ids can be the model's.

    Args:
        ids: the ids just encoded.
        n_unknown: how many of all tokens so far were the unknown token.
        d_vocab: the model's vocabulary.
        n_seen: how many tokens there were so far.

    Raises:
        UsageError: an id lies outside the vocabulary, or more than 5 % of the tokens are unknown.
    """
    if ids.size and (int(ids.max()) >= d_vocab or int(ids.min()) < 0):
        worst = int(ids.max()) if int(ids.max()) >= d_vocab else int(ids.min())
        raise UsageError(
            "tokenizer is not the model's: it gives an id outside the model's vocabulary",
            value=worst,
            remedy=f"The model has {d_vocab} ids; use the tokenizer it was trained with.",
        )
    if n_unknown > MOST_UNKNOWN * n_seen:
        raise UsageError(
            "tokenizer does not know the corpus's words; share of unknown tokens",
            value=f"{n_unknown / n_seen:.0%}",
            remedy="Use a corpus in the language the model was trained on, or the model's own tokenizer.",
        )


Kept = tuple[Document, list[int], list[tuple[int, int]]]


def _label(kept: Sequence[Kept], label_names: Mapping[str, Sequence[str]]) -> dict[str, Int8[np.ndarray, " n"]]:
    """Return each token's class per label. All documents lie on one axis of characters, a gap of one between them."""
    lengths = np.array([len(document.text) + 1 for document, _, _ in kept], dtype=np.int64)
    bases = np.cumsum(lengths) - lengths
    flat = np.fromiter(chain.from_iterable(chain.from_iterable(offsets for _, _, offsets in kept)), dtype=np.int64)
    shift = np.repeat(bases, [len(offsets) for _, _, offsets in kept])
    starts, ends = flat[0::2] + shift, flat[1::2] + shift
    spans = list(chain.from_iterable(document.labels for document, _, _ in kept))
    which = np.repeat(np.arange(len(kept)), [len(document.labels) for document, _, _ in kept])
    first_characters = np.fromiter((span.start for span in spans), dtype=np.int64) + bases[which]
    end_characters = np.fromiter((span.end for span in spans), dtype=np.int64) + bases[which]
    last = bases[which] + lengths[which] - 1
    low = np.searchsorted(ends, np.minimum(first_characters, last), side="right").tolist()
    high = np.searchsorted(starts, np.minimum(end_characters, last), side="left").tolist()
    codes = {name: np.full(starts.size, NO_LABEL, dtype=np.int8) for name in label_names}
    class_of = {(name, value): i for name, values in label_names.items() for i, value in enumerate(values)}
    for span, begin, stop in zip(spans, low, high, strict=True):
        codes[span.name][begin:stop] = class_of[span.name, span.value]
    return codes
