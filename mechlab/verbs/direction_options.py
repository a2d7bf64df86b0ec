"""Where a direction is, what it is found from, and where it goes: options of `mechlab direction KIND`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.verbs.outcome import Hidden, OnlyFor

SOURCES = ("positive", "cause", "task")


class ExampleOptions(Config):
    """What directions are fitted on: texts of two classes, labelled tokens, or prompt pairs."""

    positive: Annotated[Path | None, OnlyFor("examples")] = Field(
        None, description="Texts that have it, read at their last token: .txt (a text a line), .jsonl, .csv, ..."
    )
    negative: Annotated[Path | None, OnlyFor("examples")] = Field(None, description="Texts that have it not.")
    paired: Annotated[bool, OnlyFor("examples")] = Field(False, description="Text i of both files belong together.")
    cause: Annotated[tuple[str, ...], OnlyFor("examples")] = Field(
        (),
        description="Labelled tokens instead: those that carry it against all others, as season=winter; or two, parted "
        "by a comma.",
    )
    task: Annotated[str | None, OnlyFor("examples")] = Field(
        None, description="Prompt pairs of a task instead, such as ioi: clean prompts against corrupted ones."
    )
    role: Annotated[str, OnlyFor("examples")] = Field("END", description="Where prompts are read, with --task.")
    prompts: Annotated[int, OnlyFor("examples")] = Field(100, ge=4, description="Prompt pairs, with --task.")
    style: Annotated[Literal["plain", "tales"] | None, OnlyFor("examples")] = Field(
        None, description="Wording of the prompts. Left out: tales for the built-in model, else plain."
    )
    corruption: Annotated[str | None, OnlyFor("examples")] = Field(
        None, description="What the corrupted prompts change, for tasks that have several (ioi: flip, swap, abc)."
    )
    most: Annotated[PositiveInt, OnlyFor("examples")] = Field(
        2000, description="Labelled tokens of a class that are kept, drawn at random."
    )

    @model_validator(mode="after")
    def _one_source(self) -> "ExampleOptions":
        given = [name for name in SOURCES if getattr(self, name)]
        if len(given) > 1:
            value = " and ".join(f"--{name}" for name in given)
            raise UsageError("examples are given twice", value=value, remedy="Give one of them.")
        if (self.positive is None) != (self.negative is None):
            value = "--positive" if self.negative is None else "--negative"
            raise UsageError("examples of one class only", value=value, remedy="Give --positive and --negative.")
        if len(self.cause) > 2:
            remedy = "Give one label, or two that are held against each other."
            raise UsageError("too many labels", value=",".join(self.cause), remedy=remedy)
        return self


class DirectionOptions(ExampleOptions):
    """A direction of a kind, and its file."""

    kind: Annotated[str, Hidden()] = Field("mean_difference", description="Kind of direction.")
    direction: Annotated[dict[str, Any], Hidden()] = Field(default_factory=dict, description="The kind's own keys.")
    model: str = Field("tales", description="Built-in name, Hugging Face folder, hub name, or run of `train codebook`.")
    site: Annotated[str | None, OnlyFor("site")] = Field(
        None,
        description="Place in the model, such as resid_post.2. Left out with features: where their dictionary writes.",
    )
    words: Annotated[str | None, OnlyFor("observable")] = Field(
        None, description="Words whose logits count, parted by commas; leading spaces belong to them. #629 is a token."
    )
    against: Annotated[str, OnlyFor("observable")] = Field(
        "", description="Words whose logits are taken off, parted by commas."
    )
    regex: Annotated[bool, OnlyFor("observable")] = Field(
        False, description="Both are regular expressions instead: all tokens whose whole text fits."
    )
    combine: Annotated[Literal["mean", "sum"], OnlyFor("observable")] = Field(
        "mean", description="What several words' logits become: mean or sum."
    )
    prompt: Annotated[str | None, OnlyFor("points")] = Field(
        None, description="A prompt to linearise norms and MLPs in."
    )
    positions: Annotated[tuple[int, ...], OnlyFor("points")] = Field(
        (), description="Where in the prompt each stop of the path reads, parted by commas. Left out: its last token."
    )
    dictionary: Annotated[tuple[str, ...], OnlyFor("dictionary")] = Field(
        (), description="Run of `train` (folder or id), SAELens folder; with --layer transcoders of all layers."
    )
    feature: Annotated[str | None, OnlyFor("feature")] = Field(
        None, description="RUN:NUMBER, or a number of --dictionary; for RUN a run's folder or id, or a SAELens folder."
    )
    corpus: Annotated[str | None, OnlyFor("examples", "largest")] = Field(
        None, description="Text to read. Left out: that of a built-in model."
    )
    tokens: Annotated[PositiveInt, OnlyFor("examples", "largest")] = Field(
        50_000, description="Tokens of that text to read."
    )
    compare: tuple[Path, ...] = Field((), description="Files of directions to compare with, parted by commas.")
    out: Path | None = Field(None, description="File to write, such as winter.safetensors. Required.")
    format: Literal["safetensors", "gguf"] | None = Field(
        None,
        description="safetensors: with all that is known. gguf: a control vector of llama.cpp, of length one. Left "
        "out: gguf for files named .gguf.",
    )
    overwrite: bool = Field(False, description="Replace the file if it is there.")
    top: PositiveInt = Field(8, description="Tokens to list that it raises, and that it lowers.")
    seed: NonNegativeInt = Field(0, description="Of text, examples held out, shuffles and draws.")
    root: Annotated[Path, OnlyFor("dictionary")] = Field(Path("runs"), description="Folder in which ids are looked up.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Left out: one for a small model, else all.")
