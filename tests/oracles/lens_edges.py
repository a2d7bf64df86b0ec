"""Edges by the reference library: every head has inputs of its own there, so an edge is a slice of a hooked input."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from oracles.tiny_models import hooked_transformer

from mechlab.corpora.tasks.pairs import PromptPairs


class LensEdges:
    """A HookedTransformer whose heads' queries, keys, values and whose MLPs read streams of their own.

    Sources are named `input`, `head.L.H`, `mlp.L`; readers `head.L.H.q` (or `kv.L.G.k`), `mlp.L`, `logits`.
    """

    def __init__(self, hf_model: Any) -> None:
        self.model = hooked_transformer(hf_model)
        if hf_model.dtype == torch.float64:
            self.model = self.model.double()
            self.model.cfg.dtype = torch.float64
        self.model.set_use_split_qkv_input(True)
        self.model.set_use_hook_mlp_in(True)
        self.model.set_use_attn_result(True)
        self.last = self.model.cfg.n_layers - 1

    def preferences(self, tokens: torch.Tensor, pairs: PromptPairs, hooks: list | None = None) -> torch.Tensor:
        """Return the logit difference of each row; one right and one wrong candidate."""
        logits = self.model.run_with_hooks(tokens, fwd_hooks=hooks or [])[:, -1]
        right, wrong = ((pairs.candidates * flags).sum(1) for flags in (pairs.is_right, ~pairs.is_right))
        rows = torch.arange(len(tokens))
        return logits[rows, right] - logits[rows, wrong]

    def wrote(self, tokens: torch.Tensor, hooks: list | None = None) -> Callable[[str], torch.Tensor]:
        """Return what gives a source's output by its name; `hooks` are in place meanwhile."""
        with self.model.hooks(fwd_hooks=hooks or []):
            _, cache = self.model.run_with_cache(tokens)
        return lambda name: self._source(cache, name)

    def hooks(self, edges: list[tuple[str, str]], other: Callable[[str], torch.Tensor]) -> list:
        """Return the hooks with which these edges carry what another run's sources wrote."""
        current: dict[str, torch.Tensor] = {}
        noting = [
            (self._output(source), partial(self._note, current, source))
            for source in dict.fromkeys(source for source, _ in edges)
        ]
        changing = [
            (self._input(reader), partial(self._exchange, current, source, other(source), reader))
            for source, reader in edges
        ]
        return noting + changing

    def patched(self, pairs: PromptPairs, edges: list[tuple[str, str]]) -> torch.Tensor:
        """Return the logit differences of clean prompts when these edges carry what sources wrote when corrupted."""
        return self.preferences(pairs.clean, pairs, self.hooks(edges, self.wrote(pairs.corrupted)))

    def slopes(
        self, pairs: PromptPairs, readers: list[str], start: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Return the gradient of the logit differences at each reader's input, by autograd."""
        seen: dict[str, torch.Tensor] = {}

        def begin(value: torch.Tensor, hook: Any) -> torch.Tensor:
            return (value if start is None else start).detach().clone().requires_grad_()

        def keep(value: torch.Tensor, hook: Any) -> None:
            value.retain_grad()
            seen[hook.name] = value

        hooks = [("blocks.0.hook_resid_pre", begin), *((name, keep) for name in {self._input(one) for one in readers})]
        with torch.enable_grad():
            self.preferences(pairs.clean, pairs, hooks).sum().backward()
        return {one: _of_head(_gradient(seen[self._input(one)]), one) for one in readers}

    def _source(self, cache: Any, name: str) -> torch.Tensor:
        value = cache[self._output(name)]
        return value[:, :, int(name.split(".")[2])] if name.startswith("head") else value

    def _note(self, current: dict, source: str, value: torch.Tensor, hook: Any) -> None:
        current[source] = value[:, :, int(source.split(".")[2])] if source.startswith("head") else value

    def _exchange(
        self, current: dict, source: str, other: torch.Tensor, reader: str, value: torch.Tensor, hook: Any
    ) -> torch.Tensor:
        changed = value.clone()
        _of_head(changed, reader).add_(other - current[source])
        return changed

    def _output(self, source: str) -> str:
        kind, *place = source.split(".")
        return {
            "input": "blocks.0.hook_resid_pre",
            "head": f"blocks.{place[0] if place else ''}.attn.hook_result",
            "mlp": f"blocks.{place[0] if place else ''}.hook_mlp_out",
        }[kind]

    def _input(self, reader: str) -> str:
        if reader == "logits":
            return f"blocks.{self.last}.hook_resid_post"
        kind, layer, *rest = reader.split(".")
        return f"blocks.{layer}.hook_mlp_in" if kind == "mlp" else f"blocks.{layer}.hook_{rest[1]}_input"


def _gradient(value: torch.Tensor) -> torch.Tensor:
    assert value.grad is not None
    return value.grad


def _of_head(value: torch.Tensor, reader: str) -> torch.Tensor:
    """Return a reader's part of a hooked input; a view."""
    return value[:, :, int(reader.split(".")[2])] if value.ndim == 4 else value
