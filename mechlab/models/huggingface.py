"""The default backend: a plain Hugging Face module, read and edited through hooks that exist only while used."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from mechlab.core.products import exact_products
from mechlab.core.shapes import Logits, Tokens
from mechlab.models.architectures import ARCHITECTURES
from mechlab.models.architectures.layout import spec_of
from mechlab.models.fingerprint import fingerprint
from mechlab.models.generation import Step
from mechlab.models.hooks import Hooks, Readings, Stop, capturing, editing, keeping
from mechlab.models.language_model import Edit, LanguageModel
from mechlab.models.sites import Site
from mechlab.models.tokenizer import Tokenizer
from mechlab.models.weights import Weights, weights_of

WIDE = 256
"""From this width on the route of `exact_products` is quicker, by a third at 768; below it, slower."""


class HuggingFaceModel(LanguageModel):
    """A Hugging Face causal language model of a known architecture.

    Attributes:
        module: the model itself, in evaluation mode; its weights are never changed.
        layout: where its parts are.
    """

    def __init__(
        self, module: Any, tokenizer: Tokenizer | None = None, name: str = "", processing: tuple[str, ...] = ()
    ) -> None:
        self.module = module.eval()
        self.layout = ARCHITECTURES[module.config.model_type](module)
        super().__init__(name or module.config.model_type, spec_of(module, self.layout), tokenizer, processing)
        self._hooks = Hooks(module, self.layout, self.spec)
        self._embedding: Tensor = self.layout.embed.weight  # type: ignore[assignment]
        self._open_readings: list[Readings] = []
        self._fingerprint = ""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """Number type of weights and activations."""
        return self._embedding.dtype

    @property
    def fingerprint(self) -> str:
        """SHA-256 of config, weights and tokenizer, computed once."""
        if not self._fingerprint:
            weights = self.module.state_dict()
            self._fingerprint = fingerprint(weights, self.spec, self.module.config, self.tokenizer)
        return self._fingerprint

    @property
    def in_use(self) -> bool:
        """Whether a reading or an edit is open."""
        return self._hooks.in_use

    def logits(self, tokens: Tokens) -> Logits:
        """Return next-token logits at every position; autograd is left as the caller has it."""
        return self._run(self.module, self.checked(tokens)).logits

    def activations(self, tokens: Tokens, sites: Sequence[str | Site]) -> dict[str, Tensor]:
        """Return canonical site name -> activation, stopping the forward pass after the deepest site; no gradients."""
        wanted = dict.fromkeys(Site.parse(site, self.spec) for site in sites)
        tokens, found = self.checked(tokens), Readings(self.spec)
        if not wanted:
            return found
        visits = ((site, capturing(site, found, len(wanted))) for site in wanted)
        with torch.inference_mode(), self._hooks.visiting(visits), suppress(Stop):
            self._run(self.module if any(site.layer is None for site in wanted) else self.layout.trunk, tokens)
        if not torch.is_inference_mode_enabled():
            # Copies are ordinary tensors (inference tensors are of no use to autograd) and keep nothing else alive.
            for name in list(found):
                found[name] = found[name].clone()
        return found

    @contextmanager
    def read(self, *sites: str | Site) -> Iterator[dict[str, Tensor]]:
        """Yield a dictionary, by canonical site name, that is refilled by every forward pass inside the context."""
        readings = Readings(self.spec)
        wanted = [Site.parse(site, self.spec) for site in sites]
        with self._hooks.visiting((site, keeping(site, readings)) for site in wanted):
            self._open_readings.append(readings)
            try:
                yield readings
            finally:
                self._open_readings = [other for other in self._open_readings if other is not readings]

    @contextmanager
    def edit(self, edits: Mapping[str | Site, Edit]) -> Iterator[None]:
        """Send these activations of every forward pass inside the context through their edits."""
        visits = [(site := Site.parse(name, self.spec), editing(site, edit)) for name, edit in edits.items()]
        with self._hooks.visiting(visits):
            yield

    def stepper(self, n_rows: int, *, use_cache: bool) -> Step:
        """Return what gives the logits after the last token it is handed; with a cache it remembers the others."""
        # Every layer keeps all its keys, also where it may only look back a window: a pattern then has one shape.
        cache = DynamicCache() if use_cache else None
        given = {"past_key_values": cache, "use_cache": use_cache}
        return lambda unseen: self._run(self.module, unseen, **given).logits[:, -1]

    def weights(self) -> Weights:
        """Return the weights by their TransformerLens names and shapes."""
        return weights_of(self.layout)

    def _run(self, module: Any, tokens: Tensor, **options: Any) -> Any:
        for readings in self._open_readings:
            readings.clear()
        with exact_products() if self.spec.d_model >= WIDE else nullcontext():
            return module(input_ids=tokens, **{"use_cache": False} | options)
