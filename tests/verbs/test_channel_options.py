"""The options of `mechlab channels`: heads by name, modes in their order."""

import pytest

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.verbs.channel_options import ChannelOptions


@pytest.mark.parametrize(
    ("given", "kept"), [(["v", "q"], ("q", "v")), (["k", "k"], ("k",)), (["q", "k", "v"], ("q", "k", "v"))]
)
def test_modes_stand_in_their_order_and_once(given, kept):
    assert build(ChannelOptions, {"mode": given}).mode == kept


def test_no_mode_at_all_is_refused():
    with pytest.raises(ConfigError, match="at least one of q, k and v"):
        build(ChannelOptions, {"mode": []})


@pytest.mark.parametrize("name", ["0.0", "3.10", "11.7"])
def test_a_head_is_named_by_layer_and_number(name):
    assert build(ChannelOptions, {"from_head": name, "to_head": name}).to_head == name


@pytest.mark.parametrize(
    ("name", "said"), [(3.1, "in quotes"), (3, "in quotes"), ("3", "LAYER.HEAD"), ("3.x", "LAYER.HEAD")]
)
@pytest.mark.parametrize("side", ["from_head", "to_head"])
def test_what_names_no_head_is_refused(side, name, said):
    with pytest.raises(ConfigError, match=said):
        build(ChannelOptions, {side: name})
