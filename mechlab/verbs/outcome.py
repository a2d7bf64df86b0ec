"""What a verb hands back: one object for programs, tables and lines for people."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo

from mechlab.core.config import Config, set_elsewhere
from mechlab.core.progress import Progress
from mechlab.core.registry import Registry
from mechlab.views.table import Table


@dataclass(frozen=True)
class Outcome:
    """The result of a verb: `data` goes to stdout under --json; tables and lines are for the terminal.

    `exit_code` is 0 unless the verb ran well and its answer is a failure, as when verification finds a changed file.
    """

    data: dict[str, Any]
    tables: tuple[Table, ...] = ()
    lines: tuple[str, ...] = field(default=())
    exit_code: int = 0


@dataclass(frozen=True)
class ShortForm:
    """A command that stands for any kind, which one of its options names, with some values set.

    `train skip_transcoder --activation relu` is `train relu` with a skip, and refuses a site without a target.
    """

    help: str
    option: str
    default: str
    values: Mapping[str, Any]

    def kind_in(self, arguments: Sequence[str]) -> str:
        """Return the kind that the words of a command line ask for."""
        flag = f"--{self.option}"
        given = [after for word, after in pairwise(arguments) if word == flag]
        given += [word.removeprefix(f"{flag}=") for word in arguments if word.startswith(f"{flag}=")]
        return given[-1] if given else self.default


@dataclass(frozen=True)
class Verb:
    """A command: its config, whose fields are its options, and the function that does it.

    With `kinds`, the command is followed by a kind (`train topk`): the fields of the kind's `Config` become options too
    and are handed over under `kind_key`; with `kind_lists` each takes several values. In a kind's place may stand one
    of the `short_forms`, or one of `others`, verbs with a config of their own. `nested` configs are reached by
    `-s NAME.KEY=VALUE`; help lists their keys. One that works `in_several` processes may be started by torchrun.
    """

    config: type[Config]
    run: Callable[[Any, Progress], Outcome]
    kinds: Registry | None = None
    kind_key: str = ""
    kind_lists: bool = False
    short_forms: Mapping[str, ShortForm] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    nested: Mapping[str, type[Config]] = field(default_factory=dict)
    in_several: bool = False

    @property
    def help(self) -> str:
        """Return what `--help` says: the docstring of the verb's function."""
        return inspect.getdoc(self.run) or ""

    def fields_of(self, kind: Any) -> dict[str, FieldInfo]:
        """Return the fields of a kind's config that become options: those that nothing else sets."""
        config = config_of(kind)
        taken = {*set_elsewhere(config), *self.config.model_fields, *nested_configs(config)}
        own = [(name, field) for name, field in config.model_fields.items() if name not in taken]
        return {name: several(field) if self.kind_lists else field for name, field in own}

    def nested_of(self, kind: Any) -> dict[str, type[Config]]:
        """Return the configs that `-s NAME.KEY=VALUE` reaches with a kind: the verb's, and those inside the kind's."""
        inside = nested_configs(config_of(kind))
        taken = {*set_elsewhere(config_of(kind)), *self.config.model_fields}
        return {**self.nested, **{f"{self.kind_key}.{name}": inside[name] for name in inside if name not in taken}}


def config_of(kind: Any) -> type[Config]:
    """Return the config of a kind: its `Config`, or the kind itself if it is one."""
    return kind if isinstance(kind, type) and issubclass(kind, Config) else kind.Config


def nested_configs(config: type[Config]) -> dict[str, type[Config]]:
    """Return the fields of a config that are configs themselves."""
    kinds = {name: field.annotation for name, field in config.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Config)}


def several(field: FieldInfo) -> FieldInfo:
    """Return the field of a list of such values; one that is a list already stays as it is."""
    if is_list(field.annotation):
        return field
    default = () if field.is_required() or field.default is None else (field.get_default(call_default_factory=True),)
    kind: Any = field.annotation
    return FieldInfo(annotation=tuple[kind, ...], default=default, description=field.description)


def is_list(annotation: Any) -> bool:
    """Return whether a field holds a list, or may."""
    return get_origin(annotation) in (list, tuple) or any(is_list(part) for part in get_args(annotation))


class Positional:
    """Mark of a config field that the command line takes by position, not by option."""


@dataclass(frozen=True)
class Spelled:
    """Mark of a config field whose option is called otherwise, as `--from`, which no field of Python's can be."""

    flag: str


class OnlyFor:
    """Mark of a config field that is an option only of kinds that need one of these parts, or have such a key.

    A kind says what it `needs`; one that does not say so has all options.
    """

    def __init__(self, *parts: str) -> None:
        self.parts = frozenset(parts)

    def suits(self, kind: Any) -> bool:
        """Tell whether it is an option of the kind."""
        return not hasattr(kind, "needs") or bool(self.parts & {*kind.needs, *config_of(kind).model_fields})


class Hidden:
    """Mark of a config field that is no option of its own: the verb sets it, or `-s` reaches into it."""


Argument = Annotated[str, Positional()]
Arguments = Annotated[tuple[str, ...], Positional()]
