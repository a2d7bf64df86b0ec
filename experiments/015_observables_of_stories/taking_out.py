"""What does it cost to make a model tell genders apart less? Directions are taken out of the stream, everywhere.

1. The gap: how far an observable differs between twins, on average over held-out pairs.
2. Each edit takes some directions out: what is left of the gap, of that of other observables, of right pronouns, and
   the loss on text, on pronouns and elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from few_labels import Examples, drawn_labels, examples, longest_head, mean_difference
from jaxtyping import Bool, Float64
from ranking import CHEAP, at_head
from subject import Subject
from telling import told
from through_mlps import Prompt, before_mlps, through_mlps, unlabelled
from torch import Tensor
from twins import CAUSE

import mechlab
from mechlab.circuits.observables.debiasing import part_along
from mechlab.circuits.observables.observable import Observable
from mechlab.circuits.observables.parts import parts_of
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.corpora.tasks.pairs import END, PromptPairs
from mechlab.metrics.bootstrap import estimate, mean_estimate
from mechlab.metrics.language import predictions_that_count
from mechlab.metrics.next_token import losses_where
from mechlab.metrics.side_effects import Edit, side_effects
from mechlab.models.language_model import Edit as Change
from mechlab.models.language_model import LanguageModel

Direction = Float64[Tensor, "d_model"]
Taken = Mapping[str, Sequence[Direction]]
Gaps = Float64[Tensor, "n_pairs"]
Endings = Sequence[tuple[PromptPairs, Tensor, Tensor]]


def taken_out(subject: Subject, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every edit does to the gap, to other observables' gaps, to right answers, and to the loss."""
    model, pronouns = subject.model, [one for one in subject.observables if " - h" in one]
    pairs = {one: subject.twins(one, "held out") for one in pronouns}
    text = subject.text.select(slice(0, settings["rows_of_loss"]))
    before = {one: endings(model, pairs[one]) for one in pronouns}
    own = {one: gaps(subject.observables[one], before[one]) for one in pronouns}
    words = [token for one in pronouns for token in subject.observables[one].tokens]
    said = torch.isin(text.tokens, torch.tensor(words))

    tokens = {"pronouns' loss, nats more": said, "others' loss, nats more": ~said}
    costs_of = {kind: Counted(model, text, which) for kind, which in tokens.items()}

    def measured(taken: Taken, share: float) -> dict[str, Any]:
        def opened() -> AbstractContextManager[None]:
            return without(model, taken, share)

        with opened():
            ends = {one: endings(model, pairs[one]) for one in pronouns}
        left = {one: gaps(subject.observables[one], ends[one]) for one in pronouns}
        costs = side_effects(model, text, opened)
        return {
            "gap left": {one: told(estimate(torch.stack([left[one], own[one]], 1), _ratio)) for one in pronouns},
            "right": {one: right_answers(ends[one]) for one in pronouns},
            "loss": told(costs.loss_increase),
            "kl, nats": told(costs.kl_nats),
            **{kind: counted.more(opened) for kind, counted in costs_of.items()},
        }

    found = {
        kind: measured(taken, settings["part"] if kind.endswith(", a part") else 1.0)
        for kind, taken in edits(subject, name, settings).items()
    }
    return {
        "site": f"resid_pre.{longest_head(model, subject.observables[name])[0]}",
        "gap, nats": {one: told(mean_estimate(values)) for one, values in own.items()},
        "right": {one: right_answers(before[one]) for one in pronouns},
        "pronouns, share of text": round(float(said[~text.special].double().mean()), 4),
        "edits": found,
    }


def edits(subject: Subject, name: str, settings: Mapping[str, Any]) -> dict[str, Taken]:
    """Return what each edit takes out, by sites, in front of the longest head if its name does not say otherwise."""
    model, observable = subject.model, subject.observables[name]
    layer, head = longest_head(model, observable)
    site, gain = f"resid_pre.{layer}", parts_of(model).norm(f"ln1.{layer}")
    prompts = unlabelled(subject.twins(name, "labelled"), settings["prompts"], settings["seed"])
    through = gain.pulled(through_mlps(model, observable, (layer, head), prompts), None, "cheap")
    found = {
        "observable": {site: [at_head(model, observable, (layer, head)).stream.double()]},
        "observable, through MLPs": {site: [through]},
        "observable, through MLPs, a part": {site: [through]},
        "all heads of the layer": {site: _of_layer(model, observable, layer)},
        "longest head of every layer": _longest_of_every_layer(model, observable),
        "all heads of every layer": {
            f"resid_pre.{one}": _of_layer(model, observable, one) for one in range(model.spec.n_layers)
        },
    }
    return found | _at_the_end(subject, name, settings, prompts) | _controls(subject, name, settings, layer, CAUSE)


