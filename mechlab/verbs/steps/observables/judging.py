"""What heads do for an observable in prompts, beside what weights alone tell, and beside observables drawn at random.

1. Prompt pairs of a task; each head's values are exchanged for the other prompt's (OV patching).
2. Lengths from weights rank heads by the mean size of that: Spearman's correlation, prompts redrawn.
3. Null: the same weights for tokens drawn at random. Its lengths rank the same heads; p is how often they do as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from mechlab.circuits.effects import passes
from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.ov_patching import ov_patching
from mechlab.circuits.observables.pull_back import head_lengths
from mechlab.circuits.observables.pulling import NormRules
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.randomness import torch_generator
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.corpora.tasks.prompting import prompt_pairs
from mechlab.metrics.agreement import rank_correlation
from mechlab.metrics.bootstrap import mean_estimate
from mechlab.metrics.rank_agreement import rank_agreement
from mechlab.models import MODELS
from mechlab.models.language_model import LanguageModel
from mechlab.store.manifest import Metric
from mechlab.verbs.observe_options import ObserveOptions

ROWS_AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class Judged:
    """What heads do, prompt by prompt, and how well lengths rank them.

    Attributes:
        scores: what each head's values bring to the clean prompt's observable, in nats.
        metrics: of the prompts and of the ranking.
    """

    scores: Float64[Tensor, "n n_heads_in_all"]
    metrics: dict[str, Metric]

    def columns(self) -> dict[str, Tensor]:
        """Return the mean of each head with its interval, and the mean size."""
        found = [mean_estimate(self.scores[:, place]) for place in range(self.scores.shape[1])]
        told = {name: [getattr(one, name) for one in found] for name in ("value", "low", "high")}
        names = {"value": "effect", "low": "low", "high": "high"}
        columns = {names[name]: torch.tensor(values, dtype=torch.float64) for name, values in told.items()}
        return {**columns, "size": self.scores.abs().mean(0)}


def style_of(config: ObserveOptions) -> str:
    """Return the wording of the prompts."""
    return config.style or ("tales" if config.model in MODELS else "plain")


def asked_prompts(config: ObserveOptions, model: LanguageModel) -> tuple[PromptPairs, ...]:
    """Return the prompts; none where no task is given.

    Raises:
        UsageError: the task is unknown, the model has no tokenizer, a setting is not the task's, or the task has fewer
            different prompts than asked.
    """
    if config.task is None:
        if config.corruption is not None:
            remedy = "Give --task, too."
            raise UsageError("there are no prompts to corrupt", value=config.corruption, remedy=remedy)
        return ()
    own = {} if config.corruption is None else {"corruption": config.corruption}
    settings = {"n": config.prompts, "seed": config.seed, "style": style_of(config), **own}
    return prompt_pairs(model.tokenizer, config.task, **settings)


def judged(
    config: ObserveOptions,
    model: LanguageModel,
    observable: Observable,
    lengths: Float64[Tensor, "n_heads_in_all"],
    batches: Sequence[PromptPairs],
) -> Judged:
    """Return what heads do in the prompts, and how well their lengths and those of drawn observables rank that."""
    found = ov_patching(model, batches, observable, recomputed=config.effect == "recomputed")
    chosen = {"real": found.real, "frozen": found.frozen, "recomputed": found.recomputed}[config.effect]
    assert chosen is not None
    scores = chosen.values
    own = rank_agreement(lengths, scores)
    drawn = drawn_agreements(config, model, observable, scores)
    metrics: dict[str, Metric] = {
        "n_prompts": len(scores),
        **_observed(model, observable, batches),
        "spearman": own,
        "random_spearman": _spread(drawn),
        "random_p": None if own is None else (1 + sum(one >= own.value for one in drawn)) / (1 + len(drawn)),
    }
    return Judged(scores, metrics)


def drawn_agreements(
    config: ObserveOptions, model: LanguageModel, observable: Observable, scores: Float64[Tensor, "n n_heads_in_all"]
) -> list[float]:
    """Return how well lengths for observables drawn at random rank heads by what they do for this one."""
    draw, rules = torch_generator(config.seed, "observables drawn"), NormRules.all(config.norms)
    sizes, found = scores.abs().mean(0).tolist(), list[float]()
    for one in drawn_observables(model, observable, config.draws, draw):
        own = rank_correlation(head_lengths(model, one, rules).flatten().tolist(), sizes)
        found += [] if own is None else [own]
    return found


def drawn_observables(model: LanguageModel, observable: Observable, n: int, draw: torch.Generator) -> list[Observable]:
    """Return observables with the same weights for as many tokens, each drawn once from those that are text.

    Raises:
        UsageError: the observable has more tokens than there are.
    """
    special = model.tokenizer.special_ids if model.tokenizer else frozenset[int]()
    known = torch.tensor([token for token in range(model.spec.d_vocab) if token not in special])
    size = len(observable.tokens)
    if size > len(known):
        raise UsageError("too few tokens to draw observables from", value=len(known), remedy=f"It has {size}.")
    picked = (known[torch.randperm(len(known), generator=draw)[:size]].tolist() for _ in range(n))
    return [
        Observable(name=f"random {number}", tokens=tuple(tokens), weights=observable.weights)
        for number, tokens in enumerate(picked)
    ]


def _spread(values: list[float]) -> Estimate | None:
    """Return the mean of drawn values, and where 95 % of them lie."""
    if not values:
        return None
    own = torch.tensor(values, dtype=torch.float64)
    low, high = (float(own.quantile(share)) for share in (0.025, 0.975))
    return Estimate(value=min(max(float(own.mean()), low), high), low=low, high=high, n=len(own))


@torch.no_grad()
def _observed(model: LanguageModel, observable: Observable, batches: Sequence[PromptPairs]) -> dict[str, Metric]:
    """Return the observable's mean after clean and after corrupted prompts."""
    found = {"clean": list[Tensor](), "corrupted": list[Tensor]()}
    for pairs in passes(batches, ROWS_AT_ONCE):
        for name, tokens in (("clean", pairs.clean), ("corrupted", pairs.corrupted)):
            found[name].append(observable.value(model.logits(tokens.to(model.device))[:, -1]).double().cpu())
    return {f"observable_{name}": mean_estimate(torch.cat(values), unit="nats") for name, values in found.items()}
