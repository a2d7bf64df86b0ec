"""Which text goes on, what steers it how strongly, and what it is compared with: options of `mechlab steer`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.verbs.outcome import Positional

Operation = Literal["add", "ablate", "ablate_add", "project_clamp", "scale", "clamp", "min_clamp"]
ONE_OF = ("spec", "feature", "direction")


class SteerOptions(Config):
    """A prompt, one thing to steer by, and what is compared."""

    prompt: Annotated[str, Positional()] = Field(description="The text that goes on.")
    model: str = Field("tales", description="Built-in name, Hugging Face folder, or hub name.")
    spec: Path | None = Field(
        None, description="Steer by a spec (JSON); vectors it names are in the .safetensors file of the same name."
    )
    feature: str | None = Field(
        None, description="Steer by a feature, as RUN:NUMBER; for RUN a run's folder or id, or a SAELens folder."
    )
    direction: Path | None = Field(None, description="Steer by a direction, a file of `mechlab direction`.")
    strength: float = Field(
        1.0, description="How strongly, in the unit; of a spec all strengths are multiplied. 0 changes nothing."
    )
    unit: Literal["own", "mean_norm", "max_activation"] = Field(
        "own",
        description="own: the direction's natural length, or one unit of the feature's code. mean_norm: the mean "
        "length of what is at the site. max_activation: the largest there is on the text.",
    )
    operation: Operation = Field("add", description="What is done along the direction, or to the feature's code.")
    site: str | None = Field(None, description="Where. Left out: where the direction or feature belongs.")
    within: Literal["all", "prompt", "last_prompt", "decoded"] = Field("all", description="Which tokens are steered.")
    keep_norm: bool = Field(False, description="Bring what is changed back to the length it had.")
    tokens: PositiveInt = Field(60, description="Tokens to write.")
    temperature: NonNegativeFloat = Field(1.0, description="Of the draws; 0 takes the likeliest token.")
    seed: NonNegativeInt = Field(0, description="Seed of all draws.")
    compare: bool = Field(
        False, description="Write also without steering and with a random direction of equal size; make a page."
    )
    concept: str | None = Field(
        None, description="With --compare: a regular expression; tell how many texts have it, at several strengths."
    )
    judge: str | None = Field(
        None,
        description="Who answers --concept as a question, from 0 to 1, instead of a pattern: an address of chat "
        "completions (http://.../v1), a model, or a file of answers (answers.json of a run).",
    )
    also: tuple[str, ...] = Field((), description="Further prompts to compare on, parted by commas.")
    say: str | None = Field(None, description="A sentence to say before the prompts instead: prompting, as a rival.")
    ladder: tuple[PositiveFloat, ...] = Field(
        (0.25, 0.5, 0.75, 1.0, 1.5, 2.0), description="Multiples of the strength to try, with --concept."
    )
    texts: PositiveInt = Field(40, description="Texts after each prompt at each strength, with --concept.")
    most_increase: PositiveFloat = Field(
        0.15, description="How much more a token may cost the unsteered model, as a part, with --concept."
    )
    corpus: str | None = Field(
        None, description="Text to measure units and side effects on. Left out: that of a built-in model."
    )
    into: Path | None = Field(
        None,
        description="New folder for a checkpoint with the steering in its weights, for any library; whatever depends "
        "on tokens is refused.",
    )
    root: Path = Field(Path("runs"), description="Folder in which ids are looked up.")
    out: Path | None = Field(None, description="Folder of the comparison. Left out: runs/steer-MODEL-ID.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Left out: one for a small model, else all.")

    @model_validator(mode="after")
    def _fits_together(self) -> "SteerOptions":
        given = [name for name in ONE_OF if getattr(self, name) is not None]
        if len(given) != 1:
            value = " and ".join(f"--{name}" for name in given) or "nothing"
            raise UsageError("steer by one thing", value=value, remedy="Give --spec, --feature or --direction.")
        for name in ("concept", "judge", "also", "out"):
            if getattr(self, name) and not self.compare:
                raise UsageError(f"--{name} is for comparisons", value=getattr(self, name), remedy="Add --compare.")
        for name, what in (("say", "is a rival for a concept"), ("judge", "is asked about a concept")):
            if getattr(self, name) is not None and self.concept is None:
                raise UsageError(f"--{name} {what}", value=getattr(self, name), remedy="Add --compare --concept.")
        return self
