"""A channel is spoken of by its ends."""

from mechlab.circuits.channels.channel import Channel


def test_its_name_is_sender_component_receiver_and_mode():
    numbers = dict.fromkeys(("score", "z", "p", "q", "value", "share", "cosine"), 0.5)
    one = Channel((3, 1), 0, (5, 2), "q", block=(0, 0), read_component=4, **numbers)
    assert one.name == "3.1.0 -> 5.2 q"
