"""A tiny corpus and two tokenizers of the `tokenizers` library, whose every token a test knows by heart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from mechlab.corpora.documents import Document

SPECIAL = ["<bos>", "<eos>", "<unk>"]


class TinyTokenizer:
    """A tokenizer of the `tokenizers` library under the names mechlab asks for."""

    def __init__(self, library: tokenizers.Tokenizer, bos_id: int | None = 0, eos_id: int | None = 1) -> None:
        self.library, self.bos_id, self.eos_id = library, bos_id, eos_id
        self.pad_id, self.unk_id, self.special_ids, self.d_vocab = (
            None,
            2,
            frozenset({0, 1, 2}),
            library.get_vocab_size(),
        )
        self.fingerprint = f"tiny {self.d_vocab}"

    def encode_batch_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        encodings = self.library.encode_batch(list(texts), add_special_tokens=False)
        return [(encoding.ids, encoding.offsets) for encoding in encodings]

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        return self.encode_batch_with_offsets([text])[0]

    def decode(self, ids: Sequence[int]) -> str:
        return self.library.decode(list(ids), skip_special_tokens=False)

    def token_string(self, token_id: int) -> str:
        return self.decode([token_id])

    def words(self, ids: Sequence[int]) -> list[str]:
        return [self.library.id_to_token(int(i)) or "" for i in ids]


def word_tokenizer(words: Sequence[str], **ids: int | None) -> TinyTokenizer:
    """Return a tokenizer that knows exactly these words, split at spaces."""
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *dict.fromkeys(words)])}
    library = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return TinyTokenizer(library, **ids)


def byte_pair_tokenizer(texts: Sequence[str], d_vocab: int = 280) -> TinyTokenizer:
    """Return a byte-level BPE tokenizer trained on the texts, whose tokens carry their leading space."""
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=d_vocab, special_tokens=SPECIAL, initial_alphabet=alphabet)
    library.train_from_iterator(texts, trainer)
    return TinyTokenizer(library)


@dataclass
class ListCorpus:
    """The given documents, in the given order."""

    listed: Sequence[Document]
    label_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = "listed"
    fingerprint: str = "listed"

    def documents(self) -> Iterator[Document]:
        return iter(self.listed)
