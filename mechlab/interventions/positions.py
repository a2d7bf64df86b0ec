"""Which tokens of a pass are to be edited: by their position in a row, or by a mark on every token of a batch."""

from jaxtyping import Bool
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel


def places_in_pass(model: LanguageModel, positions: range | None, n_pos: int) -> list[int]:
    """Return the places, in a pass of `n_pos` tokens that is under way, of these positions of its row.

    In generation a pass begins inside its row.

    Args:
        model: whose pass it is; it knows where the pass begins.
        positions: counted from the start of the row; None is everywhere.
        n_pos: how many tokens the pass has.
    """
    first = model.first_position
    return [place for place in range(n_pos) if positions is None or place + first in positions]


def beside(marks: Bool[Tensor, "batch pos"], activation: Tensor) -> Tensor:
    """Return the marks shaped to stand beside an activation.

    Raises:
        UsageError: the pass is over another batch than the marks are for.
    """
    if activation.shape[:2] != marks.shape:
        value = f"{list(marks.shape)} for a pass over {list(activation.shape[:2])}"
        raise UsageError("marked tokens do not fit the batch", value=value, remedy="Give one flag per token.")
    return marks.to(activation.device).reshape(*marks.shape, *[1] * (activation.ndim - 2))
