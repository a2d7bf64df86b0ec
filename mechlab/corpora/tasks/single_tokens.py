"""Which words are one token inside a text, and which token: spellings a tokenizer cuts up are left out."""

from collections.abc import Sequence

from mechlab.core.errors import UsageError
from mechlab.corpora.encoding import Encoder

BEHIND_A_WORD = "the "
AT_THE_START = ""
MOST_NAMED = 8


def single_tokens(tokenizer: Encoder, words: Sequence[str], before: str = BEHIND_A_WORD) -> dict[str, int]:
    """Return word -> token for the words that are one known token behind the text `before`.

    Args:
        tokenizer: what cuts the text; a token carries its leading space where the tokenizer's tokens do.
        words: the words to try.
        before: the text in front; a space at its end stands before the word, not after the text.
    """
    (opening, *_), *encoded = tokenizer.encode_batch_with_offsets([before.rstrip(), *(before + word for word in words)])
    found = {word: ids[-1] for word, (ids, _) in zip(words, encoded, strict=True) if ids[:-1] == opening and ids}
    return {word: token for word, token in found.items() if token != tokenizer.unk_id}


def whole_words(tokenizer: Encoder, words: Sequence[str]) -> tuple[str, ...]:
    """Return the words that are one token, for places whose length should not vary; all words if none is."""
    return tuple(single_tokens(tokenizer, words)) or tuple(words)


def needed_tokens(
    tokenizer: Encoder, words: Sequence[str], n_needed: int, what: str, *, begins: bool = False
) -> dict[str, int]:
    """Return word -> token for the words that are one token.

    Args:
        tokenizer: what cuts the text.
        words: the words to try.
        n_needed: how many there must be.
        what: what the words are, for the message.
        begins: whether a text may begin with them, so that they must be one token there, too.

    Raises:
        UsageError: fewer words than needed are single tokens; the message names some that are not.
    """
    found = single_tokens(tokenizer, words)
    if begins:
        first = single_tokens(tokenizer, words, AT_THE_START)
        found = {word: token for word, token in found.items() if word in first}
    if len(found) >= n_needed:
        return found
    cut_up = [word for word in words if word not in found]
    raise UsageError(
        f"too few {what} are single tokens: {len(found)} of the {n_needed} needed; cut up or unknown",
        value=", ".join(cut_up[:MOST_NAMED]) + (", ..." if len(cut_up) > MOST_NAMED else ""),
        remedy="Ask for fewer words a prompt, for the other style, or use a tokenizer that has these words.",
    )


def token_groups(
    tokenizer: Encoder, groups: Sequence[Sequence[str]], n_needed: int, what: str
) -> tuple[dict[str, int], ...]:
    """Return word -> token for every group with enough single tokens to fill a prompt alone.

    Raises:
        UsageError: no group has enough.
    """
    found = [single_tokens(tokenizer, group) for group in groups]
    enough = tuple(group for group in found if len(group) >= n_needed)
    if not enough:
        needed_tokens(tokenizer, max(groups, key=len), n_needed, what)
    return enough
