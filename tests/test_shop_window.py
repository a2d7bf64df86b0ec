"""The shop window: every public name is there, is imported only when used, and the main path runs as told."""

import ast
import doctest
from pathlib import Path

import pytest

import mechlab


def test_every_public_name_can_be_had():
    for name in mechlab.__all__:
        assert getattr(mechlab, name) is not None


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = mechlab.lod


def test_type_checkers_see_the_names_that_are_served():
    tree = ast.parse(Path(mechlab.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {(node.module, alias.name) for node in guarded.body for alias in node.names}
    assert seen == {(module, name) for name, module in mechlab._MODULE_OF.items()}


def test_the_main_path_runs_as_the_docstring_says():
    if not (Path(mechlab.__file__).parent / "models" / "tales" / "model.safetensors").exists():
        pytest.skip("the built-in model is not there")
    assert doctest.testmod(mechlab).failed == 0
