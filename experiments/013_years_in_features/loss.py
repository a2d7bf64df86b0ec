"""What transcoders cost beside SAEs of what MLPs write, at equal L0: in one layer, and in all layers at once."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from subject import Subject, mean
from torch import Tensor

import mechlab
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.dictionary import Dictionary

OF_ONE = ("l0", "delta_ce_nats", "ce_loss_recovered", "explained_variance", "dead_share")


def in_one_layer(subject: Subject, seed: int) -> dict[str, Any]:
    """Return what the runs measured: of each layer's transcoder and SAE, value and interval."""
    found: dict[str, Any] = {}
    for kind in ("mlp", "mlp_out"):
        for layer in subject.layers:
            metrics = subject.members[f"{kind}.{layer}", seed].manifest.metrics
            own = {name: metrics[name] for name in OF_ONE if name in metrics}
            found[f"{kind}.{layer}"] = {name: [one.value, one.low, one.high] for name, one in own.items()}
    return found


def in_all_layers(subject: Subject, seed: int, rows: TokenRows) -> dict[str, Any]:
    """Return the loss, in nats, of the model, with all transcoders in, with all SAEs in, and with no MLP at all."""
    transcoders = subject.transcoders(seed)
    own = {f"mlp.{layer}": transcoders.layers[layer] for layer in subject.layers}
    saes = {f"mlp_out.{layer}": subject.sae(layer, seed) for layer in subject.layers}
    clean = _losses(subject, {}, rows)
    losses = {"transcoders": _losses(subject, own, rows), "saes": _losses(subject, saes, rows)}
    with subject.model.edit({f"mlp_out.{layer}": torch.zeros_like for layer in subject.layers}):
        losses["nothing"] = _losses(subject, {}, rows)
    found = {name: {"loss": mean(one), "more": mean(one - clean)} for name, one in losses.items()}
    return {"model": mean(clean), **found, "saes less transcoders": mean(losses["saes"] - losses["transcoders"])}


def _losses(subject: Subject, standing_in: Mapping[str, Dictionary], rows: TokenRows) -> Tensor:
    """Return the mean loss of every row, its special tokens left out."""
    found = []
    special = torch.tensor(sorted(subject.model.special_ids))
    with ExitStack() as opened, torch.no_grad():
        for place, dictionary in standing_in.items():
            opened.enter_context(mechlab.splice(subject.model, dictionary, place))
        for tokens in rows.tokens.split(50):
            tokens = tokens.long()
            said = subject.model.logits(tokens)[:, :-1].log_softmax(-1)
            losses = -said.gather(-1, tokens[:, 1:, None])[..., 0]
            counts = ~(torch.isin(tokens[:, 1:], special) | torch.isin(tokens[:, :-1], special))
            found.append((losses * counts).sum(1) / counts.sum(1))
    return torch.cat(found)
