"""Every path through a GPT-2 or Llama that is held still, listed by brute force, in float64.

Paths are walked upwards, from what adds to the stream to what reads it, one vector at a time and by plain loops;
nothing of the package's attribution is used but the names of steps. A path is the tuple of its steps' names without the
target.
"""

from collections.abc import Iterator

import torch
from oracles.frozen_gradients import FrozenByHand
from torch import Tensor

from mechlab.dictionaries.crosslayer import Crosslayer

Names = tuple[str, ...]


class EveryPath:
    """All paths of one prompt."""

    def __init__(self, by_hand: FrozenByHand) -> None:
        self.own = by_hand
        core = by_hand.module.transformer if by_hand.is_gpt2 else by_hand.module.model
        self.n_pos, self.n_heads = len(by_hand.tokens), by_hand.patterns[0].shape[0]
        self.leaves = {name: leaf.detach() for name, leaf in by_hand.leaves.items()}
        self.heads = [self._heads(block) for block in (core.h if by_hand.is_gpt2 else core.layers)]
        self.features = [self._features(layer) for layer in range(len(self.heads))]

    def to(self, layer: int, position: int, direction: Tensor, *, mid: bool) -> dict[Names, float]:
        """Return what each path brings to a direction of the stream: before a layer's MLP, or before its heads."""
        self.position, self.direction, self.end = position, direction, 2 * layer + mid
        found: dict[Names, float] = {}
        for names, where, vector, depth in self._beginnings():
            for path, brought in self._onward(names, where, vector, depth):
                found[path] = found.get(path, 0.0) + brought
        return {path: brought for path, brought in found.items() if brought != 0}

    def _beginnings(self) -> Iterator[tuple[Names, int, Tensor, int]]:
        """Yield names, a position, what is added there, and from which depth on it is seen.

        A layer's heads read at depth 2 l, its MLP at 2 l + 1.
        """
        for position in range(self.n_pos):
            yield (f"token@{position}",), position, self.leaves["tokens"][position], 0
            if "positions" in self.leaves:
                yield (f"position@{position}",), position, self.leaves["positions"][position], 0
            for layer in range(len(self.heads)):
                yield from self._from_attention(layer, position)
                yield from self._from_mlp(layer, position)

    def _from_attention(self, layer: int, position: int) -> Iterator[tuple[Names, int, Tensor, int]]:
        _, heads, out_bias = self.heads[layer]
        yield (f"bias@{position}",), position, out_bias, 2 * layer + 1
        for head, (_, bias, out) in enumerate(heads):
            for source in range(position + 1):
                names = (f"bias@{source}", f"head.{layer}.{head}@{source}>{position}")
                yield names, position, self.own.patterns[layer][head, position, source] * (bias @ out), 2 * layer + 1

    def _from_mlp(self, layer: int, position: int) -> Iterator[tuple[Names, int, Tensor, int]]:
        if self.own.first_is_bos and position == 0:
            yield (f"bos.{layer}@0",), 0, self.leaves[f"bos.{layer}"], 2 * layer + 2
            return
        own = self.own.dictionaries[layer]
        constant = own.layer_bias(layer) if isinstance(own, Crosslayer) else own.b_dec
        yield (f"bias@{position}",), position, constant, 2 * layer + 2
        yield (f"error.{layer}@{position}",), position, self.leaves[f"errors.{layer}"][position], 2 * layer + 2
        for feature, _, bias, written in self._on(layer, position):
            for above, vector in written:
                names = (f"bias@{position}", f"feature.{layer}.{feature}@{position}")
                yield names, position, bias * vector, 2 * above + 2

    def _onward(self, names: Names, position: int, vector: Tensor, depth: int) -> Iterator[tuple[Names, float]]:
        """Yield all paths that go on from a vector in the stream, which the target reads, or something on the way."""
        if position == self.position and depth <= self.end:
            yield names, float(vector @ self.direction)
        for layer in range(len(self.heads)):
            if depth <= 2 * layer and 2 * layer + 1 <= self.end:
                gain, heads, _ = self.heads[layer]
                normed = self._centred(vector) / self.own.divisors[f"ln1.{layer}"][position] * gain
                for head, (value, _, out) in enumerate(heads):
                    written = normed @ value @ out
                    for target in range(position, self.position + 1):
                        moved = self.own.patterns[layer][head, target, position] * written
                        name = f"head.{layer}.{head}@{position}>{target}"
                        yield from self._onward((*names, name), target, moved, 2 * layer + 1)
            at_bos = self.own.first_is_bos and position == 0
            if depth <= 2 * layer + 1 and 2 * layer + 2 <= self.end and not at_bos:
                yield from self._through_mlp(names, position, vector, layer)

    def _through_mlp(self, names: Names, position: int, vector: Tensor, layer: int) -> Iterator[tuple[Names, float]]:
        read, skip = self._centred(vector) / self.own.divisors[f"ln2.{layer}"][position], None
        if not isinstance(self.own.dictionaries[layer], Crosslayer):
            skip = self.own.dictionaries[layer].W_skip
        if skip is not None:
            yield from self._onward((*names, f"skip.{layer}@{position}"), position, skip @ read, 2 * layer + 2)
        for feature, row, _, written in self._on(layer, position):
            for above, added in written:
                if 2 * above + 2 <= self.end:
                    name = f"feature.{layer}.{feature}@{position}"
                    yield from self._onward((*names, name), position, (row @ read) * added, 2 * above + 2)

    def _centred(self, vector: Tensor) -> Tensor:
        return vector - vector.mean() if self.own.is_gpt2 else vector

    def _on(self, layer: int, position: int) -> list[tuple[int, Tensor, Tensor, list[tuple[int, Tensor]]]]:
        """Return the features that are on: number, what they read, their bias, and what they write to which MLPs."""
        codes = self.leaves[f"codes.{layer}"][position]
        return [self.features[layer][feature] for feature in codes.nonzero().flatten().tolist()]

    def _features(self, layer: int) -> list[tuple[int, Tensor, Tensor, list[tuple[int, Tensor]]]]:
        own, found = self.own.dictionaries[layer], []
        for feature in range(self.leaves[f"codes.{layer}"].shape[1]):
            if isinstance(own, Crosslayer):
                one = torch.zeros_like(self.leaves[f"codes.{layer}"][:1])
                one[0, feature] = 1
                first = own.config.levels[layer].start
                row, bias = own.encoder[first + feature], own.b_enc[first + feature]
                written = [(layer + above, vector) for above, vector in enumerate(own.written_by(layer, one)[0])]
            else:
                row, bias, written = own.W_enc[:, feature], own.b_enc[feature], [(layer, own.W_dec[feature])]
            found.append((feature, row, bias, written))
        return found

    def _heads(self, block) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]], Tensor]:
        """Return the gain before a layer's heads; each head's values, their bias, and outputs; the outputs' bias."""
        if self.own.is_gpt2:
            d_model, attention = len(block.ln_1.bias), block.attn
            value = attention.c_attn.weight[:, 2 * d_model :].double()
            bias = block.ln_1.bias.double() @ value + attention.c_attn.bias[2 * d_model :].double()
            out, out_bias, gain = attention.c_proj.weight.double(), attention.c_proj.bias.double(), block.ln_1.weight
        else:
            attention, gain = block.self_attn, block.input_layernorm.weight
            shared = self.n_heads * attention.head_dim // attention.v_proj.weight.shape[0]
            heads = attention.v_proj.weight.double().unflatten(0, (-1, attention.head_dim))
            value = heads.repeat_interleave(shared, 0).flatten(0, 1).T
            out, bias = attention.o_proj.weight.double().T, value.new_zeros(value.shape[1])
            out_bias = out.new_zeros(out.shape[1])
        parts = (value.chunk(self.n_heads, 1), bias.chunk(self.n_heads), out.chunk(self.n_heads, 0))
        return gain.double(), list(zip(*parts, strict=True)), out_bias
