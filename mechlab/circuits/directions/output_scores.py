"""Output scores: how far a feature, turned up, makes the model say what the feature itself promotes.

1. A feature's own tokens are the 20 that its direction promotes most by itself (logit lens).
2. A neutral prompt is read with the feature's direction added at its last token, as long as 10 times the feature's
   largest activation makes it. One pass per feature, many features a batch.
3. Score: `(1 - r / V) p`, where r is the best rank of any of its tokens among all V, counted from 0, and p the highest
   probability of any of them.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64, Int
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from mechlab.activations.capture import activations_at
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.shapes import Tokens
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.models.language_model import LanguageModel
from mechlab.models.logit_lens import logit_lens
from mechlab.models.sites import Site, writes_to_the_stream

ROWS_AT_ONCE = 64


class OutputScoring(Config):
    """How features are turned up, and what is looked at."""

    prompt: str = Field(default="From my experience,", description="A neutral one.")
    factor: PositiveFloat = Field(default=10.0, description="Times the largest activation.")
    n_top: PositiveInt = Field(default=20, description="How many tokens are a feature's own.")
    rows_at_once: PositiveInt = Field(default=ROWS_AT_ONCE, description="Features in a pass.")


@torch.no_grad()
def output_scores(
    model: LanguageModel,
    site: str | Site,
    rows: Float[Tensor, "n d_model"],
    largest: Float[Tensor, "n"],
    scoring: OutputScoring | None = None,
    tokens: Tokens | None = None,
) -> Float64[Tensor, "n"]:
    """Return each feature's output score, 0 to 1; features that never fire have 0.

    Args:
        model: who reads the prompt.
        site: where the features write.
        rows: what one unit of each feature's activation adds there.
        largest: each feature's largest activation.
        scoring: how; None is as published.
        tokens: one row to read instead of the prompt.

    Raises:
        UsageError: the site is not of the residual stream, an activation is not a number from 0, or the prompt is more
            than one row.

    Source: "output score" of sparse autoencoders' features, with its defaults. Published code sets the feature's
    activation; we add, so that what else stands at the token stays.
    """
    own, place = scoring or OutputScoring(), Site.parse(site, model.spec)
    if not writes_to_the_stream(place):
        remedy = "Take one such as resid_post.1 or mlp_out.0."
        raise UsageError("logits of a direction are known in the residual stream only", value=str(place), remedy=remedy)
    if not bool((largest.isfinite() & (largest >= 0)).all()):
        remedy = "Take what largest_activations gives."
        raise UsageError("largest activations are not numbers from 0", value=str(place), remedy=remedy)
    prompt = model.to_tokens(own.prompt) if tokens is None else tokens
    if len(prompt) != 1:
        raise UsageError("output scores need one prompt", value=len(prompt), remedy="Pass one row of tokens.")
    scores, firing = torch.zeros(len(rows), dtype=torch.float64), (largest > 0).nonzero().squeeze(1)
    for begin in range(0, len(firing), own.rows_at_once):
        numbers = firing[begin : begin + own.rows_at_once]
        added = own.factor * largest[numbers, None] * rows[numbers]
        promoted = logit_lens(model, rows[numbers]).topk(min(own.n_top, model.spec.d_vocab)).indices
        scores[numbers] = _scores(_turned_up(model, place, prompt, added), promoted).cpu()
    return scores


@torch.no_grad()
def largest_activations(
    model: LanguageModel, dictionary: Dictionary, site: str | Site, rows: Sequence[Tensor]
) -> Float[Tensor, "d_sae"]:
    """Return each feature's largest activation on some text; the first token of each row is left out.

    The first token is left out because its activations are of another size than all others in many models.

    Args:
        model: who reads it.
        dictionary: whose features.
        site: what the dictionary reads.
        rows: batches of token rows.

    Raises:
        UsageError: there is no text, or the dictionary does not fit the site.
    """
    found = torch.zeros(len(dictionary.W_dec))
    if not rows:
        raise UsageError("no text to find activations in", value=0, remedy="Pass batches of token rows.")
    for tokens in rows:
        vectors = activations_at(model, tokens, site)[:, 1:].flatten(0, 1)
        if vectors.shape[1] != dictionary.config.d_in:
            remedy = f"{site} has width {vectors.shape[1]}."
            raise UsageError("dictionary does not fit the site", value=dictionary.config.d_in, remedy=remedy)
        found = torch.maximum(found, dictionary.encode(vectors.to(dictionary.b_enc)).amax(0).float().cpu())
    return found


@torch.no_grad()
def largest_in_layer(
    model: LanguageModel, transcoders: TranscoderSet, layer: int, rows: Sequence[Tensor]
) -> Float[Tensor, "n_features"]:
    """Return the same of the features of a layer of a set of transcoders.

    Raises:
        UsageError: there is no text.
    """
    if not rows:
        raise UsageError("no text to find activations in", value=0, remedy="Pass batches of token rows.")
    read = (activations_at(model, tokens, transcoders.site(layer))[:, 1:].flatten(0, 1) for tokens in rows)
    each = [transcoders.codes(layer, vectors.to(transcoders.bias(layer))).amax(0).float().cpu() for vectors in read]
    return torch.stack(each).amax(0).clamp(min=0)


def _turned_up(
    model: LanguageModel, site: Site, prompt: Tokens, added: Float[Tensor, "n d_model"]
) -> Float64[Tensor, "n d_vocab"]:
    """Return the next-token probabilities behind the prompt, with each of the vectors added at its last token."""

    def add(activation: Tensor) -> Tensor:
        changed = activation.clone()
        changed[:, -1] += added.to(activation)
        return changed

    with model.edit({site: add}):
        return model.logits(prompt.expand(len(added), -1))[:, -1].double().softmax(-1)


def _scores(chances: Float64[Tensor, "n d_vocab"], promoted: Int[Tensor, "n n_top"]) -> Float64[Tensor, "n"]:
    best = chances.gather(1, promoted).amax(1)
    ranks = (chances > best[:, None]).sum(1)
    return (1 - ranks / chances.shape[1]) * best
