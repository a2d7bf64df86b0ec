"""All that is known of all features, one line per feature: what a pass found, what a file holds, what pages show."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxtyping import Float64
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from mechlab.core.config import Config, build
from mechlab.core.errors import ArtifactError, ConfigError, UsageError
from mechlab.metrics.contexts import Context

NEEDED = frozenset(
    (
        *("fires", "frequency_error", "total", "largest", "histogram", "histogram_top", "edges"),
        *("top_place", "top_tokens", "top_values", "band_place", "band_tokens", "band_values"),
    )
)
WITH_TEXT = ("top_tokens", "top_values", "band_tokens", "band_values")


class FeatureFacts(Config):
    """What holds for all features.

    Attributes:
        site: or route of the dictionary.
        n_tokens: looked at; special ones are not.
        n_rows: the independent units behind standard errors.
        causes: names of the known causes; none where the corpus has no labels.
        tokens: numbers of all tokens that are shown, and `texts` what each reads.
    """

    site: str
    n_rows: PositiveInt
    n_tokens: PositiveInt
    row_length: PositiveInt
    n_before: NonNegativeInt
    n_after: NonNegativeInt
    n_bands: PositiveInt
    causes: tuple[str, ...] = ()
    tokens: tuple[NonNegativeInt, ...] = ()
    texts: tuple[str, ...] = ()
    seed: NonNegativeInt = 0


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """One line per feature.

    Attributes:
        columns: by name. `fires`: tokens it fires on. `frequency_error`: standard error of their share, over rows.
            `total`: sum of its activations; `largest` of them. `histogram`: counts in equal bins from 0 to
            `histogram_top`. `edges`: of the bands. `top_...` and `band_...`: the strongest contexts, and those drawn
            from each band, weakest first: `place` (row times row length plus position; -1 where there is none),
            `tokens` (-1 beyond the row) and `values` (activations). `cause_...`: number, threshold, F1 and F1 by
            chance of the best cause (`cause` is -1 where there is none). `logits_...`: extremes of its direct effect.
            `removal_...`: nats lost without it at its strongest contexts. What does not apply is not there.
    """

    facts: FeatureFacts
    columns: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.columns["fires"])

    @property
    def frequency(self) -> Float64[Tensor, "n_features"]:
        """The share of tokens each feature fires on."""
        return self.columns["fires"].double() / self.facts.n_tokens

    @property
    def mean(self) -> Float64[Tensor, "n_features"]:
        """Each feature's mean activation where it fires; 0 where it never does."""
        return self.columns["total"].double() / self.columns["fires"].clamp(min=1)

    @cached_property
    def text_of(self) -> dict[int, str]:
        """What each token shown reads."""
        return dict(zip(self.facts.tokens, self.facts.texts, strict=True))

    def top(self, feature: int) -> tuple[Context, ...]:
        """Return a feature's strongest contexts, the strongest first."""
        return self._contexts("top", feature, slice(None))

    def bands(self, feature: int) -> tuple[tuple[Context, ...], ...]:
        """Return the contexts drawn from each band of a feature's activations, the weakest band first."""
        n = self.columns["band_place"].shape[1] // self.facts.n_bands
        slots = [slice(n * band, n * (band + 1)) for band in range(self.facts.n_bands)]
        return tuple(self._contexts("band", feature, some) for some in slots)

    def logits(self, feature: int, side: str) -> tuple[tuple[str, float], ...]:
        """Return the tokens whose logits it raises (`top`) or lowers (`bottom`) most, in nats, if any."""
        if f"logits_{side}" not in self.columns:
            return ()
        tokens, values = self.columns[f"logits_{side}"][feature], self.columns[f"logits_{side}_values"][feature]
        return tuple(zip((self.text_of[token] for token in tokens.tolist()), values.tolist(), strict=True))

    def refuse_unknown(self, features: Iterable[int]) -> None:
        """Pass if there are such features.

        Raises:
            UsageError: there is no such feature.
        """
        for feature in features:
            refuse_beyond(feature, len(self))

    def stored(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tables of at most two axes, and facts ready for JSON."""
        flat = {name: column.flatten(1) if column.ndim > 2 else column for name, column in self.columns.items()}
        return flat, self.facts.model_dump(mode="json")

    @classmethod
    def restored(cls, columns: Mapping[str, Tensor], facts: Mapping[str, Any]) -> "FeatureTable":
        """Return the table that was stored so.

        Raises:
            ArtifactError: columns or facts are not a table's of features, or do not belong together.
        """
        try:
            known = build(FeatureFacts, facts)
        except ConfigError as error:
            raise ArtifactError("table of features is damaged", remedy=str(error)) from None
        width = known.n_before + 1 + known.n_after
        narrow = [name for name in WITH_TEXT if name in columns and columns[name].shape[1] % width]
        if missing := sorted(NEEDED - set(columns)):
            raise ArtifactError("table of features is damaged", remedy=f"It has no {', '.join(missing)}.")
        if narrow or len(known.tokens) != len(known.texts):
            raise ArtifactError("table of features is damaged", remedy="Its contexts are not as wide as it says.")
        shaped = {name: columns[name].unflatten(1, (-1, width)) for name in WITH_TEXT}
        return cls(known, {**columns, **shaped})

    def _contexts(self, kind: str, feature: int, slots: slice) -> tuple[Context, ...]:
        parts = (self.columns[f"{kind}_{part}"][feature, slots].tolist() for part in ("place", "tokens", "values"))
        found = zip(*parts, strict=True)
        return tuple(self._context(place, tokens, values) for place, tokens, values in found if place >= 0)

    def _context(self, place: int, tokens: list[int], values: list[float]) -> Context:
        row, position = divmod(place, self.facts.row_length)
        before = min(position, self.facts.n_before)
        first = self.facts.n_before - before
        inside = slice(first, first + sum(token >= 0 for token in tokens))
        texts = tuple(self.text_of[token] for token in tokens[inside])
        return Context(row, position - before, texts, tuple(values[inside]), before)


def refuse_beyond(feature: int, n_features: int) -> None:
    """Pass if there is such a feature among so many.

    Raises:
        UsageError: there is not.
    """
    if not 0 <= feature < n_features:
        raise UsageError("no such feature", value=feature, remedy=f"Features are 0..{n_features - 1}.")
