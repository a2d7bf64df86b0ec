"""Which run, on how much of which text, which features to show: options of `mechlab features`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from mechlab.core.config import Config
from mechlab.verbs.outcome import Positional


def _numbers(features: Any) -> Any:
    if isinstance(features, int):
        return (features,)
    if isinstance(features, list | tuple) and any(not str(one).isascii() or not str(one).isdigit() for one in features):
        raise ValueError("Write features as numbers parted by commas, such as 12,40")
    return features


class FeatureOptions(Config):
    """Which run, on how much of which text, and which features to show."""

    run: Annotated[str, Positional()] = Field(description="Folder of a run of `train`, or the first digits of its id.")
    tokens: PositiveInt = Field(1_000_000, description="Tokens to look at features on, from the text's beginning.")
    corpus: str | None = Field(None, description="Text to look at. Left out: the run's own, its held-out part first.")
    text_column: str | None = Field(None, description="Column that holds the text. Left out: as in training.")
    feature: Annotated[tuple[str, ...], BeforeValidator(_numbers)] = Field(
        (), description="Features to show, parted by commas; with --json as objects for viewers."
    )
    objects: Path | None = Field(None, description="Folder to write these features' objects to, or all features'.")
    model: str | None = Field(None, description="Where the run's model is now, if it has moved.")
    seed: NonNegativeInt | None = Field(None, description="Seed of text and draws. Left out: the run's.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Left out: one for a small model, else all.")
    root: Path = Field(Path("runs"), description="Folder in which ids are looked up.")
    out: Path | None = Field(None, description="Folder of the new run. Left out: beside the run looked at.")
    dry_run: bool = Field(False, description="Only say what it would cost: tokens, time.")

    @property
    def features(self) -> tuple[int, ...]:
        """Return the numbers of the features to show."""
        return tuple(int(one) for one in self.feature)
