"""Do lengths of handed-back directions rank heads by what they are worth? Every head, with nulls.

1. Predicted without data: the length of the direction each head reads (`length`), without norms' gains (`no gains`),
   and the spread of what it reads over the vocabulary's embeddings, as its norm would make them (`spread`).
   `relative` is the length over the median length for drawn observables.
2. Predicted from text or prompts without labels: the spread of what each head writes along the observable (`written`),
   and the length of what is handed back through the MLPs, too (`through MLPs`).
3. Measured: the mean over twin pairs of what a head's values are worth, its sign turned where the first class is clean.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from scipy.stats import rankdata
from subject import Subject
from telling import null, told
from through_mlps import Prompt, through_mlps, unlabelled
from torch import Tensor

import mechlab
from mechlab.circuits.observables.observable import Observable, from_vector
from mechlab.circuits.observables.parts import parts_of
from mechlab.circuits.observables.pulling import NormRules, Pulled
from mechlab.core.randomness import torch_generator
from mechlab.corpora.rows import TokenRows
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.metrics.agreement import rank_correlation
from mechlab.metrics.bootstrap import from_draws, mean_estimate, resampled
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head

CHEAP = NormRules.all("cheap")
Scores = Float64[Tensor, "n n_heads_in_all"]
OfHeads = Float64[Tensor, "n_heads_in_all"]


def ranked(subject: Subject, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return how every prediction ranks heads, in every way of measuring, and the nulls."""
    model, observable, pairs = subject.model, subject.observables[name], subject.twins(name, "held out")
    found = mechlab.ov_patching(model, pairs, observable, recomputed=True)
    turn = torch.cat([signs(one) for one in pairs])[:, None]
    assert found.recomputed is not None
    scores = {"straight": found.real, "frozen": found.frozen, "recomputed": found.recomputed}
    measured = {way: one.values * turn for way, one in scores.items()}
    drawn = drawn_lengths(model, settings)
    prompts = unlabelled(subject.twins(name, "labelled"), settings["prompts"], settings["seed"])
    predicted = {
        **without_data(model, observable, drawn),
        "written": written(model, observable, subject.text, settings),
        "through MLPs": _through_mlps(model, observable, prompts),
    }
    return {
        "n_pairs": len(turn),
        "heads": _table(model, predicted, measured),
        "spearman": {
            way: {kind: told(rank_agreement(one, values)) for kind, one in predicted.items()}
            for way, values in measured.items()
        },
        "nulls": {way: _nulls(predicted, values.mean(0), drawn, settings) for way, values in measured.items()},
        "length less W_OV": told(_difference(predicted["length"], predicted["W_OV"], measured["straight"])),
    }


def signs(pairs: PromptPairs) -> Float64[Tensor, "n"]:
    """Return -1 where the class that the observable is low for is the clean one, 1 elsewhere."""
    return torch.tensor([-1.0 if fact["first_is_clean"] else 1.0 for fact in pairs.facts], dtype=torch.float64)


def without_data(
    model: LanguageModel, observable: Observable, drawn: Float64[Tensor, "n_drawn n_heads_in_all"]
) -> dict[str, OfHeads]:
    """Return what the weights alone predict of every head; `W_OV` knows no observable."""
    lengths = {"length": CHEAP, "no gains": NormRules.all("skip")}
    found = {kind: mechlab.head_lengths(model, observable, rules).double().flatten() for kind, rules in lengths.items()}
    relative = found["length"] / drawn.median(0).values
    return found | {"relative": relative, "spread": spread(model, observable), "W_OV": _sizes(model)}


def _through_mlps(model: LanguageModel, observable: Observable, prompts: Sequence[Prompt]) -> OfHeads:
    """Return the length of the direction at every head, the norm's gain included."""
    parts, found = parts_of(model), list[Tensor]()
    for layer in range(model.spec.n_layers):
        read = [through_mlps(model, observable, (layer, head), prompts) for head in range(model.spec.n_heads)]
        found.append(parts.norm(f"ln1.{layer}").pulled(torch.stack(read), None, "cheap").norm(dim=1))
    return torch.cat(found)


def at_head(model: LanguageModel, observable: Observable, head: Head) -> Pulled:
    """Return the observable's directions at a head: of what it reads, and of the stream in front."""
    path = [f"head.{head[0]}.{head[1]}", "logits"]
    return mechlab.observable_directions(model, observable, path, rules=CHEAP)[-1]


def spread(model: LanguageModel, observable: Observable) -> OfHeads:
    """Return the spread, over all tokens' embeddings, of what each head reads along the observable."""
    parts, found = parts_of(model), list[Tensor]()
    for layer, values in enumerate(_writes(model, observable)):
        read = torch.einsum("he,hde->hd", values, parts.weights.layers[layer].W_V.double())
        found.append((parts.norm(f"ln1.{layer}")(parts.weights.W_E.double()) @ read.T).std(0))
    return torch.cat(found)


