"""Steering written into the weights of a copy, which then does by itself, in any library, what a spec does in passes.

1. A vector that is added somewhere in the stream joins the bias of what wrote there last.
2. What is scaled or set along a direction is so in each projection's writing: its matrix and its bias are changed. Of a
   stream that means embeddings, attentions and MLPs one by one, whose sum it is.
3. What depends on the token, such as a gate, a span or a feature's code, cannot be a weight, and is refused.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.steering.changes import Along, Change, Shift
from mechlab.interventions.steering.features import Sources
from mechlab.interventions.steering.resolving import Resolver
from mechlab.interventions.steering.span import TokenSpan
from mechlab.interventions.steering.spec import SteerSpec
from mechlab.models.architectures.layout import linear_weight
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Site, all_sites
from mechlab.models.weight_copy import module_copy, own_bias, untie

Written = Float[Tensor, "*n d_model"]
STREAM = ("resid_pre", "resid_mid", "resid_post")
WRITERS = ("embed", "pos_embed", "attn_out", "mlp_out", "head")


@torch.no_grad()
def steered_weights(model: LanguageModel, spec: SteerSpec, sources: Sources | None = None) -> HuggingFaceModel:
    """Return a copy whose weights are steered; its `.processing` says so, and `save_model` writes it.

    Args:
        model: the model to copy.
        spec: steps at all tokens, without gates: `add` anywhere in the stream; `ablate`, `ablate_add`, `project_clamp`
            and `scale` where something is written to it (`embed`, `attn_out`, `mlp_out`, a head).
        sources: what the names in the spec stand for.

    Raises:
        UsageError: the model is not Hugging Face's or has an open edit; the spec does not fit it; a step depends on the
            token, or is made at a place that no weight writes alone.

    Source: Arditi et al. 2024, "Refusal in Language Models Is Mediated by a Single Direction" (arXiv 2406.11717), whose
    weights lose a direction; added vectors, parts of a direction and directions of single writers are ours.
    """
    if not isinstance(model, HuggingFaceModel):
        raise UsageError("weights are edited in Hugging Face models", value=model.name, remedy="Load that one.")
    if codes := [step.part.kind for step in spec.steps if step.operation == "activate"]:
        raise _refusal("a code is chosen token by token", codes[0])
    changes = Resolver(model, sources or {}).changes(spec)
    for change in changes:
        _refuse(change, model)
    record = (*model.processing, f"steered: {len(changes)}")
    own = HuggingFaceModel(module_copy(model), model.tokenizer, model.name, record)
    order = {site: place for place, site in enumerate(all_sites(model.spec))}
    for change in sorted(changes, key=lambda one: order[_whole(one.site)]):
        _write(own, change)
    return own


def _whole(site: Site) -> Site:
    return Site("result", site.layer) if site.kind == "head" else site


def _refuse(change: Change, model: HuggingFaceModel) -> None:
    """Refuse what cannot be a weight."""
    site, plain = change.site, isinstance(change, Shift)
    if change.gate is not None or change.span != TokenSpan():
        raise _refusal("a gate or a span depends on the token", site)
    if change.keep_norm or not isinstance(change, Shift | Along) or (isinstance(change, Along) and change.read):
        raise _refusal("what is changed depends on what was there", site)
    if site.kind not in (*WRITERS, *STREAM):
        raise _refusal("nothing is written to the stream there", site)
    if site.kind in STREAM and not (plain or _at_the_start(site)):
        remedy = "Name embed, attn_out and mlp_out, whose sum the stream is, or steer it by steer_by."
        raise UsageError("no weight writes a place in the stream alone", value=str(site), remedy=remedy)
    if model.spec.post_norms and not _at_the_start(site):
        raise _refusal("a norm stands between the weights and the stream", site)


def _refusal(what: str, value: object) -> UsageError:
    return UsageError(f"{what}, and no weight does", value=str(value), remedy="Steer by steer_by, in passes.")


def _write(model: HuggingFaceModel, change: Change) -> None:
    if isinstance(change, Shift):
        _add(model, change.site, change.vector.double())
        return
    assert isinstance(change, Along)
    for written in _written(model, change.site):
        read = written.double() @ change.reader.double().to(written.device)
        written.copy_(written.double() + change.gain * read[..., None] * change.writer.double().to(written.device))
    _add(model, change.site, change.shift.double() * change.writer.double())


def _written(model: HuggingFaceModel, site: Site) -> list[Written]:
    """Return what is written at a place, row by row, in views of the weights."""
    if _at_the_start(site):
        kinds = ("embed", "pos_embed") if site.kind == "resid_pre" else (site.kind,)
        return [_embedding(model, kind) for kind in kinds if kind == "embed" or model.layout.pos_embed is not None]
    block = model.layout.blocks[site.layer or 0]
    if site.kind == "head":
        return [linear_weight(block.o).unflatten(0, (block.q.n_heads, block.q.d_head))[site.head]]
    module = block.o if site.kind == "attn_out" else block.mlp_proj
    return [linear_weight(module), *([] if module.bias is None else [own_bias(module)])]


def _add(model: HuggingFaceModel, site: Site, vector: Float[Tensor, "d_model"]) -> None:
    """Add a vector to all that is written at a place."""
    layout = model.layout
    if _at_the_start(site):
        learned = layout.pos_embed is not None and site.kind != "embed"
        rows = _embedding(model, "pos_embed" if learned else "embed")
        vector = vector if learned else vector / layout.embed_scale
    elif site.kind in ("resid_mid", "attn_out", "head"):
        rows = own_bias(layout.blocks[site.layer or 0].o)
    else:
        rows = own_bias(layout.blocks[(site.layer or 0) - (site.kind == "resid_pre")].mlp_proj)
    rows.copy_(rows.double() + vector.to(rows.device))


def _at_the_start(site: Site) -> bool:
    return site.layer is None or (site.kind == "resid_pre" and site.layer == 0)


def _embedding(model: HuggingFaceModel, kind: str) -> Float[Tensor, "n d_model"]:
    """Return the rows of tokens or of positions; the unembedding gets a matrix of its own, where it is the tokens'."""
    if kind == "embed":
        untie(model.module, model.layout)
    embed: Any = model.layout.embed if kind == "embed" else model.layout.pos_embed
    return embed.weight
