"""Command-line options from a config: a field is an option, its description the help, its default the config's own."""

import inspect
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from mechlab.core.config import Config, build, override, read_yaml
from mechlab.verbs.outcome import Hidden, Positional

CONFIG_HELP = "YAML file with any of the options; the command line wins over it."
SET_HELP = "Set any config key, also nested ones: -s key=value (repeatable)."


def visible_fields(config: type[Config]) -> dict[str, FieldInfo]:
    """Return the fields of a config that are options."""
    return {
        name: field
        for name, field in config.model_fields.items()
        if not any(isinstance(mark, Hidden) for mark in field.metadata)
    }


def command(fields: Mapping[str, FieldInfo], handle: Callable[..., None], help_text: str) -> Callable[..., None]:
    """Return a function typer can register, with one option per field.

    `handle` is called with the given values (only those the user gave), the config file, the settings and the switches.
    """

    def run(**given: Any) -> None:
        switches = {key: given.pop(key) for key in ("config_file", "settings", "as_json", "quiet")}
        values = {key: value for key, value in given.items() if value is not None and value != []}
        handle(values, **switches)

    run.__signature__ = inspect.Signature([*map(_parameter, fields, fields.values()), *_switches()])  # type: ignore[attr-defined]
    run.__doc__ = help_text
    return run


def merge(config: type[Config], values: dict[str, Any], config_file: Path | None, settings: list[str]) -> Any:
    """Return the validated config: defaults, then the file, then the options given, then the settings."""
    from_file = read_yaml(config_file) if config_file else {}
    return build(config, override({**from_file, **values}, settings or []))


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    kind = _plain_type(field.annotation)
    default_text = None if field.is_required() else _shown(field.get_default(call_default_factory=True))
    if any(isinstance(mark, Positional) for mark in field.metadata):
        info = typer.Argument(help=field.description, show_default=False)
        annotation = kind if field.is_required() else kind | None
        default = inspect.Parameter.empty if field.is_required() else None
    else:
        flags = [f"--{name.replace('_', '-')}"]
        info = typer.Option(*flags, help=field.description, show_default=default_text or False)
        annotation, default = kind | None, None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, info]
    )


def _switches() -> list[inspect.Parameter]:
    specs: list[tuple[str, Any, Any]] = [
        ("config_file", Annotated[Path | None, typer.Option("--config", help=CONFIG_HELP, show_default=False)], None),
        ("settings", Annotated[list[str] | None, typer.Option("-s", "--set", help=SET_HELP, show_default=False)], None),
        ("as_json", Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")], False),
        ("quiet", Annotated[bool, typer.Option("--quiet", help="Show no progress.")], False),
    ]
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, annotation, default in specs
    ]


def _plain_type(annotation: Any) -> Any:
    """Return the type the command line parses: None and nesting stripped, literals as text, tuples as lists."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain_type(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _plain_type(next(arg for arg in get_args(annotation) if arg is not type(None)))
    if origin is tuple:
        return list[str]
    if origin is Literal or annotation not in (int, float, bool, str, Path):
        return str
    return annotation


def _shown(default: Any) -> str | None:
    return (
        None
        if default is None or default == ()
        else str(default).lower()
        if isinstance(default, bool)
        else str(default)
    )
