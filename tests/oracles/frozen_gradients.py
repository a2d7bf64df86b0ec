"""Attribution by autograd: GPT-2 and Llama written out from Hugging Face's weights, nonlinear parts held still.

Nothing of the package's attribution is used: patterns come from the model's own attention, MLP outputs from hooks, and
every effect is a gradient times what it belongs to, in float64.
"""

from typing import Any

import torch
from torch import Tensor

from mechlab.dictionaries.crosslayer import Crosslayer
from mechlab.dictionaries.dictionary import Dictionary


class FrozenByHand:
    """One prompt through a GPT-2 or Llama in float64; leaves are all that adds to the stream.

    `leaves` holds tokens and positions, and for each layer codes, errors and the MLP's output at the first token.
    """

    def __init__(self, module: Any, dictionaries: list[Dictionary], tokens: Tensor, first_is_bos: bool) -> None:
        self.module, self.dictionaries, self.first_is_bos = module, dictionaries, first_is_bos
        self.is_gpt2 = module.config.model_type == "gpt2"
        self.tokens = tokens[0]
        self.patterns, self.outputs = self._seen(tokens)
        self.divisors: dict[str, Tensor] = {}
        self.leaves: dict[str, Tensor] = {}
        self._errors: list[Tensor] = []
        self.reads: list[Tensor] = []
        self.forward(fill=True)
        for leaf in self.leaves.values():
            leaf.requires_grad_()
        self.final = self.forward(fill=False)

    def _seen(self, tokens: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        outputs: list[Tensor] = []
        blocks = self.module.transformer.h if self.is_gpt2 else self.module.model.layers
        handles = [block.mlp.register_forward_hook(lambda *a: outputs.append(a[2][0].double())) for block in blocks]
        self.module.set_attn_implementation("eager")
        found = self.module(tokens, output_attentions=True)
        for handle in handles:
            handle.remove()
        return [pattern[0].double() for pattern in found.attentions], outputs

    def forward(self, fill: bool) -> Tensor:
        """Return what the last norm gives, behind its gain; the first time note divisors and fill the leaves."""
        core = self.module.transformer if self.is_gpt2 else self.module.model
        embed = core.wte if self.is_gpt2 else core.embed_tokens
        if fill:
            self.leaves["tokens"] = embed.weight[self.tokens].double().clone()
            if self.is_gpt2:
                self.leaves["positions"] = core.wpe.weight[: len(self.tokens)].double().clone()
        stream = self.leaves["tokens"] + self.leaves.get("positions", 0)
        self.reads = []
        for layer, block in enumerate(core.h if self.is_gpt2 else core.layers):
            first, second = (
                (block.ln_1, block.ln_2) if self.is_gpt2 else (block.input_layernorm, block.post_attention_layernorm)
            )
            normed, _ = self._norm(first, stream, f"ln1.{layer}")
            stream = stream + self._attention(block, normed, self.patterns[layer])
            _, read = self._norm(second, stream, f"ln2.{layer}")
            self.reads.append(read)
            if fill:
                self._fill(layer, read)
            stream = stream + self._mlp(layer, read)
        return self._norm(core.ln_f if self.is_gpt2 else core.norm, stream, "final")[0]

    def _norm(self, norm: Any, stream: Tensor, name: str) -> tuple[Tensor, Tensor]:
        centred = stream - stream.mean(-1, keepdim=True) if self.is_gpt2 else stream
        eps = norm.eps if self.is_gpt2 else norm.variance_epsilon
        if name not in self.divisors:
            self.divisors[name] = (centred.square().mean(-1, keepdim=True) + eps).sqrt().detach()
        read = centred / self.divisors[name]
        shift = norm.bias.double() if self.is_gpt2 else 0
        return read * norm.weight.double() + shift, read

    def _attention(self, block: Any, normed: Tensor, pattern: Tensor) -> Tensor:
        n_heads, d_model = pattern.shape[0], normed.shape[1]
        if self.is_gpt2:
            values = (
                normed @ block.attn.c_attn.weight[:, 2 * d_model :].double()
                + block.attn.c_attn.bias[2 * d_model :].double()
            )
            heads = values.view(len(normed), n_heads, -1)
            mixed = torch.einsum("hts,shd->thd", pattern, heads).reshape(len(normed), -1)
            return mixed @ block.attn.c_proj.weight.double() + block.attn.c_proj.bias.double()
        attention = block.self_attn
        values = normed @ attention.v_proj.weight.double().T
        heads = values.view(len(normed), -1, attention.head_dim)
        heads = heads.repeat_interleave(n_heads // heads.shape[1], dim=1)
        mixed = torch.einsum("hts,shd->thd", pattern, heads).reshape(len(normed), -1)
        return mixed @ attention.o_proj.weight.double().T

    def _fill(self, layer: int, read: Tensor) -> None:
        own = self.dictionaries[layer]
        codes = own.encode_layer(layer, read) if isinstance(own, Crosslayer) else own.encode(read)
        codes = codes.detach().clone()
        if self.first_is_bos:
            codes[0] = 0
            self.leaves[f"bos.{layer}"] = self.outputs[layer][0].clone()
        self.leaves[f"codes.{layer}"] = codes
        self.leaves[f"errors.{layer}"] = torch.zeros_like(read)
        error = self.outputs[layer] - self._rebuilt(layer, read)
        if self.first_is_bos:
            error[0] = 0
        self.leaves[f"errors.{layer}"] = error.detach().clone()

    def _rebuilt(self, layer: int, read: Tensor) -> Tensor:
        """Return a reconstruction written out: each feature's directions by feeding its code alone."""
        own = self.dictionaries[layer]
        if isinstance(own, Crosslayer):
            total = own.layer_bias(layer).expand_as(read)
            for source in range(layer + 1):
                total = total + own.written_by(source, self.leaves[f"codes.{source}"])[:, layer - source]
            return total
        total = own.decode(self.leaves[f"codes.{layer}"])
        return total if own.W_skip is None else total + read @ own.W_skip.T

    def _mlp(self, layer: int, read: Tensor) -> Tensor:
        out = self._rebuilt(layer, read) + self.leaves[f"errors.{layer}"]
        if self.first_is_bos:
            out = torch.cat([self.leaves[f"bos.{layer}"][None], out[1:]])
        return out

    def effects(self, value: Tensor) -> dict[str, Tensor]:
        """Return a number's gradient in every leaf, times the leaf; summed over the stream's axis where it has one."""
        grads = torch.autograd.grad(value, list(self.leaves.values()), retain_graph=True, allow_unused=True)
        found = {}
        for (name, leaf), grad in zip(self.leaves.items(), grads, strict=True):
            times = torch.zeros_like(leaf) if grad is None else grad * leaf
            found[name] = (times if name.startswith("codes") else times.sum(-1)).detach()
        return found
