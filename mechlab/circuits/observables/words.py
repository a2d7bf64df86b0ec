"""Observables made of words: a difference of two, a mean or sum of some, or of all the vocabulary that fits a pattern.

A word is taken as it reads inside a text, its leading space included: " she" and "she" may be two tokens.
"""

import re
from collections.abc import Sequence
from typing import Literal

from mechlab.circuits.observables.observable import Observable, less
from mechlab.core.errors import UsageError
from mechlab.models.tokenizer import Tokenizer

MOST_NAMED = 4


def word_difference(tokenizer: Tokenizer, word: str, other: str, name: str = "") -> Observable:
    """Return one word's logit less another's.

    Raises:
        UsageError: a word is several tokens or unknown, or both are one token.
    """
    return less(word_set(tokenizer, [word]), word_set(tokenizer, [other]), name or f"{word!r} - {other!r}")


def word_set(
    tokenizer: Tokenizer, words: Sequence[str], *, combine: Literal["mean", "sum"] = "mean", name: str = ""
) -> Observable:
    """Return the mean or the sum of some words' logits.

    Raises:
        UsageError: there is no word, one is there twice, or one is several tokens or unknown.
    """
    return token_set([word_token(tokenizer, word) for word in words], combine=combine, name=name or _named(words))


def matching_words(
    tokenizer: Tokenizer, pattern: str, *, combine: Literal["mean", "sum"] = "mean", name: str = ""
) -> Observable:
    """Return the mean or the sum of the logits of all tokens whose whole text fits a regular expression.

    Special tokens are left out.

    Raises:
        UsageError: the pattern is not one, or no token fits.
    """
    try:
        fits = re.compile(pattern).fullmatch
    except re.error as error:
        raise UsageError("pattern of tokens is not understood", value=pattern, remedy=f"{error}.") from None
    known = (token for token in range(tokenizer.d_vocab) if token not in tokenizer.special_ids)
    found = [token for token in known if fits(tokenizer.token_string(token))]
    if not found:
        remedy = "It must fit a token's whole text, leading space included, such as ' ?(she|her)'."
        raise UsageError("no token fits the pattern", value=pattern, remedy=remedy)
    return token_set(found, combine=combine, name=name or f"/{pattern}/")


def token_set(tokens: Sequence[int], *, combine: Literal["mean", "sum"] = "mean", name: str = "") -> Observable:
    """Return the mean or the sum of some tokens' logits.

    Raises:
        UsageError: there is no token, or one is there twice.
    """
    if not tokens or len(set(tokens)) < len(tokens):
        raise UsageError("set of tokens is not one", value=list(tokens), remedy="Give at least one, each once.")
    weight = 1 / len(tokens) if combine == "mean" else 1.0
    named = name or _named([f"token {token}" for token in tokens])
    return Observable(name=named, tokens=tuple(tokens), weights=(weight,) * len(tokens))


def word_token(tokenizer: Tokenizer, word: str) -> int:
    """Return the token of a word, as it reads inside a text.

    Raises:
        UsageError: the word is several tokens, or none that is known.
    """
    ids = tokenizer.encode_with_offsets(word)[0]
    if len(ids) > 1:
        parts = " + ".join(repr(tokenizer.token_string(one)) for one in ids)
        remedy = f"It is {parts}; take one of them, or a word that is one token (try its leading space)."
        raise UsageError("word is several tokens", value=word, remedy=remedy)
    if not ids or ids[0] == tokenizer.unk_id:
        raise UsageError("word is not in the vocabulary", value=word, remedy="Take a word that is one token.")
    return ids[0]


def _named(words: Sequence[str]) -> str:
    shown = ", ".join(words[:MOST_NAMED])
    return shown + f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else shown
