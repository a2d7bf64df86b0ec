"""Edges that carry another pass: a reader sees a stream of its own, in which some sources wrote as they did elsewhere.

1. The pass goes on as ever; what every source writes in it is noted.
2. A reader's stream lacks what the sources outside write now, and has what they wrote in the other pass.
3. Its norm divides by what it would divide by if it saw that stream.
4. Several circuits are run in one pass, one after another along the batch.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechlab.core.errors import UsageError
from mechlab.interventions.path_changes import norm_gain
from mechlab.interventions.wiring import Reading, Wiring
from mechlab.models.language_model import Edit, LanguageModel
from mechlab.models.sites import MODES, Site
from mechlab.models.weights import LayerWeights

Written = Float[Tensor, "n pos n_sources d_model"]
Outside = Bool[Tensor, "n_circuits n_sources n_readers"]
Seen = Float[Tensor, "n_circuits n_moved n pos d_model"]


@torch.no_grad()
def written(model: LanguageModel, wiring: Wiring, tokens: Int[Tensor, "n pos"]) -> Written:
    """Return what every source writes while a model reads these rows; the bias of attention is nobody's."""
    sites = written_sites(wiring)
    return by_source(model.activations(tokens.to(model.device), sites), sites)


def written_sites(wiring: Wiring) -> list[str]:
    """Return the sites that show what the sources write, in their order; the heads of a layer share one."""
    layers = range(wiring.spec.n_layers)
    kinds = ("result", "mlp_out") if wiring.spec.d_mlp > 0 else ("result",)
    return ["resid_pre.0", *(f"{kind}.{layer}" for layer in layers for kind in kinds)]


def by_source(seen: Mapping[str, Tensor], sites: list[str]) -> Written:
    """Return what these sites show, source by source."""
    return torch.cat([_apart(seen[site]) for site in sites], dim=2)


@contextmanager
def change_edges(model: LanguageModel, wiring: Wiring, others: Written, outside: Outside) -> Iterator[None]:
    """Open a context in which the edges outside carry what their sources wrote in another pass.

    Every pass inside it must be over as many copies of one batch as there are circuits, one after another.

    Args:
        model: the model to edit.
        wiring: its sources and readers.
        others: what each source wrote in the other pass over the batch.
        outside: of every circuit, the edges that carry it.

    Raises:
        UsageError: an edge outside does not exist, or a pass is over another batch.
    """
    outside = outside.to(others.device)
    if n_lost := int((outside & ~wiring.is_edge.to(others.device)).sum()):
        raise UsageError("readers do not hear sources outside", value=f"{n_lost} edges")
    changing = _Changing(model, wiring, others, outside)
    with model.read(*changing.sites) as seen, model.edit(changing.edits(seen)):
        yield


@dataclass(frozen=True, eq=False)
class _Outlet:
    """A site, and those of its sources that are outside of some circuit: their places there and among all."""

    site: str
    here: list[int]
    places: list[int]


