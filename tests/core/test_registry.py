"""Registries: names without imports, the kind on demand, help for a wrong name."""

import json
import sys

import pytest

from mechlab.core.errors import UnknownName
from mechlab.core.registry import Registry

SHAPES = Registry("shape", {"loads": "json:loads", "never": "tests_no_such_module:Thing", "dumps": "json:dumps"})


def test_a_name_gives_the_thing_itself():
    assert SHAPES["loads"] is json.loads


def test_listing_names_imports_nothing():
    assert list(SHAPES) == ["loads", "never", "dumps"]
    assert len(SHAPES) == 3
    assert "never" in SHAPES
    assert "tests_no_such_module" not in sys.modules


def test_only_the_kind_asked_for_is_imported():
    with pytest.raises(ModuleNotFoundError):
        SHAPES["never"]


def test_a_wrong_name_lists_all_names_the_closest_first():
    with pytest.raises(UnknownName, match=r"^unknown shape: 'dump'. Known: dumps, loads, never.$"):
        SHAPES["dump"]


def test_get_gives_the_default_for_an_unknown_name():
    assert SHAPES.get("absent") is None
    assert SHAPES.get("absent", 3) == 3
    assert SHAPES.get("dumps") is json.dumps


def test_a_registry_does_not_change_with_the_table_it_was_made_from():
    table = {"loads": "json:loads"}
    registry = Registry("shape", table)
    table["dumps"] = "json:dumps"
    assert list(registry) == ["loads"]


def test_a_name_is_checked_without_importing_what_it_names():
    SHAPES.check("never")
    with pytest.raises(UnknownName, match=r"unknown shape: 'nevr'\. Known: never"):
        SHAPES.check("nevr")
