"""The paths that bring most on average over prompts whose tokens stand alike.

1. Search the paths of every prompt by itself.
2. Follow each path that was found anywhere through every prompt: where a feature is off, it brings nothing.
3. Take the mean, with what it was in every prompt beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.circuits.attribution.frozen_pass import FrozenPass
from mechlab.circuits.attribution.path_following import followed_paths
from mechlab.circuits.attribution.path_search import PathSearch, top_paths
from mechlab.circuits.attribution.paths import Path
from mechlab.circuits.attribution.targets import Targets
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT, Progress


@dataclass(frozen=True, eq=False)
class MeanPath:
    """A path over several prompts.

    Attributes:
        path: with the means of what its steps bring.
        by_prompt: what the whole path brings in each prompt.
    """

    path: Path
    by_prompt: Float64[Tensor, "n_prompts"]

    def __str__(self) -> str:
        return f"{self.path}  in {int((self.by_prompt != 0).sum())} of {len(self.by_prompt)} prompts"


def mean_paths(
    passes: Sequence[tuple[FrozenPass, Targets]],
    *,
    n: int | None = 20,
    search: PathSearch | None = None,
    names: Sequence[str] = (),
    progress: Progress = SILENT,
) -> tuple[MeanPath, ...]:
    """Return the paths that bring most to the targets on average, the largest first, whatever its sign.

    A path is one in every prompt if its steps and their positions are: a token's is the same whichever token stands
    there.

    Args:
        passes: each prompt's pass and targets, equally many of both.
        n: how many paths are asked of every prompt, and given back; None is all.
        search: how widely.
        names: what the targets are called.
        progress: where to report.

    Raises:
        UsageError: there is no prompt, or prompts have different lengths or numbers of targets.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (effects averaged over prompts);
    paths and that none is left out where it was not found are ours.
    """
    sizes = {(frozen.n_pos, len(targets)) for frozen, targets in passes}
    if len(sizes) != 1:
        value = sorted(n_pos for n_pos, _ in sizes)
        raise UsageError("prompts are not alike", value=value, remedy="Give some of one length, with equal targets.")
    found: dict[tuple, None] = {}
    with progress.task("searching paths", 2 * len(passes), "passes") as task:
        for frozen, targets in passes:
            found |= {path.steps: None for path in top_paths(frozen, targets, n=n, search=search, names=names)}
            task.advance(1)
        followed = []
        for frozen, targets in passes:
            followed.append(followed_paths(frozen, targets, found))
            task.advance(1)
    means = [_mean(one) for one in zip(*followed, strict=True)]
    return tuple(sorted(means, key=lambda one: -abs(one.path.contribution))[:n])


def _mean(paths: Sequence[Path]) -> MeanPath:
    effects = torch.tensor([path.effects for path in paths], dtype=torch.float64)
    return MeanPath(Path(paths[0].steps, tuple(effects.mean(0).tolist())), effects[:, 0])
