"""Which tokens of a row are steered: all, the prompt's, decoded ones, or a stretch of these."""

import sys
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from mechlab.core.errors import ConfigError
from mechlab.interventions.steering.plain import Plain


class TokenSpan(Plain):
    """A stretch of a row.

    A decoded token is counted where it is read: `within="decoded"` from 0 to 1 is the pass over the first token that
    was decoded, which chooses the second. What chooses the first is `last_prompt`.

    Attributes:
        within: `all` of the row, the `prompt`, its last token, or what was `decoded` after it.
        start: the first of these that counts, from 0.
        stop: the first that no longer does; None where there is no such.
    """

    within: Literal["all", "prompt", "last_prompt", "decoded"] = "all"
    start: NonNegativeInt = 0
    stop: PositiveInt | None = Field(default=None)

    @model_validator(mode="after")
    def _holds_a_token(self) -> "TokenSpan":
        longest = 1 if self.within == "last_prompt" else sys.maxsize
        if self.start >= min(longest, self.stop or longest):
            value = f"{self.within} from {self.start} to {self.stop}"
            raise ConfigError("span holds no token", value=value, remedy="Let it stop behind its start.")
        return self

    def bounds(self, n_prompt: int) -> tuple[int, int]:
        """Return the first place in the row that counts and the first that no longer does."""
        opens, closes = {
            "all": (0, sys.maxsize),
            "prompt": (0, n_prompt),
            "last_prompt": (n_prompt - 1, n_prompt),
            "decoded": (n_prompt, sys.maxsize),
        }[self.within]
        return opens + self.start, closes if self.stop is None else min(closes, opens + self.stop)
