"""The objects have the fields, and the values, that viewers of attribution graphs read."""

import json

import pytest
from metrics.sample_features import sample_table

from mechlab.core.errors import UsageError
from mechlab.metrics.feature_objects import feature_objects

FIELDS = {
    "transcoder_id": str, "index": int, "examples_quantiles": list, "top_logits": list, "bottom_logits": list,
    "act_min": float, "act_max": float, "quantile_values": list, "histogram": list, "activation_frequency": float,
}  # fmt: skip
EXAMPLE_FIELDS = {"tokens_acts_list": list, "train_token_ind": int, "is_repeated_datapoint": bool, "tokens": list}


def test_an_object_has_every_field_and_no_other_and_is_json():
    objects = feature_objects(sample_table(), [1, 0], "run")
    assert [one["index"] for one in objects] == [1, 0]
    assert json.loads(json.dumps(objects, allow_nan=False)) == objects
    for one in objects:
        assert {name: type(value) for name, value in one.items()} == FIELDS
        for quantile in one["examples_quantiles"]:
            assert quantile.keys() == {"quantile_name", "examples"}
            for example in quantile["examples"]:
                assert {name: type(value) for name, value in example.items()} == EXAMPLE_FIELDS
                assert len(example["tokens"]) == len(example["tokens_acts_list"]) > example["train_token_ind"]


def test_a_feature_s_object_says_what_the_table_says():
    (one,) = feature_objects(sample_table(), [0], "tales-mlp")
    assert one["transcoder_id"] == "tales-mlp" and one["activation_frequency"] == 3 / 18
    assert (one["act_min"], one["act_max"]) == (0, 4) and one["quantile_values"] == [0, 1.5, 4]
    assert one["histogram"] == [0, 2, 0, 1]
    assert one["top_logits"] == [" b", " c"] and one["bottom_logits"] == [" d", " a"]
    names = [quantile["quantile_name"] for quantile in one["examples_quantiles"]]
    assert names == ["Top activations", "1.5 to 4", "0 to 1.5"]
    first = one["examples_quantiles"][0]["examples"][0]
    assert first["tokens"] == [" a", " b", " c", " d"] and first["tokens_acts_list"] == [0, 1, 4, 0.5]
    assert first["train_token_ind"] == 2


def test_an_example_whose_text_came_before_is_a_repeated_one():
    (one,) = feature_objects(sample_table(), [0], "run")
    told = [[example["is_repeated_datapoint"] for example in q["examples"]] for q in one["examples_quantiles"]]
    assert told == [[False, False], [], [True]]


def test_a_dead_feature_has_no_examples():
    (one,) = feature_objects(sample_table(), [1], "run")
    assert one["examples_quantiles"] == [] and one["act_max"] == one["activation_frequency"] == 0


def test_a_feature_there_is_not_is_refused():
    with pytest.raises(UsageError, match="no such feature"):
        feature_objects(sample_table(), [2], "run")
