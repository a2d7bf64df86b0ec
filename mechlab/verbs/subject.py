"""The subject of a run: a model, a place in it, and the text it reads. Options that several verbs share."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from mechlab.core.config import Config
from mechlab.verbs.outcome import Hidden


class ReadingConfig(Config):
    """A model and the text it reads."""

    model: str = Field("tales", description="Built-in name, Hugging Face folder, or hub name.")
    corpus: str | None = Field(
        None,
        description="Built-in name, text/JSONL/Parquet/Arrow file or folder, hub name, or `sampled`: text the model "
        "itself writes. Left out: the corpus of a built-in model.",
    )
    text_column: str = Field("text", description="Column that holds the text, in files of tables.")
    tokens: PositiveInt = Field(2_000_000, description="Tokens to train on.")
    eval_tokens: PositiveInt = Field(100_000, description="Held-out tokens to judge by.")
    row_length: int = Field(128, ge=2, description="Tokens per row, the start token included.")
    seed: NonNegativeInt = Field(0, description="Seed of every draw.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Left out: one for a small model, else all.")


class SubjectConfig(ReadingConfig):
    """What is looked at: one place in a model, or a pair of them."""

    site: str = Field(
        "resid_post.2",
        description="Place in the model: resid_post.2, mlp_out.0, blocks.2.hook_resid_post. mlp.L: from what enters "
        "the MLP to what it gives; mlp: of every layer. Several, parted by commas, stand side by side.",
    )
    target: str | None = Field(
        None,
        exclude=True,  # the run says by name where it went, and only if it went elsewhere
        description="Place to rebuild from the site, which makes it a transcoder. Left out: the site itself.",
    )
    needs_target: Annotated[bool, Hidden()] = Field(False, exclude=True, description="Refuse a site without a target.")