def _at_the_end(
    subject: Subject, name: str, settings: Mapping[str, Any], prompts: Sequence[Prompt]
) -> dict[str, Taken]:
    """Return edits where no head follows but those of the last layer, and in front of the last norm."""
    model, observable, last = subject.model, subject.observables[name], subject.model.spec.n_layers - 1
    final = parts_of(model).norm("ln_final").pulled(observable.direction(model.weights()).double(), None, "cheap")
    taken = {"observable, last layer": {f"resid_pre.{last}": [before_mlps(model, observable, last, prompts)]}}
    for kind, control in _controls(subject, name, settings, last, END).items():
        taken[f"{kind}, last layer"] = control
    taken["raw observable, last norm"] = {f"resid_post.{last}": [final]}
    return taken | {f"{kind}, a part": one for kind, one in taken.items() if "drawn" not in kind}


def _controls(subject: Subject, name: str, settings: Mapping[str, Any], layer: int, role: str) -> dict[str, Taken]:
    """Return the raw observable, drawn directions, and mean differences of examples where a role stands."""
    model, observable, site = subject.model, subject.observables[name], f"resid_pre.{layer}"
    known = examples(model, observable, subject.twins(name, "labelled"), layer, role)
    draw = torch_generator(settings["seed"], f"directions taken out of {site}")
    drawn = torch.randn(settings["taken_draws"], model.spec.d_model, generator=draw).double()
    means = {f"mean difference, {seed}": _mean(known, settings["labels"], seed) for seed in settings["seeds"]}
    every = {"mean difference, all labels": mean_difference(known.stream, known.is_high)}
    raw = {"raw observable": observable.direction(model.weights()).double()}
    directions = raw | {f"drawn {number}": one for number, one in enumerate(drawn)} | means | every
    return {kind: {site: [one]} for kind, one in directions.items()}


def _of_layer(model: LanguageModel, observable: Observable, layer: int) -> list[Direction]:
    """Return directions at right angles that span those of all heads of a layer."""
    found = [at_head(model, observable, (layer, head)).stream.double() for head in range(model.spec.n_heads)]
    return list(torch.linalg.qr(torch.stack(found, 1)).Q.T)


def _longest_of_every_layer(model: LanguageModel, observable: Observable) -> dict[str, list[Direction]]:
    heads = enumerate(mechlab.head_lengths(model, observable, CHEAP).argmax(1).tolist())
    return {f"resid_pre.{head[0]}": [at_head(model, observable, head).stream.double()] for head in heads}


def _mean(known: Examples, n: int, seed: int) -> Direction:
    some = drawn_labels(known, n, seed)
    return mean_difference(some.stream, some.is_high)


@contextmanager
def without(model: LanguageModel, taken: Taken, share: float = 1.0) -> Iterator[None]:
    """Open a context in which every pass lacks directions at sites, or a share of them; several are at right angles."""
    with ExitStack() as stack:
        for site, directions in taken.items():
            for one in directions:
                whole = mechlab.debiased(model, site, one)
                stack.enter_context(whole if share == 1 else model.edit({site: _lessened(one, share)}))
        yield


def _lessened(direction: Direction, share: float) -> Change:
    return lambda activation: activation - share * part_along(activation, direction)


@torch.no_grad()
def endings(model: LanguageModel, batches: Sequence[PromptPairs]) -> Endings:
    """Return the logits behind both prompts of every pair, by batch."""
    return [(pairs, *(model.logits(side)[:, -1] for side in (pairs.clean, pairs.corrupted))) for pairs in batches]


def gaps(observable: Observable, ends: Endings) -> Gaps:
    """Return how far the observable differs between the prompts of each pair, whatever the sign."""
    return torch.cat([observable.value(clean) - observable.value(other) for _, clean, other in ends]).abs().double()


def right_answers(ends: Endings) -> dict[str, float]:
    """Return how often the right word is above the wrong one, and above all words, over both prompts of each pair."""
    above, first = list[Tensor](), list[Tensor]()
    for pairs, *sides in ends:
        for logits, right in zip(sides, (pairs.is_right, pairs.is_right_corrupted), strict=True):
            own = logits.gather(1, pairs.candidates)
            above.append(right.gather(1, own.argmax(1, keepdim=True))[:, 0])
            first.append((pairs.candidates == logits.argmax(1, keepdim=True)).logical_and(right).any(1))
    return {
        kind: round(float(torch.cat(one).double().mean()), 4)
        for kind, one in (("above the other", above), ("first of all", first))
    }


def _ratio(totals: Float64[Tensor, "n_draws 2"]) -> Float64[Tensor, "n_draws"]:
    return totals[:, 0] / totals[:, 1]


class Counted:
    """What some tokens of a text cost a model as it is, each, and how much more under an edit."""

    def __init__(self, model: LanguageModel, text: TokenRows, which: Bool[Tensor, "n_rows pos"]) -> None:
        self._model, self._tokens = model, text.tokens
        self._counts = predictions_that_count(~text.special) & which[:, 1:]
        self._before = losses_where(model, self._tokens, self._counts)

    def more(self, opened: Edit) -> list[float] | None:
        """Return the difference in nats, with its interval over rows."""
        with opened():
            after = losses_where(self._model, self._tokens, self._counts)
        return told(estimate(torch.stack([after[:, 0] - self._before[:, 0], self._before[:, 1]], 1), _ratio))
