"""Dictionaries from wherever they lie: a run, a SAELens folder, a circuit-tracer folder, a Dunefsky checkpoint."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechlab.core.errors import ArtifactError
from mechlab.dictionaries.circuit_tracer_format import from_circuit_tracer
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.dunefsky_format import CONFIG_CLASSES, from_dunefsky, saelens_names
from mechlab.dictionaries.saelens_format import from_saelens
from mechlab.store.catalog import find_run
from mechlab.store.circuit_tracer_folder import CONFIG_NAME as SET_CONFIG
from mechlab.store.circuit_tracer_folder import read_transcoders
from mechlab.store.dictionary_folder import CONFIG_NAME, read_dictionary
from mechlab.store.torch_archive import Record, read_torch_archive

KEPT_NAMES = ("model_name", "hook_name", "hook_name_out", "hook_head_index", "context_size", "prepend_bos")


@dataclass(frozen=True, eq=False)
class Found:
    """A dictionary, and what is known of where it belongs, under SAELens's names."""

    dictionary: Dictionary
    names: dict[str, Any]


def find_dictionaries(text: str, root: Path) -> Iterator[Found]:
    """Yield the dictionary of a run or file, or those of a set, first layer first.

    Args:
        text: a folder, a `.pt` file, or the first digits of a run's id.
        root: where ids are looked up.

    Raises:
        ArtifactError: what is there is damaged, or is no dictionary.
    """
    path = Path(text)
    if path.is_file():
        yield _checkpoint(path)
    elif (path / SET_CONFIG).is_file():
        yield from _set(path)
    else:
        folder = path if (path / CONFIG_NAME).is_file() else find_run(text, root).dictionary_folder()
        cfg, tensors = read_dictionary(folder)
        metadata = cfg.get("metadata") or {}
        names = {name: metadata[name] for name in KEPT_NAMES if metadata.get(name) is not None}
        yield Found(from_saelens(cfg, tensors).eval(), names)


def _checkpoint(path: Path) -> Found:
    held = read_torch_archive(path, CONFIG_CLASSES)
    if not isinstance(held, dict) or not isinstance(held.get("cfg"), Record) or "state_dict" not in held:
        remedy = "It needs cfg and state_dict, as transcoder_circuits saves them."
        raise ArtifactError("checkpoint is of another library", value=str(path), remedy=remedy)
    settings = held["cfg"].fields
    return Found(from_dunefsky(settings, held["state_dict"]), saelens_names(settings))


def _set(folder: Path) -> Iterator[Found]:
    config, layers = read_transcoders(folder)
    for number, tensors in enumerate(layers):
        names = {"model_name": config.get("model_name", "")}
        for ours, theirs in (("hook_name", "feature_input_hook"), ("hook_name_out", "feature_output_hook")):
            names |= {ours: f"blocks.{number}.{config[theirs]}"} if theirs in config else {}
        yield Found(from_circuit_tracer(tensors, config), names)
