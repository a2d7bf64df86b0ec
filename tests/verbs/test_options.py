"""Options from a config: a field is an option; defaults, file, options and settings are put over one another."""

import inspect
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from pydantic import Field, PositiveInt

from mechlab.core.config import Config
from mechlab.core.errors import ConfigError
from mechlab.verbs.options import command, merge, nested_keys, visible_fields
from mechlab.verbs.outcome import Hidden, OnlyFor, Positional, Spelled


class Inner(Config):
    k: int = 32
    scale: bool = True


class Plan(Config):
    names: Annotated[tuple[str, ...], Positional()] = Field((), description="Who.")
    n_steps: PositiveInt = Field(10, description="How long.")
    rate: float | None = Field(None, description="How fast.")
    mode: Literal["slow", "fast"] = Field("slow", description="Which way.")
    place: Path = Field(Path("here"), description="Where.")
    wet: bool = Field(True, description="On by default.")
    widths: tuple[PositiveInt, ...] | None = Field(None, description="How wide.")
    shares: tuple[float, ...] = Field((0.5, 1.0), description="How much of each.")
    dry: bool = Field(False, description="Off by default.")
    inner: Annotated[Inner, Hidden()] = Inner()


def parse(*arguments):
    """Return what the command line hands over."""
    found = []
    app = typer.Typer(add_completion=False)
    handle = lambda values, **switches: found.append((values, switches))  # noqa: E731
    app.command()(command(visible_fields(Plan), handle, "Do it."))
    app(args=list(arguments), standalone_mode=False)
    return found[0]


def parse_help():
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(command(visible_fields(Plan), print, "Do it."))
    app(args=["--help"], standalone_mode=False)


def test_only_options_that_were_given_are_handed_over():
    values, switches = parse()
    assert values == {}
    assert switches == {"config_file": None, "settings": None, "as_json": False, "quiet": False}


def test_a_default_that_is_typed_out_counts_as_given():
    assert parse("--n-steps", "10", "--wet")[0] == {"n_steps": 10, "wet": True}


def test_options_have_the_type_of_their_field():
    values, _ = parse("a", "b", "--rate", "1e-3", "--place", "there", "--mode", "fast", "--no-wet", "--dry")
    wanted = {"names": ["a", "b"], "rate": 1e-3, "place": Path("there"), "mode": "fast", "wet": False, "dry": True}
    assert values == wanted


def test_a_list_is_one_option_with_commas():
    values, _ = parse("a", "b", "--widths", "256,1024, 2048", "--shares", "0.1")
    plan = merge(Plan, values)
    assert (plan.names, plan.widths, plan.shares) == (("a", "b"), (256, 1024, 2048), (0.1,))
    assert merge(Plan, {}).widths is None
    assert merge(Plan, {}, None, ["widths=[3, 4]"]).widths == (3, 4)
    with pytest.raises(ConfigError, match=r"widths\.1 is not valid: ''"):
        merge(Plan, parse("--widths", "1,,2")[0])


def test_help_shows_a_lists_form_and_default(capsys):
    parse_help()
    shown = " ".join(capsys.readouterr().out.split())
    assert "A,B,..." in shown and "[default: 0.5,1.0]" in shown


def test_help_lists_the_keys_of_nested_configs():
    class Loop(Config):
        n_steps: int = Field(default=1, description="How many.")

    assert nested_keys({"loop": Loop}) == "Keys of -s loop.KEY=VALUE:\n\nn_steps: How many."
    assert nested_keys({}) == ""


def test_every_command_has_the_switches():
    _, switches = parse("--config", "a.yaml", "-s", "a=1", "--set", "b=2", "--json", "--quiet")
    assert switches == {"config_file": Path("a.yaml"), "settings": ["a=1", "b=2"], "as_json": True, "quiet": True}


def test_hidden_fields_are_no_options():
    assert "inner" in Plan.model_fields and "inner" not in visible_fields(Plan)
    parameters = inspect.signature(command(visible_fields(Plan), print, "")).parameters
    assert list(parameters)[:3] == ["context", "names", "n_steps"] and "inner" not in parameters


@pytest.fixture
def file(tmp_path):
    (tmp_path / "plan.yaml").write_text("n_steps: 2\nrate: 0.5\nk: 8\ninner: {scale: false}\n")
    return tmp_path / "plan.yaml"


INNER = {"k": "inner", "scale": "inner"}


def test_defaults_then_file_then_options_then_settings(file):
    plan = merge(Plan, {"n_steps": 3}, file, ["rate=0.25"], INNER)
    assert (plan.n_steps, plan.rate, plan.mode) == (3, 0.25, "slow")
    assert merge(Plan, {"n_steps": 3}, file, ["n_steps=4"], INNER).n_steps == 4
    assert merge(Plan, {}, file, None, INNER).n_steps == 2


def test_inner_keys_may_be_given_flat_in_every_layer(file):
    assert merge(Plan, {}, file, None, INNER).inner == Inner(k=8, scale=False)
    assert merge(Plan, {"k": 9}, file, None, INNER).inner == Inner(k=9, scale=False)
    assert merge(Plan, {"k": 9}, file, ["k=10"], INNER).inner == Inner(k=10, scale=False)
    assert merge(Plan, {"k": 9}, file, ["inner.k=11", "scale=true"], INNER).inner == Inner(k=11, scale=True)


def test_an_unknown_key_in_a_file_or_a_setting_is_refused(file):
    with pytest.raises(ConfigError, match="'k'"):
        merge(Plan, {}, file)
    with pytest.raises(ConfigError, match="Did you mean n_steps"):
        merge(Plan, {}, None, ["n_step=3"])


def test_a_list_from_the_command_line_becomes_the_fields_tuple():
    assert merge(Plan, {"names": ["a"], "place": Path("x")}).names == ("a",)


def test_an_option_may_be_called_what_no_field_can_be():
    class Sides(Config):
        from_head: Annotated[str | None, Spelled("from")] = Field(None, description="Whence.")

    found = []
    app = typer.Typer(add_completion=False)
    app.command()(command(visible_fields(Sides), lambda values, **_: found.append(values), "Do it."))
    app(["--from", "3.1"], standalone_mode=False)
    assert found == [{"from_head": "3.1"}]


def test_an_option_for_some_kinds_is_hidden_from_the_others_alone():
    class Parts(Config):
        text: Annotated[str, OnlyFor("text")] = Field("", description="What is read.")
        size: int = Field(1, description="How much.")

    class Reader:
        needs, Config = ("text",), Plan

    class Weigher:
        needs, Config = (), Plan

    assert list(visible_fields(Parts)) == list(visible_fields(Parts, Reader)) == ["text", "size"]
    assert list(visible_fields(Parts, Weigher)) == ["size"]