def _writes(model: LanguageModel, observable: Observable) -> list[Float64[Tensor, "n_heads d_head"]]:
    """Return along what each head's mixed values move the observable, by layer."""
    parts = parts_of(model)
    direction = parts.norm("ln_final").pulled(observable.direction(parts.weights).double(), None, "cheap")
    return [torch.einsum("d,hed->he", direction, layer.W_O.double()) for layer in parts.weights.layers]


def _sizes(model: LanguageModel) -> OfHeads:
    found = list[Tensor]()
    for layer in parts_of(model).weights.layers:
        gained = layer.ln1_w.double()[:, None] * layer.W_V.double()
        found.append((gained @ layer.W_O.double()).flatten(1).norm(dim=1))
    return torch.cat(found)


@torch.no_grad()
def written(model: LanguageModel, observable: Observable, text: TokenRows, settings: Mapping[str, Any]) -> OfHeads:
    """Return the spread, over the tokens of some rows, of what each head writes along the observable."""
    rows, values = text.select(slice(0, settings["rows_of_written"])), _writes(model, observable)
    seen = model.activations(rows.tokens.long(), [f"z.{layer}" for layer in range(model.spec.n_layers)])
    counts = ~rows.special
    return torch.cat(
        [
            torch.einsum("nhe,he->nh", seen[f"z.{layer}"][counts].double(), own).std(0)
            for layer, own in enumerate(values)
        ]
    )


def rank_agreement(predicted: OfHeads, scores: Scores) -> Any:
    """Return the rank correlation of a prediction with the sizes of heads' mean scores; prompt pairs are redrawn."""
    return from_draws(_ranks(predicted, scores), n=len(scores))


def _ranks(predicted: OfHeads, scores: Scores) -> Float64[Tensor, "n_draws"]:
    """Return the rank correlation for the scores as they are, and for every redraw of the prompt pairs."""
    sizes, lengths = rankdata(resampled(scores).abs().numpy(), axis=1), rankdata(predicted.numpy())
    level, own = sizes - sizes.mean(1, keepdims=True), lengths - lengths.mean()
    return torch.from_numpy(level @ own / (np.linalg.norm(level, axis=1) * np.linalg.norm(own)))


def _difference(one: OfHeads, other: OfHeads, scores: Scores) -> Any:
    return from_draws(_ranks(one, scores) - _ranks(other, scores), n=len(scores))


def drawn_lengths(model: LanguageModel, settings: Mapping[str, Any]) -> Float64[Tensor, "n_drawn n_heads_in_all"]:
    """Return the lengths at every head for drawn observables, and for as many differences of two words."""
    draw = torch_generator(settings["seed"], "observables drawn")
    drawn = [*drawn_observables(model, settings["draws"], draw), *_word_pairs(model, settings["draws"], draw)]
    return torch.stack([mechlab.head_lengths(model, one, CHEAP).double().flatten() for one in drawn])


def _nulls(
    predicted: Mapping[str, OfHeads],
    means: OfHeads,
    drawn: Float64[Tensor, "n_drawn n_heads_in_all"],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return how lengths for drawn observables rank the same heads, and the right lengths dealt out to other heads."""
    sizes, draw, length = means.abs().tolist(), torch_generator(settings["seed"], "heads dealt"), predicted["length"]
    own = {kind: rank_correlation(predicted[kind].tolist(), sizes) or 0.0 for kind in ("length", "relative")}
    dealt = [length[torch.randperm(len(length), generator=draw)] for _ in range(settings["shuffles"])]
    others = {"drawn": drawn[: settings["draws"]], "two words": drawn[settings["draws"] :], "shuffled": dealt}
    found = {
        kind: null([rank_correlation(one.tolist(), sizes) or 0.0 for one in lengths], own["length"])
        for kind, lengths in others.items()
    }
    relative = [rank_correlation(one.tolist(), sizes) or 0.0 for one in drawn / drawn.median(0).values]
    return found | {"drawn or two words, relative": null(relative, own["relative"])}


def drawn_observables(model: LanguageModel, n: int, draw: torch.Generator) -> list[Observable]:
    """Return observables that weigh all logits by a normal distribution."""
    size = model.spec.d_vocab
    return [from_vector(f"drawn {number}", torch.randn(size, generator=draw)) for number in range(n)]


def _word_pairs(model: LanguageModel, n: int, draw: torch.Generator) -> list[Observable]:
    pairs = [torch.randperm(model.spec.d_vocab, generator=draw)[:2].tolist() for _ in range(n)]
    return [Observable(name=str(pair), tokens=tuple(pair), weights=(1.0, -1.0)) for pair in pairs]


def _table(
    model: LanguageModel, predicted: Mapping[str, OfHeads], measured: Mapping[str, Scores]
) -> list[dict[str, Any]]:
    """Return a row for every head, the longest direction first."""
    names = [f"{layer}.{head}" for layer in range(model.spec.n_layers) for head in range(model.spec.n_heads)]
    order = predicted["length"].argsort(descending=True).tolist()
    return [
        {"head": names[place]}
        | {kind: round(float(values[place]), 4) for kind, values in predicted.items()}
        | {way: told(mean_estimate(values[:, place])) for way, values in measured.items()}
        for place in order
    ]
