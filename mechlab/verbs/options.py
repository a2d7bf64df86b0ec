"""Command-line options from a config: a field is an option, its description the help, its default the config's own."""

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from mechlab.core.config import Config, build, override, read_yaml
from mechlab.verbs.outcome import Hidden, OnlyFor, Positional, Spelled

CONTEXT = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
LIST_FORM = "A,B,..."
CONFIG_HELP = "YAML file with any of the options; the command line wins over it."
SET_HELP = "Set any config key, also nested ones: -s key=value (repeatable)."


def visible_fields(config: type[Config], kind: Any = None) -> dict[str, FieldInfo]:
    """Return the fields of a config that are options; of those for some kinds only, the ones that suit the kind."""
    return {
        name: field
        for name, field in config.model_fields.items()
        if not any(_hides(mark, kind) for mark in field.metadata)
    }


def _hides(mark: object, kind: Any) -> bool:
    return isinstance(mark, Hidden) or (isinstance(mark, OnlyFor) and kind is not None and not mark.suits(kind))


def nested_keys(nested: Mapping[str, type[Config]]) -> str:
    """Return the lines below a command's options: the keys of its nested configs, and what each is for."""
    lines: list[str] = []
    for name, config in nested.items():
        lines.append(f"Keys of -s {name}.KEY=VALUE:")
        lines += [f"{key}: {field.description}" for key, field in config.model_fields.items()]
    return "\n\n".join(lines)


def command(fields: Mapping[str, FieldInfo], handle: Callable[..., None], help_text: str) -> Callable[..., None]:
    """Return a function typer can register, with one option per field.

    `handle` is called with the given values (only those the user gave), the config file, the settings and the switches.
    """

    def run(**given: Any) -> None:
        context = given.pop(CONTEXT.name)
        switches = {key: given.pop(key) for key in ("config_file", "settings", "as_json", "quiet")}
        chosen = {key: _read(fields[key], value) for key, value in given.items() if _was_given(context, key)}
        handle(chosen, **switches)

    parameters = [CONTEXT, *map(_parameter, fields, fields.values()), *_switches()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__doc__ = help_text
    return run


def merge(
    config: type[Config],
    values: Mapping[str, Any],
    config_file: Path | None = None,
    settings: Sequence[str] | None = None,
    inner: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Return the validated config: defaults, then the file, then the options given, then the settings.

    Args:
        config: what to build.
        values: the options given.
        config_file: YAML with some of the options.
        settings: `key=value` texts.
        inner: keys that may be given as if they were the config's own, and the key below which they belong.
    """
    from_file = _placed(read_yaml(config_file), inner) if config_file else {}
    placed = [f"{inner[key]}.{text}" if (key := _first_key(text)) in inner else text for text in settings or ()]
    return build(config, override(_over(from_file, _placed(values, inner)), placed))


def _was_given(context: Any, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _read(field: FieldInfo, value: Any) -> Any:
    """Return a value as its config takes it: a list option's text cut at its commas."""
    return [part.strip() for part in value.split(",")] if _is_list_option(field) else value


def _is_list_option(field: FieldInfo) -> bool:
    return _plain_type(field.annotation) == list[str] and not _is_positional(field)


def _is_positional(field: FieldInfo) -> bool:
    return any(isinstance(mark, Positional) for mark in field.metadata)


def _spelling(name: str, field: FieldInfo) -> str:
    """Return what the option of a field is called: the field's own name unless it is marked otherwise."""
    return next((mark.flag for mark in field.metadata if isinstance(mark, Spelled)), name)


def _first_key(setting: str) -> str:
    return setting.partition("=")[0].partition(".")[0].strip()


def _placed(values: Mapping[str, Any], inner: Mapping[str, str]) -> dict[str, Any]:
    """Return the values with inner keys moved below the key they belong to."""
    placed = {key: value for key, value in values.items() if key not in inner}
    for key in values:
        if key in inner:
            placed = _over(placed, {inner[key]: {key: values[key]}})
    return placed


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with the values of `above` put over it, key by key also inside mappings."""
    both = {key for key in above if isinstance(above[key], dict) and isinstance(below.get(key), dict)}
    return {**below, **above, **{key: _over(below[key], above[key]) for key in both}}


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    as_list = _is_list_option(field)
    kind = str if as_list else _plain_type(field.annotation)
    default = inspect.Parameter.empty if field.is_required() else _default(field)
    if _is_positional(field):
        info = typer.Argument(help=field.description, show_default=False)
    else:
        about: dict[str, Any] = {"help": field.description, "metavar": LIST_FORM if as_list else None}
        info = typer.Option(_flags(_spelling(name, field), default), show_default=default is not None, **about)
    annotation = Annotated[kind if field.is_required() else kind | None, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True)
    if _is_list_option(field):
        return ",".join(map(str, value)) if value else None
    return (list(value) or None) if isinstance(value, tuple) else value


def _flags(name: str, default: Any) -> str:
    """Return the option's name; what is on by default can be switched off."""
    flag = name.replace("_", "-")
    return f"--{flag}/--no-{flag}" if default is True else f"--{flag}"


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
