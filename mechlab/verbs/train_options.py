"""What to train, on what, how long, and where to put it: the options of a training run."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from mechlab.core.config import Config
from mechlab.verbs.outcome import Hidden
from mechlab.verbs.subject import SubjectConfig


class LoopOptions(Config):
    """How dictionaries of a kind are trained; `dictionary` and `training` reach every key of the kind and the loop."""

    kind: Annotated[str, Hidden()] = Field("topk", description="Dictionary kind.")
    batch_size: PositiveInt = Field(4096, description="Tokens per training step.")
    lr: PositiveFloat | None = Field(
        None, description="Peak learning rate. Left out: 1e-3 at 2,048 features, falling with their root."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="What training multiplies in. bfloat16 rounds, and is quicker where the processor knows it.",
    )
    pool: PositiveInt = Field(65_536, description="Activations the shuffling pool holds.")
    checkpoint_every: PositiveInt = Field(200, description="Steps between checkpoints.")
    dictionary: Annotated[dict[str, Any], Hidden()] = Field(default_factory=dict, description="The kind's own keys.")
    training: Annotated[dict[str, Any], Hidden()] = Field(default_factory=dict, description="The loop's own keys.")
    resume: bool = Field(False, description="Go on with unfinished work in the same folder.")
    dry_run: bool = Field(False, description="Only say what it would cost: tokens, memory, disk, time.")


class TrainOptions(LoopOptions, SubjectConfig):
    """A training run of one dictionary."""

    features: PositiveInt = Field(2048, description="Features of the dictionary, all layers together (d_sae).")
    init_seed: NonNegativeInt | None = Field(
        None,
        exclude=True,  # the run notes it only where it is another than --seed
        description="Seed of the dictionary's first weights, the text and its order staying. Left out: --seed.",
    )
    parallel: str | None = Field(
        None,
        description="What the processes that torchrun starts share: rows of the batch, or features. [default: rows]",
    )
    out: Path | None = Field(None, description="Folder of the run. Left out: runs/KIND-MODEL-SITE-ID.")
