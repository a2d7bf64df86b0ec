"""A node's name in the exchange format tells what it is and where, and no two kinds share one."""

import pytest
from pydantic import ValidationError

from mechlab.circuits.attribution.described import BIAS, GraphCard, NodeFacts, node_id
from mechlab.circuits.graph import Node


@pytest.mark.parametrize(
    ("node", "number", "wanted"),
    [
        (Node("feature.0.5@3", "feature", 0, 3), 5, "0_5_3"),
        (Node("error.5@3", "error", 5, 3), -1, "err_5_3"),
        (Node("token@3", "token", None, 3), 17, "E_17_3"),
        (Node("logit.17@5", "target", 12, 5), 17, "13_17_5"),
        (Node("position@3", "position", None, 3), -1, "bias_position_3"),
        (Node("bos.2", "bos", 2, 0), -1, "bias_bos_2"),
        (BIAS, -1, "bias_all"),
        (Node("lorsa 7", "lorsa", 2, 0), -1, "lorsa 7"),
    ],
)
def test_a_node_is_called_as_the_format_says(node, number, wanted):
    assert node_id(node, NodeFacts(number)) == wanted


@pytest.mark.parametrize("slug", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_slug_can_be_a_file_name(slug):
    with pytest.raises(ValidationError):
        GraphCard(slug=slug, scan="tiny", prompt_tokens=())
    assert GraphCard(slug="A-1_b.c", scan="tiny", prompt_tokens=()).slug
