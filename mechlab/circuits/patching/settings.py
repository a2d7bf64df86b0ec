"""How prompts are patched: which is run and which is patched in, where, and how many go through the model at once.

`noising` runs the clean prompt and patches the corrupted one in: what is lost. `denoising` runs the corrupted prompt
and patches the clean one in: what is brought back. A score is positive where a part supports the clean answer.

Source: Heimersheim & Nanda 2024, "How to use and interpret activation patching", for the names and when they differ.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field, PositiveInt

from mechlab.circuits.effects import passes
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.pairs import PromptPairs

NodeKind = Literal["head", "attn_out", "mlp_out", "resid_pre"]


class PatchSettings(Config):
    """What every patching method is told."""

    direction: Literal["noising", "denoising"] = Field(
        default="noising",
        description="Run clean prompts and patch corrupted ones in (noising), or the other way round.",
    )
    steps: PositiveInt = Field(default=5, description="Steps of the integrated gradient, with eap-ig.")
    kinds: tuple[NodeKind, ...] = Field(
        default=("head", "mlp_out"), description="Nodes of activation and attribution patching."
    )
    at: tuple[str, ...] = Field(default=(), description="Roles at which each node is patched; none is every token.")
    rows_at_once: PositiveInt = Field(default=128, description="Rows in one pass.")

    @property
    def sign(self) -> float:
        """Return what makes a change of the outcome a score."""
        return -1.0 if self.direction == "noising" else 1.0


DEFAULT = PatchSettings()


def runs(batches: Sequence[PromptPairs], settings: PatchSettings) -> Iterator[PromptPairs]:
    """Yield the prompts as they are run: `clean` is run, `corrupted` patched in; the answers stay the clean prompt's.

    Raises:
        UsageError: there is no prompt.
    """
    if not sum(map(len, batches)):
        raise UsageError("no prompts to patch", value=len(batches), remedy="Pass the batches a task gave.")
    for pairs in passes(batches, settings.rows_at_once):
        yield as_run(pairs, settings)


def as_run(pairs: PromptPairs, settings: PatchSettings) -> PromptPairs:
    """Return pairs whose `clean` prompt is the one that is run; the answers stay those of the clean prompt."""
    if settings.direction == "noising":
        return pairs
    return replace(pairs, clean=pairs.corrupted, corrupted=pairs.clean)
