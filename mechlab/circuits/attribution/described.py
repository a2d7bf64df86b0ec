"""An attribution graph as a viewer is told of it: nodes and effects, facts of every node, and what the graph is of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt

from mechlab.circuits.graph import Graph, Node
from mechlab.core.config import Config

BIAS = Node("bias", "bias")
Share = Annotated[float, Field(gt=0, le=1)]


class GraphCard(Config):
    """What a graph is of and how it was made.

    Attributes:
        slug: its name in lists and file names.
        scan: the model's name, or what else the features' viewer goes by.
        prompt_tokens: texts of the tokens, one for each position.
        transcoder_list: names of the transcoders, by layer.
        labels: what features are called, by `LAYER.NUMBER`.
        node_threshold, edge_threshold: shares that `pruned` was told to keep.
        max_n_logits, desired_logit_prob: how targets were chosen; 0 where they were named.
        max_feature_nodes: how many features were to be traced; 0 is all.
        create_time_ms: since 1970; 0 keeps equal graphs equal.
    """

    slug: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=120)
    scan: str = Field(min_length=1)
    prompt_tokens: tuple[str, ...]
    transcoder_list: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    node_threshold: Share = 0.8
    edge_threshold: Share = 0.98
    max_n_logits: NonNegativeInt = 0
    desired_logit_prob: float = Field(0.0, ge=0, le=1)
    max_feature_nodes: NonNegativeInt = 0
    description: str = ""
    create_time_ms: NonNegativeInt = 0


@dataclass(frozen=True)
class TargetName:
    """What a target is called.

    Attributes:
        label: such as the token's text, or `snow less pumpkin`.
        token: its number in the vocabulary; None if the target is no single logit.
        probability: what the model gave the token; 0 where there is none.
    """

    label: str
    token: int | None = None
    probability: float = 0.0


@dataclass(frozen=True)
class NodeFacts:
    """What is known of a node beside its place.

    Attributes:
        number: of a feature within its layer, of a token in the vocabulary; -1 where there is none.
        label: what it is called; empty if nothing.
        influence: the share of all influence that this node and all with more of it have: small is important; None
            for what is never pruned.
        activation: the feature's code.
        probability: what the model gave the token.
        is_target: whether it is the foremost of the targets.
        extra: what else a file says of it, by its name there.
    """

    number: int = -1
    label: str = ""
    influence: float | None = None
    activation: float | None = None
    probability: float = 0.0
    is_target: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DescribedGraph:
    """A graph that a viewer can show.

    Attributes:
        graph: nodes and effects.
        facts: of every node, by its name.
        metadata: what the graph is of, in the words of the exchange format.
        marks: what people pinned, grouped and chose, in the words of the exchange format.
        n_unclear: links of a foreign file whose source may be either of two nodes; the feature was taken.
    """

    graph: Graph
    facts: Mapping[str, NodeFacts]
    metadata: Mapping[str, Any]
    marks: Mapping[str, Any]
    n_unclear: int = 0


def no_marks() -> dict[str, Any]:
    """Return the marks of a graph that nobody worked on yet."""
    return {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""}


def node_id(node: Node, facts: NodeFacts) -> str:
    """Return a node's name in the exchange format."""
    match node.kind:
        case "feature":
            return f"{node.layer}_{facts.number}_{node.position}"
        case "error":
            return f"err_{node.layer}_{node.position}"
        case "token":
            return f"E_{facts.number}_{node.position}"
        case "target" if node.layer is not None:
            return f"{node.layer + 1}_{facts.number}_{node.position}"
        case "position":
            return f"bias_position_{node.position}"
        case "bos":
            return f"bias_bos_{node.layer}"
        case "bias":
            return "bias_all"
    return node.name
