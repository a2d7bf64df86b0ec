"""Which codebooks, where, how a model is trained further with them, and where it goes: options of `train codebook`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from mechlab.verbs.outcome import Hidden
from mechlab.verbs.subject import ReadingConfig


class CodebookOptions(ReadingConfig):
    """A model trained further with codebooks."""

    sites: str = Field(
        "z,mlp_out",
        description="Places that get a codebook, parted by commas: mlp_out.1, or mlp_out for every layer. z has one "
        "for each head.",
    )
    codes: PositiveInt = Field(1000, description="Codes of each group.")
    k: PositiveInt = Field(8, description="Codes that stand for a vector, in each group.")
    groups: PositiveInt = Field(1, description="Equal parts of a vector with codes of their own, but for z.")
    combine: Literal["mean", "sum"] = Field("mean", description="What takes the vector's place.")
    similarity: Literal["cosine", "euclidean"] = Field("cosine", description="Which codes are most like a vector.")
    normalise: bool = Field(True, description="Bring every vector to mean 0 and the same variance first.")
    start: Literal["kmeans", "random"] = Field("kmeans", description="Where codes are before training.")
    start_tokens: PositiveInt = Field(16_384, description="Tokens whose activations k-means clusters.")
    batch_rows: PositiveInt = Field(32, description="Rows per training step.")
    lr: PositiveFloat = Field(2e-3, description="Peak learning rate.")
    train: Literal["all", "codes"] = Field("all", description="What learns: model and codes, or codes only.")
    control: bool = Field(
        True, description="Also train the model without codebooks, to tell what codes cost from what training gains."
    )
    checkpoint_every: PositiveInt = Field(200, description="Steps between checkpoints.")
    training: Annotated[dict[str, Any], Hidden()] = Field(default_factory=dict, description="The loop's own keys.")
    resume: bool = Field(False, description="Go on with unfinished work in the same folder.")
    dry_run: bool = Field(False, description="Only say what it would cost: tokens, memory, disk, time.")
    out: Path | None = Field(None, description="Folder of the run. Left out: runs/codebook-MODEL-ID.")
