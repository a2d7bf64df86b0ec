"""`mechlab convert SOURCE...`: dictionaries from one library's files into another's."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mechlab.core.config import Config as BaseConfig
from mechlab.core.errors import UsageError
from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Positional, Verb
from mechlab.views.table import Table

if TYPE_CHECKING:
    from mechlab.verbs.steps.foreign import Found


class Config(BaseConfig):
    """What to convert, into what."""

    sources: Annotated[tuple[str, ...], Positional()] = Field(
        (), description="Runs (folders or ids), SAELens or circuit-tracer folders, transcoder_circuits' .pt files."
    )
    to: Literal["saelens", "circuit-tracer"] = Field("saelens", description="saelens, or circuit-tracer: all layers.")
    layer: int | None = Field(None, ge=0, description="Which one of a set is wanted, from 0. Left out: all.")
    out: Path | None = Field(None, description="New folder. Required.")
    root: Path = Field(Path("runs"), description="Folder in which ids are looked up.")


def run(config: Config, progress: Progress) -> Outcome:
    """Write dictionaries of runs, SAELens, circuit-tracer or transcoder_circuits (not unpickled) in another format."""
    from mechlab.verbs.steps.foreign import find_dictionaries

    if not config.sources or config.out is None:
        raise UsageError(
            "`convert` needs sources and --out", remedy="mechlab convert SOURCE... --to FORMAT --out FOLDER"
        )
    if config.out.exists():
        raise UsageError("output folder exists", value=str(config.out), remedy="Give another --out.")
    found = [one for text in config.sources for one in find_dictionaries(text, config.root)]
    if config.layer is not None:
        if config.layer >= len(found):
            raise UsageError("no such layer", value=config.layer, remedy=f"There are {len(found)}, from 0.")
        found = [found[config.layer]]
    writers: dict[str, Callable[[Path, list[Found]], None]] = {
        "saelens": _write_saelens,
        "circuit-tracer": _write_circuit_tracer,
    }
    writers[config.to](config.out, found)
    return _outcome(config, found)


VERB = Verb(Config, run)


def _write_saelens(out: Path, found: "list[Found]") -> None:
    from mechlab.dictionaries.saelens_format import to_saelens
    from mechlab.store.dictionary_folder import write_dictionary

    if len(found) != 1:
        raise UsageError("a SAELens folder holds one dictionary", value=len(found), remedy="Choose one with --layer.")
    write_dictionary(out, *to_saelens(found[0].dictionary, found[0].names))


def _write_circuit_tracer(out: Path, found: "list[Found]") -> None:
    from mechlab.dictionaries.circuit_tracer_format import to_circuit_tracer
    from mechlab.store.circuit_tracer_folder import write_transcoders

    places = [_inside_block(one, number) for number, one in enumerate(found)]
    if len(set(places)) != 1:
        raise UsageError("layers read or write at different hooks", value=" and ".join(map(str, sorted(set(places)))))
    model_name = str(found[0].names.get("model_name", ""))
    write_transcoders(out, *to_circuit_tracer([one.dictionary for one in found], places[0], model_name))


def _inside_block(found: "Found", number: int) -> tuple[str, str]:
    """Return where a layer's transcoder reads and writes, without the number of its block, which is checked."""
    hooks = [str(found.names.get(name, "")) for name in ("hook_name", "hook_name_out")]
    matches = [re.fullmatch(r"blocks\.(\d+)\.(.+)", hook) for hook in hooks]
    for hook, match in zip(hooks, matches, strict=True):
        if match is None or int(match[1]) != number:
            remedy = "circuit-tracer wants a transcoder for every layer, in order from block 0."
            raise UsageError(f"transcoder {number} is not of block {number}", value=hook, remedy=remedy)
    first, second = (match[2] for match in matches if match is not None)
    return first, second


def _outcome(config: Config, found: "list[Found]") -> Outcome:
    def size(one: "Found") -> str:
        own = one.dictionary.config
        return f"{own.d_in} -> {own.d_sae:,} -> {own.width_out}" + (" with skip" if own.skip else "")

    rows = [
        (one.dictionary.kind, size(one), *(one.names.get(name, "") for name in ("hook_name", "hook_name_out")))
        for one in found
    ]
    columns = ("kind", "size", "reads", "rebuilds")
    data = {
        "out": str(config.out),
        "to": config.to,
        "dictionaries": [dict(zip(columns, row, strict=True)) for row in rows],
    }
    return Outcome(data, (Table(str(config.out), columns, rows),), (f"written: {config.out}",))
