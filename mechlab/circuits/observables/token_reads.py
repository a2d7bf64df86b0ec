"""Which tokens heads read an observable from: every embedding, as a head's own norm would make it, along what it reads.

Where heads look, and what else stands in the stream, is the prompt's and is left out.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.parts import parts_of
from mechlab.circuits.observables.reading_norms import How
from mechlab.core.errors import UsageError
from mechlab.models.language_model import LanguageModel


@torch.no_grad()
def token_reads(
    model: LanguageModel, observable: Observable, layer: int, final: How = "cheap"
) -> Float[Tensor, "n_heads d_vocab"]:
    """Return how much more each head of a layer brings to an observable, straight, from a token than from the mean one.

    The head is to look at the token alone, and its stream to hold nothing but the embedding.

    Args:
        model: the model.
        observable: what heads bring to.
        layer: whose heads.
        final: `cheap` or `skip`: how the last norm is handed back through; its divisor is left out, so that numbers can
            be compared within a model and are no nats.

    Raises:
        UsageError: there is no such layer, the last norm is to be handed back through at a point, the model is not
            Hugging Face's, or its parts write through norms.

    Source: Observable Propagation (arXiv 2312.16291), scores of embeddings. The head's norm is the true one here, and
    the mean over the vocabulary is taken away.
    """
    parts = parts_of(model)
    if not 0 <= layer < parts.spec.n_layers:
        raise UsageError("no such layer", value=layer, remedy=f"Layers are 0..{parts.spec.n_layers - 1}.")
    own, direction = parts.weights.layers[layer], observable.direction(parts.weights)
    along = parts.norm("ln_final").pulled(direction, None, final)
    values = torch.einsum("d,hed->he", along, own.W_O.to(along))
    read = torch.einsum("he,hde->hd", values, own.W_V.to(along))
    found = read @ parts.norm(f"ln1.{layer}")(parts.weights.W_E.to(along)).T
    return found - found.mean(-1, keepdim=True)
