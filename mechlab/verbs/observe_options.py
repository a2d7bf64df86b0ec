"""Which observable of which model, and of which prompts it is asked, too: options of `mechlab observe`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from mechlab.core.config import Config
from mechlab.verbs.outcome import Positional


class ObserveOptions(Config):
    """An observable, and what is asked about it."""

    words: Annotated[str, Positional()] = Field(
        description="Words whose logits count, parted by commas; leading spaces belong to them. #629 is token 629."
    )
    against: str = Field("", description="Words whose logits are taken off, parted by commas.")
    regex: bool = Field(
        False, description="Both are regular expressions instead: all tokens whose whole text fits, as ' ?(she|her)'."
    )
    combine: Literal["mean", "sum"] = Field("mean", description="What several words' logits become: mean or sum.")
    model: str = Field("tales", description="Built-in name, Hugging Face folder, or hub name.")
    norms: Literal["cheap", "skip"] = Field(
        "cheap",
        description="How directions go back through norms without a prompt: with their gains (cheap), or not (skip).",
    )
    task: str | None = Field(
        None, description="Prompt-pair task, such as ioi or greater_than: what heads do there, and the best paths."
    )
    prompts: int = Field(100, ge=4, description="Prompt pairs, with --task.")
    style: Literal["plain", "tales"] | None = Field(
        None, description="Wording of the prompts. Left out: tales for the built-in model, else plain."
    )
    corruption: str | None = Field(
        None, description="What the corrupted prompts change, for tasks that have several (ioi: flip, swap, abc)."
    )
    effect: Literal["real", "frozen", "recomputed"] = Field(
        "real",
        description="What heads do with other values: straight through the last norm (real), or with its divisor held "
        "(frozen), or with later layers computed again (recomputed).",
    )
    draws: PositiveInt = Field(200, description="Random observables to compare with, with --task.")
    paths: PositiveInt = Field(20, description="Paths to keep, those that bring most, with --task.")
    beam: PositiveInt = Field(20, description="Paths that stay open after every step of the search.")
    complete: bool = Field(False, description="Keep only paths that begin with a token.")
    top: PositiveInt = Field(10, description="Heads and paths to list, the largest first.")
    readers: NonNegativeInt = Field(4, description="Heads whose tokens to list.")
    seed: NonNegativeInt = Field(0, description="Seed of prompts and of random observables, with --task.")
    out: Path | None = Field(None, description="Folder of the run. Left out: runs/observe-MODEL-ID.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Left out: one for a small model, else all.")
