"""Frozen configs: read from YAML and `key=value` overrides, refused when a key is unknown, hashed canonically."""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mechlab.core.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound="Config")
LONGEST_VALUE = 80


class Config(BaseModel):
    """Base of every config: frozen, unknown keys refused, defaults validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class SetElsewhere:
    """Mark of a config field that is no option: whoever builds the config knows it, as the width of what is read."""


def set_elsewhere(kind: type[Config]) -> frozenset[str]:
    """Return the names of the fields that carry the mark `SetElsewhere`."""
    marked = (name for name, field in kind.model_fields.items() if any(_is_mark(mark) for mark in field.metadata))
    return frozenset(marked)


def build(kind: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
    """Return a validated config of the given kind.

    Raises:
        ConfigError: a key is unknown or a value is out of range; the message names the key and the remedy.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise explained(kind, error) from None


def explained(kind: type[BaseModel], error: ValidationError) -> ConfigError:
    """Return the one line that tells what is wrong with the values for a config."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    remedy = first["msg"].removeprefix("Value error, ") + "."
    if first["type"] == "extra_forbidden":
        return ConfigError(f"{kind.__name__} has no key", value=key, remedy=_known_keys(kind, first["loc"]))
    if not key:
        return ConfigError(f"{kind.__name__} is not valid", remedy=remedy)
    value = "missing" if first["type"] == "missing" else first["input"]
    return ConfigError(f"{kind.__name__}.{key} is not valid", value=_short(value), remedy=remedy)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping a YAML config file holds.

    Raises:
        ConfigError: the file is missing, is not YAML, or is not a mapping.
    """
    try:
        loaded = _parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("config file cannot be read", value=str(path), remedy=str(error.strerror)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("config file is not YAML", value=str(path), remedy=str(error)) from None
    if not isinstance(loaded, dict):
        raise ConfigError("config file is not a mapping", value=str(path), remedy="Write `key: value` lines.")
    return loaded


def override(values: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return the values with `dotted.key=value` settings applied; each value is read as YAML.

    Raises:
        ConfigError: a setting has no `=`, its value is not YAML, or it goes below a plain value.
    """
    result = json.loads(json.dumps(dict(values), default=_as_plain))
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError("setting has no `key=value` form", value=setting, remedy="Write -s key=value.")
        *parents, leaf = key.strip().split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError("setting goes below a plain value", value=setting, remedy=f"{parent} has no keys.")
        try:
            place[leaf] = _parse(text)
        except yaml.YAMLError:
            raise ConfigError("setting's value is not YAML", value=setting, remedy="Quote it: key='...'.") from None
    return result


def canonical_json(value: Any) -> str:
    """Return the one JSON text for a value: sorted keys, no spaces; configs by their fields.

    Raises:
        TypeError: a value has no JSON form that is the same in every process, as an arbitrary object's text is not.
    """
    # Twice, because keys become text before they are sorted: the text of a value read back from it is the same text.
    plain = json.loads(json.dumps(value, allow_nan=False, default=_as_plain))
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _is_mark(value: object) -> bool:
    return isinstance(value, SetElsewhere)


def _as_plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no canonical JSON: {value!r}")


class _Loader(yaml.SafeLoader):
    """YAML as people write it: `1e-3` and `2e6` are numbers, and a key given twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for position, key in enumerate(keys) if key in keys[:position]]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)


def _known_keys(kind: type[BaseModel], place: tuple[int | str, ...]) -> str:
    known: dict[str, Any] = kind.model_fields
    for part in place[:-1]:
        inner = getattr(known.get(str(part)), "annotation", None)
        known = inner.model_fields if isinstance(inner, type) and issubclass(inner, BaseModel) else {}
    near = difflib.get_close_matches(str(place[-1]), known, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(known)}." if known else ""


def _short(value: object) -> object:
    text = str(value)
    return value if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."
