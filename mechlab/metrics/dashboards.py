"""Dashboards of all features of a dictionary, from one pass over a corpus.

1. Stream rows through the model to the dictionary's site; list the codes above 0.
2. One pass gathers counts, histograms, strongest tokens, a sample, and fits with known causes (`feature_pass`).
3. The sample is parted into bands of activation (`feature_bands`).
4. The directions' effects on the logits are read off the weights (`feature_logits`).
5. Each feature is taken away at its strongest tokens (`feature_ablation`).
"""

from collections.abc import Iterator

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT, Progress
from mechlab.core.randomness import torch_generator
from mechlab.corpora.row_stream import RowStream
from mechlab.corpora.rows import TokenRows
from mechlab.interventions.splice import Codec
from mechlab.metrics.active_codes import ActiveCodes
from mechlab.metrics.feature_ablation import Removal, RemovalEffects, partners, removal_effects
from mechlab.metrics.feature_bands import quantile_edges, slots_in_bands
from mechlab.metrics.feature_logits import Unembedding, logit_extremes, written_directions
from mechlab.metrics.feature_pass import FeaturePass, Gathering
from mechlab.metrics.feature_table import FeatureFacts, FeatureTable
from mechlab.metrics.labels import Classes
from mechlab.metrics.passes import RowsAtSite, at_site
from mechlab.metrics.portraits import token_texts
from mechlab.models.language_model import LanguageModel
from mechlab.models.route import Route
from mechlab.models.sites import Site

SAMPLE_ROWS = 16


class DashboardConfig(Config):
    """What a dashboard holds of each feature.

    `n_top` contexts are the strongest; `n_sampled` tokens are drawn, of which up to `n_per_band` are shown of each of
    `n_bands` bands. `n_before` and `n_after` are the tokens on each side of the one looked at. The feature is taken
    away at the `n_ablated` strongest. `min_positives` is the least number of tokens of a cause in each half.
    """

    n_top: PositiveInt = 10
    n_bands: PositiveInt = 5
    n_per_band: PositiveInt = 5
    n_sampled: PositiveInt = 64
    n_before: NonNegativeInt = 16
    n_after: NonNegativeInt = 8
    n_bins: PositiveInt = 64
    n_logits: PositiveInt = 10
    n_ablated: NonNegativeInt = 2
    min_positives: PositiveInt = 20
    batch_rows: PositiveInt = 32
    seed: NonNegativeInt = 0

    @property
    def gathering(self) -> Gathering:
        """Return what the pass needs to know."""
        return Gathering(self.n_top, self.n_sampled, self.n_before, self.n_after, self.n_bins, self.seed)


@torch.no_grad()
def dashboards(
    model: LanguageModel,
    dictionary: Codec,
    rows: TokenRows | RowStream,
    site: str | Site | Route,
    config: DashboardConfig | None = None,
    progress: Progress = SILENT,
) -> FeatureTable:
    """Return what one pass over the rows tells of every feature.

    Memory grows with the features, not with the rows: about 60 KB a feature at the defaults in rows of 128 tokens,
    where the corpus has 70 classes; a `RowStream` is read block by block.

    Args:
        model: the model the dictionary belongs to.
        dictionary: whose features.
        rows: text to look at.
        site: where the dictionary was trained: a site, or a route such as `mlp.1`.
        config: what to gather; None takes the defaults.
        progress: where to report.

    Source: Bricken et al. 2023, "Towards Monosemanticity" (the dashboard: strongest contexts, intervals, histogram,
    logits, ablation); Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (a pass for each
    feature, where one for all is enough). The sample by hash, the nulls and the controls are ours.

    Raises:
        UsageError: there is no row, or nothing but special tokens.
    """
    config, route = config or DashboardConfig(), Route.of(site, model.spec)
    gathered, sample, names = _gathered(model, dictionary, rows, route, config, progress)
    n_features = gathered.n_features
    columns = _counts(gathered) | _causes(gathered, config) | _examples(gathered, config)
    through = Unembedding(model, sample, config.seed)
    extremes = logit_extremes(through, dictionary, n_features, route, config.n_logits)
    if extremes is not None:
        columns |= {f"logits_{name}": values for name, values in vars(extremes).items()}
    columns |= _removals(model, dictionary, route, gathered, config, progress)
    tokens = torch.cat([columns[name].flatten() for name in ("top_tokens", "band_tokens")])
    if extremes is not None:
        tokens = torch.cat([tokens, extremes.top.flatten(), extremes.bottom.flatten()])
    used = tokens[tokens >= 0].unique()
    facts = FeatureFacts(
        site=str(route),
        n_rows=gathered.n_rows,
        n_tokens=gathered.n_tokens,
        row_length=sample.shape[1],
        n_before=config.n_before,
        n_after=config.n_after,
        n_bands=config.n_bands,
        causes=Classes.of(names).names,
        tokens=tuple(used.tolist()),
        texts=token_texts(model, used),
        seed=config.seed,
    )
    return FeatureTable(facts, columns)


