"""An observable from words as they are typed, and a name for it that tells its tokens, however they were typed."""

import re
from typing import Literal

from mechlab.circuits.observables.observable import Observable, less
from mechlab.circuits.observables.words import MOST_NAMED, matching_words, token_set, word_token
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel
from mechlab.models.tokenizer import Tokenizer

NUMBER = re.compile(r"#(\d{1,9})", re.ASCII)
Combine = Literal["mean", "sum"]


def typed_observable(
    model: LanguageModel, words: str, against: str = "", *, regex: bool = False, combine: Combine = "mean"
) -> Observable:
    """Return the logits of some words, less those of others; tokens in order.

    Args:
        model: whose vocabulary.
        words: parted by commas; `#629` is token 629.
        against: words that are taken off; empty for none.
        regex: both are regular expressions, which a token's whole text has to fit.
        combine: what the logits of several become.

    Raises:
        UsageError: the model has no tokenizer; a word is several tokens, unknown or there twice; a pattern fits
            nothing; or nothing is left.
    """
    tokenizer = model.tokenizer
    if tokenizer is None:
        remedy = "Put its tokenizer.json into the folder."
        raise UsageError("words need a tokenizer", value=model.name, remedy=remedy)
    found = _side(tokenizer, words, regex, combine)
    if against:
        found = less(found, _side(tokenizer, against, regex, combine), f"{words} - {against}")
    found.vector(model.spec.d_vocab)  # a number that no token has is refused here
    weights = dict(sorted(zip(found.tokens, found.weights, strict=True)))
    named = Observable(name=_name(tokenizer, weights), tokens=tuple(weights), weights=tuple(weights.values()))
    return named


def _side(tokenizer: Tokenizer, text: str, regex: bool, combine: Combine) -> Observable:
    if regex:
        return matching_words(tokenizer, text, combine=combine)
    return token_set([_token(tokenizer, word) for word in text.split(",")], combine=combine)


def _token(tokenizer: Tokenizer, word: str) -> int:
    number = NUMBER.fullmatch(word.strip())
    return word_token(tokenizer, word) if number is None else int(number[1])


def _name(tokenizer: Tokenizer, weights: dict[int, float]) -> str:
    """Return what counts, less what is taken off."""
    sides = ([token for token, weight in weights.items() if weight * sign > 0] for sign in (1, -1))
    up, down = (_listed(tokenizer, tokens) for tokens in sides)
    return f"{up} - {down}" if up and down else up or f"-({down})"


def _listed(tokenizer: Tokenizer, tokens: list[int]) -> str:
    shown = [tokenizer.token_string(token) for token in tokens[:MOST_NAMED]]
    more = len(tokens) - len(shown)
    # A space in front is part of a word where the vocabulary has the word without it, too; every name tells it alike.
    return ", ".join(map(repr, shown)) + (f" and {more} more" if more else "")
