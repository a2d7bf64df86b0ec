"""What the page of an attribution graph shows: the graph, what is known of its features, and its scores in words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mechlab.circuits.attribution.described import DescribedGraph, node_id
from mechlab.circuits.attribution.exchange_json import graph_to_json
from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.views.numbers import fixed, number, share
from mechlab.views.report_data import Fact
from mechlab.views.tokens import alone, in_text


class ScoreInWords(Config):
    """A score, and what it means."""

    label: str
    value: str
    meaning: str


class AttributionPageData(Config):
    """Everything the page shows; `features` holds feature files by `LAYER.NUMBER`, of the graph's features only."""

    title: str
    model: str
    slug: str
    asked: str
    scores: tuple[ScoreInWords, ...] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    graph: dict[str, Any]
    features: dict[str, Any]

    @classmethod
    def of(cls, described: DescribedGraph, details: Mapping[str, Mapping[str, Any]]) -> "AttributionPageData":
        """Return what the page of a graph shows.

        Raises:
            UsageError: what is told of a feature is no JSON, or the metadata are damaged.
        """
        metadata = described.metadata
        return cls(
            title=in_text(metadata["prompt"]) or metadata["slug"],
            model=metadata["scan"],
            slug=metadata["slug"],
            graph=graph_to_json(described),
            features=dict(_features(described, details)),
            **_words(described),
        )


def _words(described: DescribedGraph) -> dict[str, Any]:
    """Return what the metadata tell, in words; what others wrote may be of any shape."""
    metadata = described.metadata
    try:
        own = metadata.get("mechlab") or {}
        return {
            "asked": " ".join([_asked(described), *_kept(own)]).replace(" %", "\u00a0%"),
            "scores": tuple(_scores(own.get("scores") or {})),
            "notes": tuple(_notes(described, own)),
            "facts": tuple(_facts(metadata)),
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        remedy = f"{type(error).__name__}: {error}."
        raise UsageError("metadata of the graph are damaged", value=metadata["slug"], remedy=remedy) from None


def _asked(described: DescribedGraph) -> str:
    directions = (described.metadata.get("mechlab") or {}).get("directions", [])
    named = []
    for node in described.graph.nodes:
        if node.kind != "target":
            continue
        facts = described.facts[node.name]
        text = facts.label.removeprefix('Output "').rpartition('" (p=')[0] or facts.label
        is_direction = node_id(node, facts) in directions
        named.append(
            in_text(text) if is_direction else f"“{alone(text)}” (p\u00a0=\u00a0{fixed(facts.probability, 3)})"
        )
    if not named:
        return "Nothing is asked about."
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"What makes {', '.join(named[:5])}{more}?"


def _kept(own: Mapping[str, Any]) -> Iterator[str]:
    kept = own.get("kept")
    if not kept:
        yield "The file tells neither scores nor what was pruned."
        return
    active, traced = kept["of_features_active"], kept["of_features_traced"]
    among = f"{number(active)} active features" + (f", {number(traced)} of them traced" if traced < active else "")
    yield (
        f"Kept are {number(kept['features'])} of {among}, and {number(kept['edges'])} links. "
        f"Features and errors kept hold {share(kept['influence'])} of the influence of all; along the links kept comes "
        f"{share(kept['of_targets'])} of what the outputs take, biases left out."
    )


def _scores(scores: Mapping[str, float]) -> Iterator[ScoreInWords]:
    told = {
        "replacement": ("Replacement score", "of what does not end at biases ends at tokens, positions or BOS"),
        "completeness": ("Completeness score", "of what outputs and traced features take is not from errors"),
        "bias_share": ("Bias share", "of the outputs' influence ends at biases"),
        "largest_miss": ("Largest miss", "of a node's value its row and bias leave out: rounding"),
    }
    for key, (label, meaning) in told.items():
        if key in scores:
            value = number(scores[key], 2) if key == "largest_miss" else share(scores[key])
            yield ScoreInWords(label=label, value=value, meaning=meaning)


def _notes(described: DescribedGraph, own: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "The graph tells how the model with transcoders in place of its MLPs, its attention patterns and norm divisors "
        "held still, comes to its outputs on this prompt. It is exact for that model; what the real one does when it "
        "may react is measured by intervening."
    )
    yield (
        "An error is what a transcoder leaves of an MLP's output: real, and not explained. A link's number is an "
        "effect in its target's unit; the percentage is its part of all that the target takes, sizes added up."
    )
    if own:
        yield (
            "Biases are one node for all rows. They, positions and what MLPs write at BOS are never pruned. What a row "
            "holds and the list does not show was pruned away, and stands beside it."
        )
    else:
        yield "The file has no nodes for biases and positions: effects into a node need not sum to its value."
    yield "The slider hides features and errors beyond a share of the influence, the least influential first."
    if described.n_unclear:
        yield (
            f"{number(described.n_unclear)} links come from a name that the file gives to a feature and to an error; "
            "they are taken for the feature's."
        )


def _facts(metadata: Mapping[str, Any]) -> Iterator[Fact]:
    names = {"node_threshold": "nodes kept by influence", "edge_threshold": "links kept by influence"}
    names |= {"max_n_logits": "outputs at most", "desired_logit_prob": "probability of outputs"}
    names |= {"max_feature_nodes": "features traced at most"}
    for part in ("pruning_settings", "generation_settings"):
        for key, value in (metadata.get(part) or {}).items():
            if key in names and isinstance(value, int | float) and value:
                yield Fact(label=names[key], value=number(value) if isinstance(value, int) else share(value))
    info = metadata.get("info") or {}
    if info.get("generator", {}).get("name"):
        made = info["generator"]
        yield Fact(label="made by", value=f"{made['name']} {made.get('version', '')}".strip())
    if info.get("description"):
        yield Fact(label="description", value=str(info["description"]))
    if transcoders := metadata.get("transcoder_list"):
        yield Fact(label="transcoders", value=", ".join(map(str, transcoders)))


def _features(
    described: DescribedGraph, details: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    wanted = {
        f"{node.layer}.{described.facts[node.name].number}" for node in described.graph.nodes if node.kind == "feature"
    }
    for name in sorted(wanted & set(details)):
        try:
            yield name, json.loads(json.dumps(dict(details[name]), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise UsageError("what is told of a feature is no JSON", value=name, remedy=f"{error}.") from None