def _gathered(
    model: LanguageModel,
    dictionary: Codec,
    rows: TokenRows | RowStream,
    route: Route,
    config: DashboardConfig,
    progress: Progress,
) -> tuple[FeaturePass, Tensor, dict[str, tuple[str, ...]]]:
    """Return what the pass gathered, the first rows, and the names of the labels."""
    gathered, sample, names = None, torch.zeros(0, 0), {}
    with progress.task("looking at features", rows.n_tokens, "tokens") as task:
        for block in [rows] if isinstance(rows, TokenRows) else rows:
            for batch in _batches(model, block, route, config.batch_rows):
                active = ActiveCodes.of(dictionary, batch)
                if gathered is None:
                    names, sample = block.label_names, block.tokens[:SAMPLE_ROWS]
                    gathered = FeaturePass(active.n_features, Classes.of(names), config.gathering)
                gathered.update(active, batch.rows)
                task.advance(batch.rows.n_tokens)
    if gathered is None or gathered.n_tokens == 0:
        remedy = "Give text with at least one token that is not special."
        raise UsageError("no tokens to look at features on", value=rows.n_tokens, remedy=remedy)
    return gathered, sample, names


def _batches(model: LanguageModel, block: TokenRows, route: Route, batch_rows: int) -> Iterator[RowsAtSite]:
    with torch.inference_mode():
        yield from at_site(model, block, route, batch_rows, "")


def _counts(gathered: FeaturePass) -> dict[str, Tensor]:
    return {
        "fires": gathered.fires.long(),
        "frequency_error": gathered.frequency_error(),
        "total": gathered.total,
        "largest": gathered.largest,
        "histogram": gathered.histograms.counts[0],
        "histogram_top": gathered.histograms.top,
    }


def _causes(gathered: FeaturePass, config: DashboardConfig) -> dict[str, Tensor]:
    if not gathered.causes.classes.names:
        return {}
    fits = gathered.causes.fits(config.min_positives)
    return {
        "cause": fits.best,
        "cause_threshold": fits.threshold,
        "cause_f1": fits.f1,
        "cause_by_chance": fits.by_chance,
    }


def _examples(gathered: FeaturePass, config: DashboardConfig) -> dict[str, Tensor]:
    top, sampled, width = gathered.top, gathered.sampled, config.n_before + 1 + config.n_after
    kept = {"tokens": torch.int32, "values": torch.float32}
    for table in (top, sampled):
        for name, dtype in kept.items():
            table.payload.setdefault(name, torch.zeros(*table.place.shape, width, dtype=dtype))
    edges = quantile_edges(gathered.histograms, gathered.largest, config.n_bands)
    slots = slots_in_bands(sampled.payload["values"][..., config.n_before], edges, config.n_per_band).flatten(1)
    there = slots.clamp(min=0)
    features = torch.arange(len(slots))[:, None]
    return {
        "top_place": top.place,
        "top_tokens": top.payload["tokens"],
        "top_values": top.payload["values"],
        "edges": edges,
        "band_place": torch.where(slots >= 0, sampled.place[features, there], -1),
        "band_tokens": sampled.payload["tokens"][features, there],
        "band_values": sampled.payload["values"][features, there],
    }


def _removals(
    model: LanguageModel,
    dictionary: Codec,
    route: Route,
    gathered: FeaturePass,
    config: DashboardConfig,
    progress: Progress,
) -> dict[str, Tensor]:
    """Return what taking each feature away at its strongest tokens does; one number for each of these tokens."""
    n, top = min(config.n_ablated, config.n_top), gathered.top
    feature, slot = top.filled[:, :n].nonzero(as_tuple=True)
    if not len(feature):
        return {}
    directions = torch.cat([part.cpu() for _, part in written_directions(dictionary, gathered.n_features)])
    other = partners(gathered.fires > 0, torch_generator(config.seed, "features taken away instead"))
    norms = directions.norm(dim=1, keepdim=True)
    matched = directions[other] * norms / norms[other].clamp(min=torch.finfo(norms.dtype).tiny)
    activation = top.payload["values"][feature, slot, config.n_before, None]
    where = Removal(
        row=top.payload["row"][feature, slot],
        position=top.payload["position"][feature, slot],
        following=top.payload["following"][feature, slot],
        removed=activation * directions[feature],
        control=activation * matched[feature],
    )
    return _by_feature(removal_effects(model, route, where, progress), feature, slot, (gathered.n_features, n))


def _by_feature(effects: RemovalEffects, feature: Tensor, slot: Tensor, shape: tuple[int, int]) -> dict[str, Tensor]:
    tables = {}
    for name, values in vars(effects).items():
        tables[f"removal_{name}"] = torch.full(shape, torch.nan, dtype=torch.float64)
        tables[f"removal_{name}"][feature, slot] = values
    return tables
