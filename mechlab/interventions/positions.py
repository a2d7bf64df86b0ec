"""Which tokens of a pass stand at the positions an edit is for: in generation a pass begins inside its row."""

from mechlab.models.language_model import LanguageModel


def places_in_pass(model: LanguageModel, positions: range | None, n_pos: int) -> list[int]:
    """Return the places, in a pass of `n_pos` tokens that is under way, of these positions of its row.

    Args:
        model: whose pass it is; it knows where the pass begins.
        positions: counted from the start of the row; None is everywhere.
        n_pos: how many tokens the pass has.
    """
    first = model.first_position
    return [place for place in range(n_pos) if positions is None or place + first in positions]
