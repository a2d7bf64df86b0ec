"""The terminal says of every channel its tokens, causes with their nulls, features, and what stands beyond them."""

from views.sample_carried import sample_carried

from mechlab.verbs.steps.channels.carried_list import carried_tables


def test_a_channel_is_one_table_and_nothing_is_none():
    first, plain = carried_tables(sample_carried())
    cells = {row[0].split("\n")[0]: row for row in first.rows}
    assert first.title == "0.0.3 -> 1.0 q carries" and len(first.rows) == 5
    assert cells["sender reads"][1] == "+ <script>, June\n- and" and "like heads 0.015" in cells["sender reads"][2]
    assert cells["owner=third"][:2] == ("owner=third\n416 tokens", "AUC 0.840 [0.800, 0.870]\namount larger")
    assert cells["season=winter"][2] == "shuffled 0.54\nsame head 0.90 (7 of 20 as far)"
    assert cells["features it writes like"][1] == "12 (−0.71)\n3 % of 732 beyond 1 %"
    assert "beyond both nulls: owner=third." in first.note and "66 known causes" in first.note
    assert len(plain.rows) == 2 and carried_tables(None) == ()


def test_without_text_nothing_is_said_of_it():
    plain = sample_carried().channels[1:]
    (only,) = carried_tables(sample_carried().model_copy(update={"text": "", "channels": plain}))
    assert only.note == "No known causes were looked for."
