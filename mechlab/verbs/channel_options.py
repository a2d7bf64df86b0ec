"""Which model, what counts as a channel, which to list and what to ask of them: options of `mechlab channels`."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, PositiveInt

from mechlab.core.config import Config
from mechlab.models.sites import MODES, Mode
from mechlab.verbs.outcome import Spelled

MOST_CARRIED = 5


def _head(text: object) -> str:
    if not isinstance(text, str):
        raise ValueError('Write a head in quotes, such as "3.1": 3.10 would be 3.1')
    if not re.fullmatch(r"\d+\.\d+", text, re.ASCII):
        raise ValueError("Write a head as LAYER.HEAD, such as 3.1")
    return text


def _in_order(modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
    if not modes:
        raise ValueError("Give at least one of q, k and v")
    return tuple(mode for mode in MODES if mode in modes)


HeadName = Annotated[str, BeforeValidator(_head)]


class ChannelOptions(Config):
    """Which model, what counts as a channel, and which of them to list."""

    model: str = Field("tales", description="Built-in name, Hugging Face folder, or hub name.")
    mode: Annotated[tuple[Mode, ...], AfterValidator(_in_order)] = Field(
        MODES, description="What receivers read, parted by commas: q (queries), k (keys), v (values)."
    )
    null: Literal["sphere", "upstream", "covariance"] = Field(
        "sphere",
        description="What chance is: writes in any direction (sphere), all the receiver can hear (upstream), or writes "
        "spread as all writes are (covariance).",
    )
    offset: NonNegativeInt = Field(0, description="Tokens a key stands before the query, in models with rotations.")
    biases: bool = Field(False, description="Count what the queries' biases look for when keys are read.")
    from_head: Annotated[HeadName | None, Spelled("from")] = Field(
        None, description="List only channels of this sender: LAYER.HEAD."
    )
    to_head: Annotated[HeadName | None, Spelled("to")] = Field(
        None, description="List only channels to this receiver: LAYER.HEAD."
    )
    top: PositiveInt = Field(15, description="Channels to list, the largest z first.")
    carries: bool = Field(
        False, description=f"Say what the first {MOST_CARRIED} of them carry: tokens at both ends, causes, features."
    )
    corpus: str | None = Field(
        None, description="Labelled text to look for causes in, with --carries. Left out: that of a built-in model."
    )
    tokens: PositiveInt = Field(50_000, description="Tokens of that text to read.")
    dictionary: str | None = Field(
        None,
        description="Run of `train` whose features to look for, with --carries: folder, or its id's first digits.",
    )
    seed: NonNegativeInt = Field(0, description="Seed of generated text and of all draws, with --carries.")
    root: Path = Field(Path("runs"), description="Folder in which ids are looked up.")
    out: Path | None = Field(None, description="Folder of the run. Left out: runs/channels-MODEL-ID.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Left out: one for a small model, else all.")
