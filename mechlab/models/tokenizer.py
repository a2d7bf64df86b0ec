"""Text to tokens and back: the one tokenizer interface, and its wrapper around a Hugging Face tokenizer."""

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from mechlab.core.config import canonical_json


@runtime_checkable
class Tokenizer(Protocol):
    """What we ask of a tokenizer. Special tokens are never added unasked."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that determines the tokens of a text."""
        ...

    @property
    def bos_id(self) -> int | None:
        """The token that opens a document, if there is one."""
        ...

    @property
    def eos_id(self) -> int | None:
        """The token that ends a document, if there is one."""
        ...

    @property
    def pad_id(self) -> int | None:
        """The padding token, if there is one."""
        ...

    @property
    def unk_id(self) -> int | None:
        """The token for text outside the vocabulary, if there is one."""
        ...

    @property
    def special_ids(self) -> frozenset[int]:
        """Tokens that stand for no text."""
        ...

    @property
    def d_vocab(self) -> int:
        """Number of tokens the tokenizer knows."""
        ...

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the tokens of a text, and for each the characters [start, end) it covers."""
        ...

    def encode_batch_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Return the same for each of many texts, faster than one by one."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of the tokens, special ones included."""
        ...

    def token_string(self, token_id: int) -> str:
        """Return one token as it reads inside a text, leading space included."""
        ...


class HuggingFaceTokenizer:
    """A `Tokenizer` on a fast Hugging Face tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.wrapped = tokenizer
        # A stored limit would cut texts short in silence.
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        self._special_ids = frozenset(tokenizer.all_special_ids)
        self._fingerprint = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the tokenizer's own serialization and its special tokens, computed once."""
        self._fingerprint = self._fingerprint or self._digest()
        return self._fingerprint

    def _digest(self) -> str:
        special = {"bos": self.bos_id, "eos": self.eos_id, "pad": self.pad_id, "special": sorted(self.special_ids)}
        text = self.wrapped.backend_tokenizer.to_str() + canonical_json(special)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def bos_id(self) -> int | None:
        """The token that opens a document, if there is one."""
        return self.wrapped.bos_token_id

    @property
    def eos_id(self) -> int | None:
        """The token that ends a document, if there is one."""
        return self.wrapped.eos_token_id

    @property
    def pad_id(self) -> int | None:
        """The padding token, if there is one."""
        return self.wrapped.pad_token_id

    @property
    def unk_id(self) -> int | None:
        """The token for text outside the vocabulary, if there is one."""
        return self.wrapped.unk_token_id

    @property
    def special_ids(self) -> frozenset[int]:
        """Tokens that stand for no text."""
        return self._special_ids

    @property
    def d_vocab(self) -> int:
        """Number of tokens, added ones included."""
        return len(self.wrapped)

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the tokens of a text, and for each the characters [start, end) it covers."""
        encoding = self.wrapped.backend_tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def encode_batch_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Return the same for each of many texts, faster than one by one."""
        encodings = self.wrapped.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [(encoding.ids, encoding.offsets) for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of the tokens, special ones included."""
        return self.wrapped.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def token_string(self, token_id: int) -> str:
        """Return one token as it reads inside a text, leading space included."""
        piece = self.wrapped.convert_ids_to_tokens(token_id) or ""
        if byte := re.fullmatch(r"<0x([0-9A-F]{2})>", piece):
            return bytes([int(byte[1], 16)]).decode(errors="replace")
        # Whether a space stands before a word shows only behind another one.
        before, text = self._word
        behind = self.decode([*before, token_id])
        return behind.removeprefix(text) if behind.startswith(text) else self.decode([token_id])

    @cached_property
    def _word(self) -> tuple[list[int], str]:
        """Some word's token, and its text."""
        for token_id in range(self.d_vocab):
            if token_id not in self._special_ids and self.decode([token_id]).isalpha():
                return [token_id], self.decode([token_id])
        return [], ""
