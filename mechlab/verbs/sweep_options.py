"""Which dictionaries to train together: the options of a sweep."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from mechlab.verbs.subject import ReadingConfig
from mechlab.verbs.train_options import LoopOptions

Features = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
Seeds = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
Sites = Annotated[tuple[str, ...], Field(min_length=1)]


class SweepOptions(LoopOptions, ReadingConfig):
    """A grid of dictionaries; `dictionary` holds the kind's own keys, each with one value or several."""

    sites: Sites = Field(
        ("resid_post.2",),
        description="Places in the model, as --site of `train` takes them; A->B from one to another, A+B both at once.",
    )
    features: Features = Field((2048,), description="Features of the dictionaries (d_sae).")
    seeds: Seeds = Field(
        (0,), description="Seeds of the dictionaries' first weights; text and batches follow --seed alone."
    )
    reports: bool = Field(False, description="Write each member's own report too.")
    out: Path = Field(description="Folder of the sweep; each member has its run in it.")

    @field_validator("sites", "features", "seeds")
    @classmethod
    def _each_once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        twice = [value for place, value in enumerate(values) if value in values[:place]]
        if twice or "" in values:
            raise ValueError(f"{twice[0]} is given twice" if twice else "an entry of the list is empty")
        return values
