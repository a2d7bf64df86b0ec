"""A Hugging Face model whose attention patterns, and norms' divisors if asked, stay what they were in its first pass.

Nothing of the package is used. Attention is a function of our own in transformers' registry, norms are written out in
float64 (the library's RMSNorm rounds to float32), and every gradient is autograd's.
"""

import copy
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

NAME = "oracle_held"


def held_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, scaling: float = 1.0, **rest: Any
) -> tuple[Tensor, None]:
    """Attend by the pattern a module holds; the first time, or each time if it keeps none, find it."""
    if module.held is None or not module.keeps:
        repeated = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
        scores = query @ repeated.mT * scaling
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        module.held = scores.masked_fill(future, -torch.inf).softmax(-1).detach()
    value = value.repeat_interleave(query.shape[1] // value.shape[1], dim=1)
    return (module.held @ value).transpose(1, 2), None


AttentionInterface.register(NAME, held_attention)


class Norm(torch.nn.Module):
    """LayerNorm or RMSNorm in whatever number type, with a divisor that can be held."""

    def __init__(self, own: Any, hold: bool) -> None:
        super().__init__()
        self.weight, self.bias, self.hold = own.weight, getattr(own, "bias", None), hold
        self.eps = own.eps if hasattr(own, "eps") else own.variance_epsilon
        self.centres, self.divisor = isinstance(own, torch.nn.LayerNorm), None

    def forward(self, stream: Tensor) -> Tensor:
        """Return gain and bias behind the division."""
        centred = stream - stream.mean(-1, keepdim=True) if self.centres else stream
        divisor = (centred.square().mean(-1, keepdim=True) + self.eps).sqrt()
        if self.hold and self.divisor is None:
            self.divisor = divisor.detach()
        shown = centred / (self.divisor if self.hold else divisor) * self.weight
        return shown if self.bias is None else shown + self.bias


class HeldModel:
    """The model, after one pass over one prompt.

    Attributes:
        streams: what every layer reads, and the end.
        mids: what every layer's second norm reads.
    """

    def __init__(self, hf_model: Any, tokens: Tensor, *, hold_norms: bool = False, hold_patterns: bool = True) -> None:
        self.module, self.tokens = copy.deepcopy(hf_model).double().eval(), tokens
        core = _first(self.module, "transformer", "gpt_neox", "model")
        self.blocks = list(core.h if hasattr(core, "h") else core.layers)
        names = next(two for two in NORMS if hasattr(self.blocks[0], two[0]))
        for block in self.blocks:
            for name in names:
                setattr(block, name, Norm(getattr(block, name), hold_norms))
        last = next(name for name in ("ln_f", "final_layer_norm", "norm") if hasattr(core, name))
        setattr(core, last, Norm(getattr(core, last), hold_norms))
        self.final, self.seconds = getattr(core, last), [getattr(block, names[1]) for block in self.blocks]
        self.attentions = [_first(block, "attn", "attention", "self_attn") for block in self.blocks]
        for module in self.module.modules():
            module.held, module.keeps = None, hold_patterns
        self.module.set_attn_implementation(NAME)
        self.streams, self.mids, self.values = self._first_pass()

    def _first_pass(self) -> tuple[list[Tensor], list[Tensor], Tensor]:
        streams, mids, handles = [], [], []
        for block, second in zip(self.blocks, self.seconds, strict=True):
            handles.append(block.register_forward_pre_hook(lambda m, args: streams.append(args[0][0].clone())))
            handles.append(second.register_forward_pre_hook(lambda m, args: mids.append(args[0][0].clone())))
        handles.append(self.final.register_forward_pre_hook(lambda m, args: streams.append(args[0][0].clone())))
        logits = self.module(self.tokens).logits[0]
        for handle in handles:
            handle.remove()
        return streams, mids, logits

    @property
    def patterns(self) -> list[Tensor]:
        """Return every layer's pattern, [n_heads pos pos]."""
        return [next(m.held[0] for m in block.modules() if m.held is not None) for block in self.blocks]

    def logits_from(self, layer: int, stream: Tensor) -> Tensor:
        """Return the logits when a layer reads this stream."""
        handle = self.blocks[layer].register_forward_pre_hook(lambda m, args: (stream[None], *args[1:]))
        logits = self.module(self.tokens).logits[0]
        handle.remove()
        return logits

    def gradient(self, layer: int, weights: Tensor, position: int = -1) -> Tensor:
        """Return the gradient of weighted logits at a position in the stream in front of a layer."""
        leaf = self.streams[layer].clone().requires_grad_()
        return torch.autograd.grad(self.logits_from(layer, leaf)[position] @ weights, leaf)[0]

    def heads_slope(self, layer: int, heads: list[int], direction: Tensor, there: int) -> Tensor:
        """Return the gradient, in the stream in front, of what heads write at a position along a direction."""
        leaf = self.streams[layer].clone().requires_grad_()
        return torch.autograd.grad(self.heads_write(layer, heads, leaf)[there] @ direction, leaf)[0]

    def heads_write(self, layer: int, heads: list[int], stream: Tensor) -> Tensor:
        """Return what some heads write, and the bias, when their layer reads this stream."""
        seen, n_heads = [], self.patterns[layer].shape[0]

        def only(module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor]:
            apart = args[0].unflatten(-1, (n_heads, -1))
            kept = torch.zeros(n_heads, 1, dtype=apart.dtype)
            kept[heads] = 1
            return ((apart * kept).flatten(-2),)

        out = self._out(layer)
        handles = [out.register_forward_pre_hook(only), out.register_forward_hook(lambda m, a, o: seen.append(o[0]))]
        self.logits_from(layer, stream)
        for handle in handles:
            handle.remove()
        return seen[0]

    def logits_plus(self, layer: int, added: Tensor) -> Tensor:
        """Return the logits when this is added to what a layer's heads write together."""
        handle = self._out(layer).register_forward_hook(lambda m, a, out: out + added)
        logits = self.module(self.tokens).logits[0]
        handle.remove()
        return logits

    def _out(self, layer: int) -> Any:
        return _first(self.attentions[layer], "c_proj", "dense", "o_proj")

    def mlp_slope(self, layer: int, direction: Tensor, here: int, point: Tensor | None = None) -> Tensor:
        """Return the gradient of what an MLP writes along a direction, in front of its norm."""
        stream = self.mids[layer].clone()
        leaf = (stream[here] if point is None else point).clone().requires_grad_()
        rows = torch.stack([leaf if row == here else stream[row] for row in range(len(stream))])[None]
        return torch.autograd.grad(self.blocks[layer].mlp(self.seconds[layer](rows))[0, here] @ direction, leaf)[0]

    def final_slope(self, weights: Tensor, here: int) -> Tensor:
        """Return the gradient of weighted logits in front of the last norm."""
        leaf = self.streams[-1].clone().requires_grad_()
        logits = self.module.get_output_embeddings()(self.final(leaf[None]))[0]
        return torch.autograd.grad(logits[here] @ weights, leaf)[0][here]


NORMS = (("ln_1", "ln_2"), ("input_layernorm", "post_attention_layernorm"))


def _first(module: Any, *names: str) -> Any:
    """Return the first of these parts that a module has."""
    return next(getattr(module, name) for name in names if hasattr(module, name))
