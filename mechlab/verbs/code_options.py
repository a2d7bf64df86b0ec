"""Which run, which cause, and how many codes: options of `mechlab codes`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt

from mechlab.core.config import Config
from mechlab.verbs.outcome import Positional


class CodeOptions(Config):
    """Which run, which cause, and how many codes."""

    run: Annotated[str, Positional()] = Field(
        description="Folder of a run of `train codebook`, or its id's first digits."
    )
    regex: str | None = Field(None, description="Tokens that overlap a match of this regular expression in the text.")
    label: str | None = Field(
        None,
        description="Tokens with this label: month=May, or month for any value. With a pattern: those of its tokens.",
    )
    before: bool = Field(False, description="Codes of the token right before each mention: what is about to be said.")
    min_recall: float = Field(0.01, ge=0.0, le=1.0, description="Leave out codes that find less of the cause.")
    top: PositiveInt = Field(10, description="Codes to list, the best F1 first.")
    root: Path = Field(Path("runs"), description="Folder in which ids are looked up.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
