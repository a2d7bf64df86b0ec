"""Attention in the open: an attention function that shows rotated queries and keys, scores and patterns.

A model computes attention with its own fast function. While a visit needs the inside of one layer, the whole model is
switched to `attend`, which takes the open path in that layer only, and is switched back when the last visit leaves.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from mechlab.models.stations import Slot, Station

NAME = "mechlab"
_SEAT = "_mechlab_station"


class AttentionSwitch:
    """Which attention function a model uses: its own, or `attend` while anyone needs it."""

    def __init__(self, hf_model: Any) -> None:
        self._model, self._n_users, self._own = hf_model, 0, ""

    def turn_on(self) -> None:
        """Count one more user; the first puts the model on `attend`."""
        if self._n_users == 0:
            self._own = self._model.config._attn_implementation
            self._model.set_attn_implementation(NAME)
        self._n_users += 1

    def turn_off(self) -> None:
        """Count one user less; the last gives the model its own function back."""
        self._n_users -= 1
        if self._n_users == 0:
            self._model.set_attn_implementation(self._own)


class AttentionStation(Station):
    """Inside the attention function of one layer (`rot_q`, `rot_k`, `scores`, `pattern`)."""

    def __init__(self, module: nn.Module, switch: AttentionSwitch) -> None:
        super().__init__(module)
        self._switch = switch

    def attach(self) -> list[Any]:
        """Seat the station on the module, where `attend` looks for it, and switch the model to `attend`."""
        self._switch.turn_on()
        self.module.__dict__[_SEAT] = self
        return [_Seat(self.module, self._switch)]


class _Seat:
    """The handle of a seated station."""

    def __init__(self, module: nn.Module, switch: AttentionSwitch) -> None:
        self._module, self._switch = module, switch

    def remove(self) -> None:
        """Take the station off its module."""
        del self._module.__dict__[_SEAT]
        self._switch.turn_off()


def attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, **options: Any
) -> tuple[Tensor, Tensor | None]:
    """Return mixed values [batch pos n_heads d_head]: through the layer's station if it has one, else the fast way."""
    station, softcap = module.__dict__.get(_SEAT), options.get("softcap")
    if station is None and softcap is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=options["scaling"])
    through = _unvisited if station is None else station.through
    scores = raw_scores(through("rot_q", query.transpose(1, 2)), through("rot_k", key.transpose(1, 2)))
    scores = scores * options["scaling"]
    scores = scores if softcap is None else softcap * torch.tanh(scores / softcap)
    scores = through("scores", scores.masked_fill(~attention_mask, -torch.inf))
    # A row whose scores are all -inf attends nowhere; softmax alone would make it NaN.
    precise = torch.promote_types(scores.dtype, torch.float32)
    pattern = scores.softmax(-1, dtype=precise).nan_to_num(0.0).to(query.dtype)
    pattern = through("pattern", pattern)
    value = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
    return (pattern @ value).transpose(1, 2).contiguous(), pattern


def raw_scores(
    query: Float[Tensor, "batch q_pos n_heads d_head"], key: Float[Tensor, "batch k_pos n_kv_heads d_head"]
) -> Float[Tensor, "batch n_heads q_pos k_pos"]:
    """Return the products of queries and keys; a group of query heads shares one key head."""
    key = key.repeat_interleave(query.shape[2] // key.shape[2], dim=2)
    return query.transpose(1, 2) @ key.permute(0, 2, 3, 1)


def _unvisited(slot: Slot, value: Tensor) -> Tensor:
    return value


def full_mask(*args: Any, **options: Any) -> Tensor | None:
    """Return the boolean mask always, also where the fast function could do without."""
    return sdpa_mask(*args, **options | {"allow_is_causal_skip": False})


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, full_mask)
