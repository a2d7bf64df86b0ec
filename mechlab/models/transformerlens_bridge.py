"""TransformerBridge behind the one interface, with what it gets wrong put right or refused.

Measured on transformer-lens 3.9: writing `hook_resid_mid` changes the MLP's input only; `pattern` and `scores` are not
connected in architectures whose attention it leaves to Hugging Face; an unknown hook name is ignored. So every kind of
write is tried once on two tokens before it is allowed, and one that does not arrive is refused.
"""

from typing import Any

import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformers import DynamicCache

from mechlab.core.errors import UsageError
from mechlab.core.shapes import Logits, Tokens
from mechlab.models.hooks import Readings, keeping
from mechlab.models.sites import Site
from mechlab.models.stations import Visit
from mechlab.models.transformerlens_model import LensHook, TransformerLensModel
from mechlab.models.transformerlens_spec import spec_of_lens
from mechlab.models.transformerlens_weights import weights_of_bridge
from mechlab.models.weights import Weights


class BridgeModel(TransformerLensModel):
    """A TransformerBridge as a `LanguageModel`."""

    def __init__(self, wrapped: TransformerBridge, name: str = "") -> None:
        bridge: Any = wrapped
        super().__init__(bridge, name, spec_of_lens(bridge, bridge.original_model.config.model_type))
        self._arrives: dict[Site, bool] = {}

    def weights(self) -> Weights:
        """Return the weights by their TransformerLens names and shapes."""
        return weights_of_bridge(self.wrapped)

    def _forward(self, tokens: Tokens, cache: Any) -> Logits:
        return self.wrapped(tokens, past_key_values=cache, use_cache=cache is not None)

    def _new_cache(self, n_rows: int) -> DynamicCache:
        return DynamicCache()

    def _lens_hooks(self, site: Site, visit: Visit, tokens: Tensor) -> list[LensHook]:
        if site.kind != "resid_mid":
            return super()._lens_hooks(site, visit, tokens)

        def overwrite(value: Tensor, hook: Any) -> None:
            """Change the tensor itself: the block adds the MLP's output to it later."""
            changed = visit(value.clone())
            if changed is not None:
                value.copy_(changed)

        return [(self._address(site), overwrite)]

    def _shown(self, site: Site, value: Tensor, tokens: Tensor) -> Tensor:
        if site.kind.startswith(("q_norm", "k_norm")):
            return value.transpose(1, 2)
        if site.kind == "scores":
            # Masked scores are the lowest finite number here, -inf everywhere else.
            return value.masked_fill(value <= torch.finfo(value.dtype).min / 2, -torch.inf)
        return value

    def _stored(self, site: Site, changed: Tensor, value: Tensor) -> Tensor:
        return changed.transpose(1, 2) if site.kind.startswith(("q_norm", "k_norm")) else changed

    def _readable(self, name: str | Site) -> Site:
        site = super()._readable(name)
        # Scores that cannot be written are not the scores: there the bridge shows the pattern under their name.
        return self._editable(site) if site.kind == "scores" else site

    def _editable(self, name: str | Site) -> Site:
        site = TransformerLensModel._readable(self, name)
        whole = Site("result", site.layer) if site.kind == "head" else site
        if whole not in self._arrives:
            self._arrives[whole] = self._write_arrives(whole)
        if not self._arrives[whole]:
            remedy = "Load the Hugging Face model itself; its attention is open."
            raise UsageError("a write here never reaches the bridge's output", value=str(site), remedy=remedy)
        return site

    @torch.inference_mode()
    def _write_arrives(self, site: Site) -> bool:
        """Tell whether a write to the activation of two tokens changes what comes after it.

        In the middle of the stream that is the stream itself: what was written plus the MLP's output is what leaves the
        block. Elsewhere it is the logits.
        """
        tokens, seen = torch.tensor([[0, 1]], device=self.device), Readings(self.spec)
        after = [Site(kind, site.layer) for kind in ("mlp_out", "resid_post")] if site.kind == "resid_mid" else []
        looks = [(other, keeping(other, seen)) for other in (site, *after)]
        readings, self._open_readings = self._open_readings, []
        try:
            plain, changed = self._run(tokens, []), self._run(tokens, [(site, _bent), *looks])
        finally:
            self._open_readings = readings
        if not after:
            return not torch.equal(plain, changed)
        written, mlp_out, resid_post = (seen[str(place)] for place in (site, *after))
        return torch.allclose(written + mlp_out, resid_post, rtol=1e-2, atol=1e-2)


def _bent(value: Tensor) -> Tensor:
    """Return the activation changed in a way that neither norm nor softmax undoes."""
    return value * torch.linspace(0.5, 1.5, value.shape[-1], device=value.device, dtype=value.dtype)
