"""The address book: every place in a model to read or edit, by short name and by TransformerLens hook name."""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.spec import ModelSpec

Head = tuple[int, int]
Mode = Literal["q", "k", "v"]
MODES: tuple[Mode, ...] = ("q", "k", "v")
"""What a head reads the stream as: query, key or value."""


RESIDUAL_KINDS = ("embed", "pos_embed", "resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "head")


@dataclass(frozen=True)
class Site:
    """A place in a model: a kind, the layer it is in (None for the whole model), and the head for `head.L.H`."""

    kind: str
    layer: int | None = None
    head: int | None = None

    def __str__(self) -> str:
        return ".".join(str(part) for part in (self.kind, self.layer, self.head) if part is not None)

    @property
    def hook_name(self) -> str:
        """The TransformerLens name; `head.L.H` is a slice of `blocks.L.attn.hook_result`."""
        return (
            HOOK_NAMES[self.kind].replace("L", str(self.layer), 1) if self.layer is not None else HOOK_NAMES[self.kind]
        )

    @staticmethod
    def parse(text: "str | Site", spec: ModelSpec) -> "Site":
        """Return the site a short name (`resid_post.3`, `head.2.5`) or a TransformerLens hook name stands for.

        Raises:
            UnknownName: this model has no such site; the message lists the nearest ones and the range of layers.
        """
        site = _directory(spec).get(str(text))
        if site is None:
            raise _unknown(str(text), spec)
        return site


def writes_to_the_stream(site: Site) -> bool:
    """Return whether a vector at this site is added to (or is) the residual stream."""
    return site.kind in RESIDUAL_KINDS


def all_sites(spec: ModelSpec) -> list[Site]:
    """Return every site of the model in the order of the forward pass, single heads left out."""
    before, within, after = _kinds_by_place(spec)
    blocks = [Site(kind, layer) for layer in range(spec.n_layers) for kind in within]
    return [*map(Site, before), *blocks, *map(Site, after)]


def sites_of(text: str, spec: ModelSpec) -> tuple[Site, ...]:
    """Return the sites that names parted by commas stand for, in the order of the forward pass.

    A kind without a layer, such as `mlp_out`, stands for that of every layer.

    Raises:
        UnknownName: this model has no such site.
        UsageError: a site is there twice.
    """
    known = all_sites(spec)
    by_kind: dict[str, list[Site]] = {}
    for site in known:
        by_kind.setdefault(site.kind, []).append(site)
    found: list[Site] = []
    for part in map(str.strip, text.split(",")):
        own = by_kind[part] if part in by_kind else [Site.parse(part, spec)]
        found += own
    twice = [str(site) for place, site in enumerate(found) if site in found[:place]]
    if twice:
        raise UsageError("site is there twice", value=twice[0], remedy="Name each once.")
    return tuple(sorted(found, key=known.index))


def _always(spec: ModelSpec) -> bool:
    return True


def _normalized(spec: ModelSpec) -> bool:
    return spec.normalization != "none"


def _has_mlp(spec: ModelSpec) -> bool:
    return spec.d_mlp > 0


def _norm_kinds(name: str, place: str, present: Callable[[ModelSpec], bool]) -> list[tuple[str, str, Callable]]:
    return [(f"{name}_{part}", f"{place}.hook_{part}", present) for part in ("scale", "normalized")]


# Short name, TransformerLens name (L: the layer), and which models have it; in the order of the forward pass.
KINDS: list[tuple[str, str, Callable[[ModelSpec], bool]]] = [
    ("embed", "hook_embed", _always),
    ("pos_embed", "hook_pos_embed", lambda spec: spec.positional == "learned"),
    ("resid_pre", "blocks.L.hook_resid_pre", _always),
    *_norm_kinds("ln1", "blocks.L.ln1", _normalized),
    *((kind, f"blocks.L.attn.hook_{kind}", _always) for kind in ("q", "k", "v")),
    *_norm_kinds("q_norm", "blocks.L.attn.q_norm", lambda spec: spec.qk_norm),
    *_norm_kinds("k_norm", "blocks.L.attn.k_norm", lambda spec: spec.qk_norm),
    *((kind, f"blocks.L.attn.hook_{kind}", lambda spec: spec.positional == "rotary") for kind in ("rot_q", "rot_k")),
    ("scores", "blocks.L.attn.hook_attn_scores", _always),
    ("pattern", "blocks.L.attn.hook_pattern", _always),
    ("z", "blocks.L.attn.hook_z", _always),
    ("result", "blocks.L.attn.hook_result", _always),
    *_norm_kinds("ln1_post", "blocks.L.ln1_post", lambda spec: spec.post_norms),
    ("attn_out", "blocks.L.hook_attn_out", _always),
    ("resid_mid", "blocks.L.hook_resid_mid", lambda spec: _has_mlp(spec) and not spec.parallel),
    *_norm_kinds("ln2", "blocks.L.ln2", lambda spec: _has_mlp(spec) and _normalized(spec)),
    ("mlp_pre", "blocks.L.mlp.hook_pre", _has_mlp),
    ("mlp_pre_linear", "blocks.L.mlp.hook_pre_linear", lambda spec: _has_mlp(spec) and spec.gated_mlp),
    ("mlp_post", "blocks.L.mlp.hook_post", _has_mlp),
    *_norm_kinds("ln2_post", "blocks.L.ln2_post", lambda spec: _has_mlp(spec) and spec.post_norms),
    ("mlp_out", "blocks.L.hook_mlp_out", _has_mlp),
    ("resid_post", "blocks.L.hook_resid_post", _always),
    *_norm_kinds("ln_final", "ln_final", _normalized),
    ("unembed_in", "unembed.hook_in", _always),
    ("unembed_out", "unembed.hook_out", _always),
]
HOOK_NAMES = {kind: hook for kind, hook, _ in KINDS} | {"head": "blocks.L.attn.hook_result"}
SYNONYMS = {"attn_scores": "scores", "pre": "mlp_pre", "pre_linear": "mlp_pre_linear", "post": "mlp_post"}


def _kinds_by_place(spec: ModelSpec) -> tuple[list[str], list[str], list[str]]:
    """Return the kinds before, within and after the blocks."""
    present = [(kind, hook) for kind, hook, is_present in KINDS if is_present(spec)]
    before = [kind for kind, hook in present if hook.startswith("hook_")]
    within = [kind for kind, hook in present if hook.startswith("blocks.")]
    return before, within, [kind for kind, hook in present if hook.startswith(("ln_final", "unembed"))]


@lru_cache(maxsize=64)
def _directory(spec: ModelSpec) -> dict[str, Site]:
    names = {name: site for site in all_sites(spec) for name in _names(site)}
    heads = (Site("head", layer, head) for layer in range(spec.n_layers) for head in range(spec.n_heads))
    return names | {str(site): site for site in heads}


def _names(site: Site) -> Iterator[str]:
    yield str(site)
    yield site.hook_name
    yield from (str(Site(synonym, site.layer)) for synonym, kind in SYNONYMS.items() if kind == site.kind)


def _unknown(text: str, spec: ModelSpec) -> UnknownName:
    ranges = f"Layers are 0..{spec.n_layers - 1}, heads 0..{spec.n_heads - 1}."
    forms = _forms(spec)
    asked = _form(text)
    if asked in forms.values() or asked in forms:
        return UnknownName("this model has no such layer or head", value=text, remedy=ranges)
    by_hook_name = "hook_" in text
    known = list(forms.values()) if by_hook_name else list(forms)
    near = difflib.get_close_matches(asked, known, n=3, cutoff=0.5)
    listed = ", ".join(near + [form for form in forms if form not in near])
    other = "" if by_hook_name else " TransformerLens hook names work too."
    return UnknownName("this model has no such site", value=text, remedy=f"Sites: {listed}. {ranges}{other}")


def _form(text: str) -> str:
    """Return a name with its numbers blanked: `head.2.5` is `head.L.H`, `blocks.2.hook_z` is `blocks.L.hook_z`."""
    letters = iter("LH")
    return ".".join(next(letters, part) if part.isdigit() else part for part in text.split("."))


def _forms(spec: ModelSpec) -> dict[str, str]:
    """Return short form -> hook-name form of every kind the model has."""
    forms = {_form(str(site)): _form(site.hook_name) for site in all_sites(spec)}
    return forms | {"head.L.H": "blocks.L.attn.hook_result"}