class _Changing:
    """What is noted of a pass, and what its readers see of it."""

    def __init__(self, model: LanguageModel, wiring: Wiring, others: Written, outside: Outside) -> None:
        self._wiring, self._weights, self._others, self._outside = wiring, model.weights(), others, outside
        self._outlets = list(self._moved())
        self._gaps: dict[str, tuple[Tensor, Tensor]] = {}
        self._seen: Mapping[str, Tensor] = {}

    @property
    def sites(self) -> list[str]:
        """Return what has to be noted: what the sources outside write, and what the readers' norms do."""
        norms = [_norm(reading, layer) for reading, layer, _ in self._changed()]
        both = [name for norm in dict.fromkeys(norms) for name in (_part(norm, "scale"), _part(norm, "normalized"))]
        return [*(outlet.site for outlet in self._outlets), *both]

    def edits(self, seen: Mapping[str, Tensor]) -> dict[str | Site, Edit]:
        """Return the edits of what readers make of their streams; `seen` is what is noted."""
        self._seen, found = seen, dict[str | Site, Edit]()
        for reading, layer, readers in self._changed():
            if reading in MODES:
                found[f"{reading}.{layer}"] = self._projecting(reading, layer, readers)
            else:
                found[_part(_norm(reading, layer), "normalized")] = self._normalizing(reading, layer, readers)
        return found

    def _changed(self) -> Iterator[tuple[Reading, int, list[int]]]:
        """Yield the readers that some circuit changes, those of one kind and layer together."""
        changed = self._outside.any(0).any(0).tolist()
        ends: dict[tuple[Reading, int], list[int]] = {}
        for place, reader in enumerate(self._wiring.readers):
            if changed[place]:
                ends.setdefault((reader.reading, reader.layer), []).append(place)
        yield from ((*end, places) for end, places in ends.items())

    def _moved(self) -> Iterator[_Outlet]:
        moved, start = self._outside.any(0).any(1).tolist(), 0
        for site in written_sites(self._wiring):
            n_here = self._wiring.spec.n_heads if site.startswith("result") else 1
            here = [number for number in range(n_here) if moved[start + number]]
            if here:
                yield _Outlet(site, here, [start + number for number in here])
            start += n_here

    def _projecting(self, reading: Reading, layer: int, readers: list[int]) -> Edit:
        """Return the edit of heads' queries, keys or values."""
        own, spec = self._weights.layers[layer], self._wiring.spec
        numbers = [self._wiring.readers[reader].number for reader in readers]
        shared = 1 if reading == "q" else spec.n_heads // spec.n_kv_heads
        matrices = _matrices(own, reading)[[number * shared for number in numbers]]

        def project(projected: Tensor) -> Tensor:
            gained = self._gained(reading, layer, readers) * own.ln1_w
            projected[:, :, numbers] += torch.einsum("crnpm,rmh->cnprh", gained, matrices).flatten(0, 1)
            return projected

        return project

    def _normalizing(self, reading: Reading, layer: int, readers: list[int]) -> Edit:
        """Return the edit of what a norm gives the one that reads behind it."""
        return lambda normalized: normalized + self._gained(reading, layer, readers)[:, 0].flatten(0, 1)

    def _gained(self, reading: Reading, layer: int, readers: list[int]) -> Seen:
        """Return how much more each reader's norm gives, before its gain, in every circuit."""
        norm, n_circuits = _norm(reading, layer), len(self._outside)
        normalized, scale = self._seen[_part(norm, "normalized")], self._seen[_part(norm, "scale")]
        if normalized.shape[:2] != (n_circuits * len(self._others), self._others.shape[1]):
            value = f"{n_circuits} x {list(self._others.shape[:2])} for a pass over {list(normalized.shape[:2])}"
            raise UsageError("circuits do not fit the batch", value=value, remedy="Repeat the batch for every circuit.")
        normalized, scale = (one.unflatten(0, (n_circuits, -1))[:, None] for one in (normalized, scale))
        before = normalized * scale
        return norm_gain(before, before + self._change(readers), scale, self._wiring.spec)

    def _change(self, readers: list[int]) -> Seen:
        """Return what is added to each reader's stream in every circuit."""
        total = None
        for outlet in self._outlets:
            marks = self._outside[:, outlet.places][:, :, readers]
            if marks.any():
                part = marks.mT.to(self._others) @ self._gap(outlet).flatten(2)
                total = part if total is None else total + part
        assert total is not None
        return total.unflatten(2, (*self._others.shape[:2], -1))

    def _gap(self, outlet: _Outlet) -> Seen:
        """Return what sources wrote in the other pass less what they write in this one, circuit by circuit."""
        now = self._seen[outlet.site]
        noted = self._gaps.get(outlet.site)
        if noted is None or noted[0] is not now:
            own = _apart(now)[:, :, outlet.here].unflatten(0, (len(self._outside), -1))
            gap = (self._others[:, :, outlet.places] - own).permute(0, 3, 1, 2, 4).contiguous()
            noted = self._gaps[outlet.site] = (now, gap)
        return noted[1]


def _apart(activation: Tensor) -> Written:
    return activation if activation.ndim == 4 else activation[:, :, None]


def _norm(reading: Reading, layer: int) -> str:
    """Return the norm that a reader reads through."""
    return {"mlp": f"ln2.{layer}", "logits": "ln_final"}.get(reading, f"ln1.{layer}")


def _part(norm: str, part: str) -> str:
    name, dot, layer = norm.partition(".")
    return f"{name}_{part}{dot}{layer}"


def _matrices(weights: LayerWeights, reading: Reading) -> Float[Tensor, "n_heads d_model d_head"]:
    return {"q": weights.W_Q, "k": weights.W_K, "v": weights.W_V}[reading]
