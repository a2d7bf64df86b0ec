"""Which prompt, which model and transcoders, what is asked and how much is kept: options of `mechlab trace`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt

from mechlab.core.config import Config
from mechlab.verbs.outcome import Positional


class TraceOptions(Config):
    """Which prompt, through which transcoders, to which logits."""

    prompt: Annotated[str, Positional()] = Field(description="The text; the start token is put before it.")
    dictionaries: tuple[str, ...] = Field(
        description="A transcoder for every MLP, parted by commas: runs of `train` (folders or first digits of ids), "
        "sweeps, SAELens or circuit-tracer folders, checkpoints of transcoder_circuits."
    )
    model: str = Field("tales", description="Built-in name, Hugging Face folder, or hub name.")
    target: tuple[str, ...] = Field(
        (),
        description="Tokens whose logits to trace, parted by commas: texts, or numbers as #629. Left out: the "
        "likeliest, up to 10 that have 95 % of the probability.",
    )
    against: tuple[str, ...] = Field(
        (), description="Trace one number instead: the targets' mean logit less that of these tokens."
    )
    position: int = Field(-1, description="Where in the prompt to ask, counted from the end if negative.")
    max_features: PositiveInt | None = Field(
        None, description="Features to trace, those of the largest influence. Left out: all that are on."
    )
    nodes: float = Field(0.8, gt=0, le=1, description="Share of the features' and errors' influence to keep.")
    edges: float = Field(0.98, gt=0, le=1, description="Share of the influence along edges to keep.")
    details: tuple[str, ...] = Field(
        (), description="Runs of `features` whose contexts the page is to show, parted by commas."
    )
    top: PositiveInt = Field(15, description="Effects on the targets to list, the largest first.")
    root: Path = Field(Path("runs"), description="Folder in which ids are looked up.")
    out: Path | None = Field(None, description="Folder of the run. Left out: runs/trace-MODEL-ID.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Left out: one for a small model, else all.")
