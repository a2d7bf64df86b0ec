"""Changes of what heads write that only some receivers see: the stream itself stays as it is.

1. A receiver's queries, keys or values are what they would be if the stream held the sender's output changed:
   `q + (norm(x + change) - norm(x)) W_Q`.
2. The norm divides by what it would divide by if it saw the sum: `scale'^2 = scale^2 - var(x) + var(x + change)`.
3. The logits are a receiver too: the final norm sees the sum.
4. Several changes add up in each receiver.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.head_changes import Change, Stream, head_site, masked
from mechlab.models.language_model import Edit, LanguageModel
from mechlab.models.sites import MODES, Head, Mode, Site
from mechlab.models.spec import ModelSpec
from mechlab.models.weights import LayerWeights

Vectors = Float[Tensor, "... d_model"]


@dataclass(frozen=True)
class Receiver:
    """A head, and what it reads the stream as; heads that share keys and values read them together."""

    head: Head
    mode: Mode


@contextmanager
def change_paths(
    model: LanguageModel,
    changes: Mapping[Head, Change],
    receivers: Sequence[Receiver] = (),
    *,
    logits: bool = False,
    where: Bool[Tensor, "batch pos"] | None = None,
) -> Iterator[None]:
    """Open a context in which only the receivers see what these heads write changed.

    Args:
        model: the model to edit.
        changes: by the sender's layer and head.
        receivers: heads in later layers than every sender.
        logits: whether the logits, too, are read from the changed stream.
        where: tokens of the senders at which it is; then every pass must be over this very batch. None is everywhere.

    Raises:
        UnknownName: there is no such head.
        UsageError: a receiver is not behind every sender, or what heads write is normalized before it joins the stream.

    Source: Wang et al. 2022, "Interpretability in the Wild", section 3.1 (path patching); here a path is the direct
    one, so that ways through MLPs between sender and receiver are left out.
    """
    _refuse_no_path(model, changes, receivers)
    added: dict[Head, Tensor] = {}

    def noting(head: Head, change: Change) -> Edit:
        def note(out: Stream) -> Stream:
            added[head] = change(out)
            return out

        return note

    def changed(stream: Stream) -> Stream:
        return stream + torch.stack(list(added.values())).sum(0)

    with ExitStack() as opened:
        opened.enter_context(
            model.edit({head_site(model, head): noting(head, masked(one, where)) for head, one in changes.items()})
        )
        for layer in sorted({one.head[0] for one in receivers}):
            here = [one for one in receivers if one.head[0] == layer]
            opened.enter_context(model.edit(_readings(model, layer, here, changed)))
        if logits:
            opened.enter_context(model.edit({f"resid_post.{model.spec.n_layers - 1}": changed}))
        yield


def _readings(model: LanguageModel, layer: int, receivers: Sequence[Receiver], changed: Edit) -> dict[str | Site, Edit]:
    """Return edits of what a layer's receivers read, and the stations that show what it is made from."""
    weights, spec, seen = model.weights().layers[layer], model.spec, dict[str, Tensor]()

    def shown(name: str) -> Edit:
        def note(activation: Tensor) -> Tensor:
            seen[name] = activation
            return activation

        return note

    def reading(mode: Mode, heads: Sequence[int]) -> Edit:
        def read(projected: Tensor) -> Tensor:
            gained = norm_gain(seen["stream"], changed(seen["stream"]), seen.get("scale"), spec) * weights.ln1_w
            projected = projected.clone()
            for head in heads:
                projected[:, :, head * projected.shape[2] // spec.n_heads] += gained @ _matrix(weights, mode)[head]
            return projected

        return read

    stations: dict[str | Site, Edit] = {f"resid_pre.{layer}": shown("stream")}
    if spec.normalization != "none":
        stations[f"ln1_scale.{layer}"] = shown("scale")
    for mode in MODES:
        if heads := sorted({one.head[1] for one in receivers if one.mode == mode}):
            stations[f"{mode}.{layer}"] = reading(mode, heads)
    return stations


def norm_gain(before: Vectors, after: Vectors, scale: Tensor | None, spec: ModelSpec) -> Vectors:
    """Return how much a norm's output, before its gain, grows when it sees another stream.

    Args:
        before: what the norm saw.
        after: what it is to see.
        scale: what it divided by; None where there is no norm.
        spec: of the model; says which norm it is.
    """
    if scale is None:
        return after - before
    if spec.normalization == "LN":
        before, after = (stream - stream.mean(-1, keepdim=True) for stream in (before, after))
    grown = after.square().mean(-1, keepdim=True) - before.square().mean(-1, keepdim=True)
    return after / (scale.square() + grown).sqrt() - before / scale


def _matrix(weights: LayerWeights, mode: Mode) -> Tensor:
    return {"q": weights.W_Q, "k": weights.W_K, "v": weights.W_V}[mode]


def _refuse_no_path(model: LanguageModel, changes: Mapping[Head, Change], receivers: Sequence[Receiver]) -> None:
    for head in [*changes, *(one.head for one in receivers)]:
        head_site(model, head)
    if model.spec.post_norms:
        remedy = "Change what the head writes for the whole model instead (change_heads)."
        raise UsageError("heads of this model write through a norm", value=model.name, remedy=remedy)
    last = max((head[0] for head in changes), default=0)
    early = next((one for one in receivers if one.head[0] <= last), None)
    if early is not None:
        remedy = f"Name heads in layers after {last}, that of the last sender."
        raise UsageError("receiver is not behind every sender", value=f"{early.head[0]}.{early.head[1]}", remedy=remedy)
