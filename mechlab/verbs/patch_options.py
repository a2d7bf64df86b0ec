"""Which task and model, how parts are scored, and how circuits are chosen: options of `mechlab patch`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from mechlab.core.config import Config
from mechlab.verbs.outcome import Positional


class PatchOptions(Config):
    """What is asked, and what is patched."""

    task: Annotated[str, Positional()] = Field(description="Prompt-pair task, such as ioi or greater_than.")
    model: str = Field("tales", description="Built-in name, Hugging Face folder, or hub name.")
    method: str = Field(
        "eap-ig",
        description="eap-ig, eap, edges (exact): of edges; attribution, activation (exact): of nodes; path (exact).",
    )
    path: tuple[str, ...] = Field(
        (), description="With path: a source, then who reads it, parted by commas, as head.0.1,head.2.3.q,logits."
    )
    prompts: int = Field(
        100, ge=4, description="Prompt pairs; parts are scored on half, circuits judged on the others."
    )
    style: Literal["plain", "tales"] | None = Field(
        None, description="Wording of the prompts. Left out: tales for the built-in model, else plain."
    )
    corruption: str | None = Field(
        None, description="What the corrupted prompts change, for tasks that have several (ioi: flip, swap, abc)."
    )
    outcome: Literal["logit_difference", "probability_difference"] = Field(
        "logit_difference", description="What parts are worth something for."
    )
    direction: Literal["noising", "denoising"] = Field(
        "noising", description="Patch corrupted into clean prompts (noising), or clean into corrupted (denoising)."
    )
    steps: PositiveInt = Field(5, description="Steps of the integrated gradient, with eap-ig.")
    kinds: tuple[Literal["head", "attn_out", "mlp_out", "resid_pre"], ...] = Field(
        ("head", "mlp_out"), description="Nodes, parted by commas: head, attn_out, mlp_out, resid_pre."
    )
    at: tuple[str, ...] = Field(
        (), description="Roles at which nodes are patched, such as S2,END. Left out: all tokens."
    )
    select: Literal["best", "greedy"] = Field(
        "best", description="Edges of a circuit: the best of all, or grown from the logits down."
    )
    by: Literal["signed", "size"] = Field(
        "signed", description="Rank by signed scores (what supports the answer), or by their size (what matters)."
    )
    draws: PositiveInt = Field(5, description="Random rankings to compare with.")
    top: PositiveInt = Field(15, description="Nodes or edges to list, the largest first.")
    seed: NonNegativeInt = Field(0, description="Seed of prompts and of random rankings.")
    out: Path | None = Field(None, description="Folder of the run. Left out: runs/patch-TASK-MODEL-ID.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Left out: one for a small model, else all.")
