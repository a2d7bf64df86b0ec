"""A TransformerLens object as a `LanguageModel`: same sites, same shapes, nothing silent.

Edits and readings are kept here and handed to the wrapped model as hooks for the length of one forward pass only, so it
is never left changed. What a TransformerBridge gets wrong is put right in transformerlens_bridge.py.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor

from mechlab.core.config import digest
from mechlab.core.errors import UnknownName, UsageError
from mechlab.core.shapes import Logits, Tokens
from mechlab.models.fingerprint import fingerprint
from mechlab.models.generation import Step
from mechlab.models.hooks import Readings, Stop, capturing, editing, keeping
from mechlab.models.language_model import Edit, LanguageModel
from mechlab.models.processing import found_processing
from mechlab.models.sites import HOOK_NAMES, Site, all_sites
from mechlab.models.spec import ModelSpec
from mechlab.models.stations import Visit
from mechlab.models.tokenizer import HuggingFaceTokenizer

LensHook = tuple[str, Callable[..., Tensor | None]]

# What a TransformerLens config says about the forward pass beyond the sizes in the spec.
FORWARD_KEYS = (
    "attn_scale",
    "attn_scores_soft_cap",
    "attn_types",
    "eps",
    "final_rms",
    "output_logits_soft_cap",
    "rotary_adjacent_pairs",
    "rotary_base",
    "rotary_dim",
    "scale_attn_by_inverse_layer_idx",
    "use_attn_scale",
    "use_local_attn",
    "window_size",
)
ORDER = {kind: place for place, kind in enumerate(HOOK_NAMES)}


class TransformerLensModel(LanguageModel):
    """What HookedTransformer and TransformerBridge have in common.

    Attributes:
        wrapped: the object itself.
    """

    def __init__(self, wrapped: Any, name: str, spec: ModelSpec) -> None:
        self.wrapped, self._points = wrapped.eval(), dict(wrapped.hook_dict)
        tokenizer = None if wrapped.tokenizer is None else HuggingFaceTokenizer(wrapped.tokenizer)
        super().__init__(name or wrapped.cfg.model_name or spec.architecture, spec, tokenizer)
        self._fingerprint = ""
        self._open: list[tuple[Site, Visit]] = []
        self._open_readings: list[Readings] = []
        self._refuse_foresight()
        self._visited = self._sites_visited()
        self.processing = found_processing(self.weights())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.wrapped.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Number type of weights and activations."""
        return self.wrapped.cfg.dtype

    @property
    def fingerprint(self) -> str:
        """SHA-256 of config, weights and tokenizer, computed once."""
        if not self._fingerprint:
            config = {key: getattr(self.wrapped.cfg, key, None) for key in FORWARD_KEYS}
            rest = fingerprint(self.wrapped.state_dict(), self.spec, None, self.tokenizer)
            self._fingerprint = digest([config, rest])
        return self._fingerprint

    def sites(self) -> list[str]:
        """Return the names of every site TransformerLens really visits, in the order of the forward pass."""
        return [str(site) for site in all_sites(self.spec) if site in self._visited]

    def logits(self, tokens: Tokens) -> Logits:
        """Return next-token logits at every position; autograd is left as the caller has it."""
        return self._run(self.checked(tokens), self._open)

    def activations(self, tokens: Tokens, sites: Sequence[str | Site]) -> dict[str, Tensor]:
        """Return canonical site name -> activation, stopping the forward pass after the deepest site; no gradients."""
        wanted = list(dict.fromkeys(self._readable(site) for site in sites))
        tokens, found = self.checked(tokens), Readings(self.spec)
        visits = [(site, capturing(site, found, len(wanted))) for site in wanted]
        with torch.inference_mode(), suppress(Stop):
            self._run(tokens, [*self._open, *visits])
        for name in list(found):
            found[name] = found[name].clone()
        return found

    @contextmanager
    def read(self, *sites: str | Site) -> Iterator[dict[str, Tensor]]:
        """Yield a dictionary, by canonical site name, that is refilled by every forward pass inside the context."""
        readings = Readings(self.spec)
        visits = [(site, keeping(site, readings)) for site in map(self._readable, sites)]
        self._open_readings.append(readings)
        try:
            with self._visiting(visits):
                yield readings
        finally:
            self._open_readings = [other for other in self._open_readings if other is not readings]

    @contextmanager
    def edit(self, edits: Mapping[str | Site, Edit]) -> Iterator[None]:
        """Send these activations of every forward pass inside the context through their edits."""
        visits = [(site := self._editable(name), editing(site, edit)) for name, edit in edits.items()]
        with self._visiting(visits):
            yield

    def stepper(self, n_rows: int, *, use_cache: bool) -> Step:
        """Return what gives the logits after the last token it is handed; with a cache it remembers the others."""
        cache = self._new_cache(n_rows) if use_cache else None
        return lambda unseen: self._run(unseen, self._open, cache)[:, -1]

    @abstractmethod
    def _forward(self, tokens: Tokens, cache: Any) -> Logits:
        """Run the wrapped model."""

    @abstractmethod
    def _new_cache(self, n_rows: int) -> Any:
        """Return an empty cache of keys and values."""

    def _run(self, tokens: Tokens, visits: Sequence[tuple[Site, Visit]], cache: Any = None) -> Logits:
        """Run one forward pass with these visits in place, and leave the wrapped model as it was."""
        for readings in self._open_readings:
            readings.clear()
        in_order = sorted(visits, key=lambda visit: ORDER[visit[0].kind])
        hooks = [hook for site, visit in in_order for hook in self._lens_hooks(site, visit, tokens)]
        needs_results = any(site.kind in ("result", "head") for site, _ in visits)
        with self._results(needs_results), self.wrapped.hooks(fwd_hooks=hooks):
            return self._forward(tokens, cache)

    def _lens_hooks(self, site: Site, visit: Visit, tokens: Tensor) -> list[LensHook]:
        """Return the hooks that make one visit."""

        def hook(value: Tensor, hook: Any) -> Tensor | None:
            shown = self._shown(site, value, tokens)
            if site.head is None:
                changed = visit(shown)
                return None if changed is None else self._stored(site, changed, value)
            head = visit(shown[..., site.head, :])
            return None if head is None else _with_head(value, site.head, head)

        return [(self._address(site), hook)]

    def _address(self, site: Site) -> str:
        """Return the name under which the wrapped model keeps a site's hook point."""
        point = self._points.get(site.hook_name)
        return site.hook_name if point is None else point.name

    def _shown(self, site: Site, value: Tensor, tokens: Tensor) -> Tensor:
        """Return an activation in the shape every backend shows."""
        return value

    def _stored(self, site: Site, changed: Tensor, value: Tensor) -> Tensor:
        """Return a changed activation in the shape the wrapped model goes on with."""
        return changed.reshape(value.shape)

    def _readable(self, name: str | Site) -> Site:
        site = Site.parse(name, self.spec)
        if (Site("result", site.layer) if site.kind == "head" else site) not in self._visited:
            kinds = list(dict.fromkeys(name.partition(".")[0] for name in self.sites()))
            remedy = f"{type(self.wrapped).__name__} visits: {', '.join(kinds)}."
            raise UnknownName("this model does not visit the site", value=str(site), remedy=remedy)
        return site

    def _editable(self, name: str | Site) -> Site:
        return self._readable(name)

    @torch.inference_mode()
    def _refuse_foresight(self) -> None:
        """Refuse a model whose answer after the first token depends on the second."""
        first, second = self._run(torch.tensor([[0, 0], [0, 1]], device=self.device), [])[:, 0]
        rounding = 100 * torch.finfo(first.dtype).eps * first.abs().max()
        if (first - second).abs().max() > rounding:
            name, remedy = self.spec.architecture, "This one sees the tokens it should predict."
            raise UsageError("only decoder-only language models are supported", value=name, remedy=remedy)

    @torch.inference_mode()
    def _sites_visited(self) -> frozenset[Site]:
        """Return the sites whose hooks run, found by running two tokens: some hooks are never called."""
        here = [site for site in all_sites(self.spec) if site.hook_name in self._points]
        if not self._splits_heads():
            here = [site for site in here if site.kind != "result"]
        seen = Readings(self.spec)
        self._run(torch.tensor([[0, 1]], device=self.device), [(site, keeping(site, seen)) for site in here])
        return frozenset(site for site in here if str(site) in seen)

    def _splits_heads(self) -> bool:
        try:
            with self._results(True):
                return True
        except NotImplementedError:
            return False

    @contextmanager
    def _visiting(self, visits: Iterable[tuple[Site, Visit]]) -> Iterator[None]:
        made = list(visits)
        self._open.extend(made)
        try:
            yield
        finally:
            self._open = [visit for visit in self._open if not any(visit is own for own in made)]

    @contextmanager
    def _results(self, needed: bool) -> Iterator[None]:
        """Make the wrapped model compute what each head adds, for as long as it is needed."""
        had = bool(self.wrapped.cfg.use_attn_result)
        if had or not needed:
            yield
            return
        self.wrapped.set_use_attn_result(True)
        try:
            yield
        finally:
            self.wrapped.set_use_attn_result(False)


def _with_head(value: Tensor, head: int, changed: Tensor) -> Tensor:
    result = value.clone()
    result[..., head, :] = changed
    return result
