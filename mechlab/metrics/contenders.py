"""What a dictionary's features must beat: a random dictionary, the site's own neurons, and labels that mean nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.randomness import sub_seed
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary

Features = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Contender:
    """A set of features, and whether it is scored against the labels of other rows."""

    features: Features
    labels_of_other_rows: bool = False


def contenders(dictionary: Dictionary, mean: Float[Tensor, "d_in"], seed: int) -> dict[str, Contender]:
    """Return the dictionary and its three controls, by name.

    Args:
        dictionary: what is judged.
        mean: the mean of what the dictionary reads: the neurons' zero, and the centre of a random autoencoder.
        seed: of the random dictionary.
    """
    random = untrained(dictionary, mean if dictionary.config.d_out is None else None, seed)
    return {
        "dictionary": Contender(dictionary.encode),
        "random dictionary": Contender(random.encode),
        "neurons": Contender(lambda x: both_signs(x, mean)),
        "shuffled labels": Contender(dictionary.encode, labels_of_other_rows=True),
    }


@torch.no_grad()
def untrained(dictionary: Dictionary, mean: Float[Tensor, "d_out"] | None, seed: int) -> Dictionary:
    """Return a fresh dictionary of the same kind, config and size, centred on the data as a trained one would be.

    Args:
        dictionary: whose like is wanted.
        mean: of what is rebuilt; None where only codes are looked at, on which a transcoder's has no bearing.
        seed: of its draw.
    """
    fresh = type(dictionary)(dictionary.config, sub_seed(seed, "random dictionary")).to(dictionary.b_dec.device)
    if mean is not None and (dictionary.config.centred or dictionary.config.d_out is not None):
        fresh.b_dec.copy_(mean)
    return fresh.eval()


def both_signs(x: Float[Tensor, "*batch d_in"], mean: Float[Tensor, "d_in"]) -> Float[Tensor, "*batch d_features"]:
    """Return each coordinate's excess over its mean, then each one's deficit: a neuron may detect by either sign."""
    excess = x - mean.to(x)
    return torch.cat([excess, -excess], dim=-1)


def other_rows(rows: TokenRows, draw: torch.Generator) -> TokenRows:
    """Return the rows with each row's labels taken from another row, position by position.

    Whole rows move, so that labels keep their frequency, their place in the row and their neighbours.
    """
    order = torch.randperm(len(rows), generator=draw)
    source = torch.empty_like(order)
    source[order] = order.roll(1)
    labels = {name: values[source] for name, values in rows.labels.items()}
    return TokenRows(rows.tokens, rows.special, rows.fingerprint, labels, rows.label_names)
