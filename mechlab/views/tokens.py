"""How tokens are shown: what the eye cannot see is written out, so that a token is never mistaken for another."""

import unicodedata

NAMED = {"\n": "↵", "\r": "␍", "\t": "⇥", "": "∅"}
ESCAPED = {"Cc", "Cs", "Co", "Cn"}
HIDDEN_CODES = (0x061C, 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
HIDDEN = frozenset(map(chr, HIDDEN_CODES))


def in_text(token: str) -> str:
    """Return the token as it stands inside running text: spaces kept, control characters written out."""
    return "".join(_visible(character) for character in token)


def alone(token: str) -> str:
    """Return the token as it stands in a list: leading and trailing spaces written as `␣`, the empty token as `∅`."""
    if not token:
        return NAMED[""]
    body = token.strip(" ")
    start = len(token) - len(token.lstrip(" "))
    return "␣" * start + in_text(body) + "␣" * (len(token) - start - len(body))


def _visible(character: str) -> str:
    if character in NAMED:
        return NAMED[character]
    if character in HIDDEN or unicodedata.category(character) in ESCAPED:
        return f"\\u{ord(character):04x}"
    return character
