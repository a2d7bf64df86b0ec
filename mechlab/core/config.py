"""Frozen configs: read from YAML and `key=value` overrides, refused when a key is unknown, hashed canonically."""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mechlab.core.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound="Config")


class Config(BaseModel):
    """Base of every config: frozen, unknown keys refused, defaults validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


def build(kind: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
    """Return a validated config of the given kind.

    Raises:
        ConfigError: a key is unknown or a value is out of range; the message names the key and the remedy.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise _explain(kind, error) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping a YAML config file holds.

    Raises:
        ConfigError: the file is missing, is not YAML, or is not a mapping.
    """
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
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
        ConfigError: a setting has no `=`.
    """
    result = json.loads(json.dumps(dict(values), default=str))
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
        place[leaf] = yaml.safe_load(text)
    return result


def canonical_json(value: Any) -> str:
    """Return the one JSON text for a value: sorted keys, no spaces; configs by their fields."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_as_plain)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _as_plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _explain(kind: type[BaseModel], error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or kind.__name__
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, kind.model_fields, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(kind.model_fields)}."
        return ConfigError(f"{kind.__name__} has no key", value=key, remedy=hint)
    value = "missing" if first["type"] == "missing" else first["input"]
    return ConfigError(f"{kind.__name__}.{key} is not valid", value=value, remedy=first["msg"] + ".")
