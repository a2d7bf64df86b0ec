"""Where the stops of a path are linearised in a prompt: the stream each reads, and how much heads look there."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Int
from torch import Tensor

from mechlab.circuits.observables.pulling import StopPoint
from mechlab.circuits.observables.stops import Stop, path_of
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel

HEADS = ("head", "heads")


@torch.no_grad()
def prompt_points(
    model: LanguageModel, tokens: Int[Tensor, "1 pos"], path: Sequence[str], positions: Sequence[int]
) -> dict[str, StopPoint]:
    """Return the point of every stop of a path in a prompt, by the stop's name.

    Args:
        model: the model.
        tokens: the prompt.
        path: stops, the source first and the logits last.
        positions: where each stop reads the stream, counted from the end if negative. Only heads move: an MLP, and any
            stop that the stream passes beside, reads where the next stop reads.

    Raises:
        UnknownName: there is no such stop.
        UsageError: the path is out of order, a position is missing or outside the prompt, or something moves that
            cannot.
    """
    stops, n_pos = path_of(path, model.spec), tokens.shape[1]
    if len(positions) != len(stops) or not all(-n_pos <= one < n_pos for one in positions):
        remedy = f"Give one of 0..{n_pos - 1} for each of the {len(stops)} stops."
        raise UsageError("positions do not fit the path", value=list(positions), remedy=remedy)
    places = [one % n_pos for one in positions]
    _refuse_moves(stops, places)
    sites = [stop.stream(model.spec) for stop in stops]
    patterns = [f"pattern.{stop.layer}" for stop in stops if stop.kind in HEADS]
    seen = model.activations(tokens, list(dict.fromkeys([*sites, *patterns])))
    found = {}
    for stop, site, here, there in zip(stops, sites, places, [*places[1:], places[-1]], strict=True):
        looks = seen[f"pattern.{stop.layer}"][0, :, there, here] if stop.kind in HEADS else None
        own = looks if looks is None or stop.number is None else looks[stop.number, None]
        found[stop.name] = StopPoint(stream=seen[site][0, here], attention=own)
    return found


def _refuse_moves(stops: Sequence[Stop], places: Sequence[int]) -> None:
    for (stop, here), (_, there) in pairwise(zip(stops, places, strict=True)):
        moves = stop.kind in HEADS and not stop.beside
        if (here != there and not moves) or here > there:
            remedy = "Only heads read elsewhere than the next stop does, and never behind it."
            raise UsageError("stop cannot move", value=f"{stop.name} from {here} to {there}", remedy=remedy)
