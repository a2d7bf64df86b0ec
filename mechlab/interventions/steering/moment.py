"""Where a pass is: which of its tokens a span means, in generation and outside of it."""

from dataclasses import dataclass

from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.steering.span import TokenSpan
from mechlab.models.language_model import LanguageModel


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known of a pass that is under way.

    Attributes:
        model: whose passes they are.
        n_rows: how many rows a pass must have; None where all are steered alike.
        n_prompt: how many tokens of every row are its prompt; None leaves it to the model, for which all of a row is
            prompt outside of generation.
    """

    model: LanguageModel
    n_rows: int | None = None
    n_prompt: int | None = None

    def places(self, span: TokenSpan, n_pos: int) -> slice:
        """Return the places, in a pass of so many tokens, of a span of its rows; an empty slice where there is none."""
        first = self.model.first_position
        n_prompt = self.n_prompt or self.model.n_prompt or first + n_pos
        start, stop = span.bounds(n_prompt)
        start = max(start - first, 0)
        return slice(start, max(min(stop - first, n_pos), start))

    def refuse_other_batch(self, activation: Tensor) -> None:
        """Refuse a pass over another number of rows than there are specs.

        Raises:
            UsageError: it is.
        """
        if self.n_rows not in (None, len(activation)):
            value, remedy = f"{self.n_rows} for {len(activation)} rows", "Give one spec for all rows, or one for each."
            raise UsageError("specs do not fit the batch", value=value, remedy=remedy)
