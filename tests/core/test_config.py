"""Configs: what is refused, what is read as what, and what makes two values the same."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from mechlab.core.config import Config, build, canonical_json, digest, override, read_yaml
from mechlab.core.errors import ConfigError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Inner(Config):
    rate: float = 0.1
    depth: int = 3


class Outer(Config):
    width: int = Field(4, gt=0)
    name: str = "a"
    place: Path | None = None
    inner: Inner = Inner()

    @model_validator(mode="after")
    def _wide_enough(self):
        if self.name == "wide" and self.width < 10:
            raise ValueError("a wide one has a width of 10 or more")
        return self


def test_a_config_is_frozen():
    with pytest.raises(ValidationError):
        Outer().width = 5


@pytest.mark.parametrize("values", [{"width": math.nan}, {"inner": {"rate": math.inf}}])
def test_numbers_must_be_finite(values):
    with pytest.raises(ConfigError):
        build(Outer, values)


def test_an_unknown_key_names_the_closest_one():
    with pytest.raises(ConfigError, match=r"^Outer has no key: 'widht'. Did you mean width\?$"):
        build(Outer, {"widht": 3})


def test_an_unknown_key_far_from_all_lists_them():
    with pytest.raises(ConfigError, match="Known keys: width, name, place, inner"):
        build(Outer, {"zzz": 3})


def test_an_unknown_inner_key_names_the_inner_ones():
    with pytest.raises(ConfigError, match=r"'inner.rat'. Did you mean rate\?"):
        build(Outer, {"inner": {"rat": 3}})
    with pytest.raises(ConfigError, match="Known keys: rate, depth"):
        build(Outer, {"inner": {"zzz": 3}})


def test_a_value_out_of_range_is_named_with_the_range():
    with pytest.raises(ConfigError, match=r"^Outer.width is not valid: -3. Input should be greater than 0.$"):
        build(Outer, {"width": -3})


def test_a_rule_over_several_fields_says_only_itself():
    with pytest.raises(ConfigError, match=r"^Outer is not valid. a wide one has a width of 10 or more.$"):
        build(Outer, {"name": "wide"})


def test_a_long_value_is_cut_short():
    with pytest.raises(ConfigError) as caught:
        build(Outer, {"width": "x" * 5000})
    assert len(str(caught.value)) < 250


def test_a_missing_value_is_called_missing():
    class Needy(Config):
        size: int

    with pytest.raises(ConfigError, match=r"^Needy\.size is not valid: 'missing'"):
        build(Needy, {})


def test_yaml_numbers_may_have_exponents_without_a_dot(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("inner: {rate: 1e-3, depth: 2e1}\nwidth: 1_000\nname: 'resid_post.2'\n")
    assert build(Outer, read_yaml(path)) == Outer(inner=Inner(rate=0.001, depth=20), width=1000, name="resid_post.2")


@pytest.mark.parametrize("text", ["[1, 2]", "", "a: [", "a: 1\na: 2", "!!python/object/apply:os.system ['true']"])
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_or_binary_file_is_refused(tmp_path):
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent.yaml", tmp_path, tmp_path / "b"):
        with pytest.raises(ConfigError):
            read_yaml(path)


def test_settings_reach_into_nested_configs_and_leave_the_values_alone():
    values = {"inner": Inner(), "width": 4}
    changed = override(values, ["inner.rate=2e-4", "name=b", "width = 7"])
    assert build(Outer, changed) == Outer(inner=Inner(rate=0.0002), name="b", width=7)
    assert values == {"inner": Inner(), "width": 4}


def test_a_later_setting_wins():
    assert override({}, ["a=1", "a=2", "b.c=3"]) == {"a": 2, "b": {"c": 3}}


def test_a_setting_may_hold_an_equals_sign_and_lists():
    assert override({}, ["a=x=y", "b=[1, 2.5]", "c="]) == {"a": "x=y", "b": [1, 2.5], "c": None}


@pytest.mark.parametrize("setting", ["width", "=3", "width.deep=3", "width=[1"])
def test_a_malformed_setting_is_refused(setting):
    with pytest.raises(ConfigError, match="setting"):
        override({"width": 4}, [setting])


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=6), st.randoms())
def test_canonical_json_does_not_depend_on_the_order_of_keys(values, random):
    keys = list(values)
    random.shuffle(keys)
    assert canonical_json({key: values[key] for key in keys}) == canonical_json(values)


@given(st.dictionaries(st.integers() | st.text(), JSON_VALUES, max_size=6))
def test_canonical_json_read_back_has_the_same_text(values):
    text = canonical_json(values)
    assert canonical_json(json.loads(text)) == text


def test_a_config_and_its_fields_have_the_same_digest():
    config = Outer(place=Path("a") / "b")
    assert digest(config) == digest(config.model_dump()) == digest({"inner": Inner(), **config.model_dump()})
    assert digest(config) != digest(Outer(place=Path("a") / "c"))


def test_a_digest_is_the_sha256_of_the_text():
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_a_set_is_hashed_in_sorted_order():
    assert canonical_json({"a": {"c", "a", "b"}}) == '{"a":["a","b","c"]}'


@pytest.mark.parametrize("value", [object(), {"a": lambda: 0}, math.nan, [math.inf]])
def test_what_has_no_stable_text_is_not_hashed(value):
    with pytest.raises((TypeError, ValueError)):
        digest(value)
