"""Hooks: which station serves which site of a model, and visits that are always taken back."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.architectures.layout import Block, HeadProjection, Layout, Norm
from mechlab.models.attention import AttentionStation, AttentionSwitch
from mechlab.models.sites import Site, all_sites
from mechlab.models.spec import ModelSpec
from mechlab.models.stations import (
    InputStation,
    MiddleStation,
    NormStation,
    OutputStation,
    PositionStation,
    ProjectionStation,
    ResultStation,
    Slot,
    Station,
    Visit,
)

Place = tuple[Station, Slot]


class Stop(Exception):
    """Ends a forward pass that has given all it was asked for."""


class Readings(dict[str, Tensor]):
    """Activations by canonical site name; a TransformerLens name or a synonym finds them too."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self._spec = spec

    def __missing__(self, name: str) -> Tensor:
        canonical = str(Site.parse(name, self._spec))
        if canonical not in self:
            raise UnknownName("site was not read", value=name, remedy=f"Read so far: {', '.join(self) or 'nothing'}.")
        return self[canonical]


class Hooks:
    """The stations of one Hugging Face model."""

    def __init__(self, hf_model: Any, layout: Layout, spec: ModelSpec) -> None:
        by_kind = _places(layout, AttentionSwitch(hf_model))
        self._places: dict[Site, Place] = {site: by_kind[site.layer][site.kind] for site in all_sites(spec)}

    @contextmanager
    def visiting(self, visits: Iterable[tuple[Site, Visit]]) -> Iterator[None]:
        """Keep the visits in place while the context is open; they are taken back in any case."""
        made: list[tuple[Station, Slot, Visit]] = []
        try:
            for site, visit in visits:
                station, slot = self._place(site)
                station.add(slot, visit)
                made.append((station, slot, visit))
            yield
        finally:
            for station, slot, visit in reversed(made):
                station.remove(slot, visit)

    @property
    def in_use(self) -> bool:
        """Whether any visit is in place."""
        return any(station.visits for station, _ in self._places.values())

    def _place(self, site: Site) -> Place:
        if site.kind == "head":
            assert site.head is not None
            return self._places[Site("result", site.layer)][0], site.head
        return self._places[site]


def keeping(site: Site, kept: dict[str, Tensor]) -> Visit:
    """Return a visit that stores the activation under the site's name."""
    name = str(site)

    def visit(value: Tensor) -> None:
        kept[name] = value

    return visit


def capturing(site: Site, kept: dict[str, Tensor], n_wanted: int) -> Visit:
    """Return a visit that stores the activation and stops the forward pass once all that are wanted are there."""
    name = str(site)

    def visit(value: Tensor) -> None:
        kept[name] = value
        if len(kept) == n_wanted:
            raise Stop

    return visit


def editing(site: Site, edit: Callable[[Tensor], Tensor]) -> Visit:
    """Return a visit that goes on with what the edit returns; the edit gets a copy, which it may overwrite."""

    def visit(value: Tensor) -> Tensor:
        changed: Any = edit(value.clone())
        if not isinstance(changed, Tensor) or changed.shape != value.shape:
            got = list(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
            remedy = f"Return a tensor of shape {list(value.shape)}."
            raise UsageError(f"edit at {site} does not return the activation's shape", value=got, remedy=remedy)
        return changed.to(value)

    return visit


def _places(layout: Layout, switch: AttentionSwitch) -> dict[int | None, dict[str, Place]]:
    """Return the place of each kind, by layer; None is the whole model."""
    whole: dict[str, Place] = {
        "embed": (OutputStation(layout.embed), "output"),
        **_norm("ln_final", layout.final_norm),
        "unembed_in": (InputStation(layout.unembed), "input"),
        "unembed_out": (OutputStation(layout.unembed), "output"),
    }
    if layout.pos_embed is not None:
        whole["pos_embed"] = (PositionStation(layout.pos_embed, layout.embed), "output")
    blocks = {layer: _block_places(block, switch) for layer, block in enumerate(layout.blocks)}
    return {None: whole, **blocks}


def _block_places(block: Block, switch: AttentionSwitch) -> dict[str, Place]:
    attention = AttentionStation(block.attention, switch)
    return {
        "resid_pre": (InputStation(block.module), "input"),
        **_norm("ln1", block.ln1),
        **_projections({"q": block.q, "k": block.k, "v": block.v}),
        **_norm("q_norm", block.q_norm),
        **_norm("k_norm", block.k_norm),
        **{slot: (attention, slot) for slot in ("rot_q", "rot_k", "scores", "pattern")},
        "z": (InputStation(block.o, block.q.n_heads), "input"),
        "result": (ResultStation(block.o, block.q.n_heads), "result"),
        **_norm("ln1_post", block.ln1_post),
        "attn_out": (OutputStation(block.attn_out), "output"),
        "resid_mid": (MiddleStation(block.ln2.module), "input"),
        **_norm("ln2", block.ln2),
        "mlp_pre": (OutputStation(block.mlp_gate or block.mlp_in), "output"),
        "mlp_pre_linear": (OutputStation(block.mlp_in), "output"),
        "mlp_post": (InputStation(block.mlp_proj), "input"),
        **_norm("ln2_post", block.ln2_post),
        "mlp_out": (OutputStation(block.mlp_out), "output"),
        "resid_post": (OutputStation(block.module), "output"),
    }


def _norm(name: str, norm: Norm | None) -> dict[str, Place]:
    station = None if norm is None else NormStation(norm)
    return {} if station is None else {f"{name}_{slot}": (station, slot) for slot in ("scale", "normalized")}


def _projections(parts: dict[str, HeadProjection]) -> dict[str, Place]:
    """Return one station per module: three, or one where the projections are fused."""
    modules = {
        part.module: {name: p for name, p in parts.items() if p.module is part.module} for part in parts.values()
    }
    stations = {module: ProjectionStation(module, of_module) for module, of_module in modules.items()}
    return {name: (stations[part.module], name) for name, part in parts.items()}
