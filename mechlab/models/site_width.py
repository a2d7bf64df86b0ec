"""How many numbers a site holds for each token, known from the spec alone: no pass is needed."""

from mechlab.core.errors import UsageError
from mechlab.models.sites import Site
from mechlab.models.spec import ModelSpec


def site_width(site: Site, spec: ModelSpec) -> int:
    """Return the width of what stands at a site for one token, heads side by side.

    Raises:
        UsageError: the site holds no vector per token (scores and patterns).
    """
    kind = site.kind
    if kind in ("scores", "pattern"):
        remedy = "Take one that does, such as resid_post.0."
        raise UsageError("site holds no vector for each token", value=str(site), remedy=remedy)
    n_heads = spec.n_kv_heads if kind in ("k", "v", "rot_k") or kind.startswith("k_norm") else spec.n_heads
    if kind.endswith("_scale"):
        return n_heads if kind.startswith(("q_norm", "k_norm")) else 1
    if kind in ("q", "k", "v", "rot_q", "rot_k", "z", "q_norm_normalized", "k_norm_normalized"):
        return n_heads * spec.d_head
    if kind in ("mlp_pre", "mlp_pre_linear", "mlp_post"):
        return spec.d_mlp
    if kind == "result":
        return spec.n_heads * spec.d_model
    return spec.d_vocab if kind == "unembed_out" else spec.d_model
