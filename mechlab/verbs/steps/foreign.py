"""Dictionaries from wherever they lie: a run, a sweep, a SAELens or circuit-tracer folder, a Dunefsky checkpoint.

A set of circuit-tracer's is a dictionary for each layer, or one cross-layer transcoder that names the hooks of all.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from mechlab.core.errors import ArtifactError
from mechlab.dictionaries.circuit_tracer_format import from_circuit_tracer
from mechlab.dictionaries.crosslayer_files import from_files
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.dunefsky_format import CONFIG_CLASSES, from_dunefsky, saelens_names
from mechlab.dictionaries.saelens_format import from_saelens
from mechlab.store.catalog import find_run
from mechlab.store.circuit_tracer_folder import CONFIG_NAME as SET_CONFIG
from mechlab.store.circuit_tracer_folder import find_transcoders, is_crosslayer, read_crosslayer
from mechlab.store.dictionary_folder import CONFIG_NAME, read_dictionary, read_dictionary_config
from mechlab.store.manifest import MANIFEST_NAME
from mechlab.store.run import DICTIONARY_NAME, Run, open_run
from mechlab.store.sweep import SWEEP_NAME, read_sweep
from mechlab.store.tensors import read_tensors
from mechlab.store.torch_archive import Record, read_torch_archive

KEPT_NAMES = ("model_name", "hook_name", "hook_name_out", "hook_head_index", "context_size", "prepend_bos")


@dataclass(frozen=True, eq=False)
class Found:
    """A dictionary, and what is known of where it belongs, under SAELens's names.

    Attributes:
        read: reads it from the disk, each time anew.
        names: where it belongs.
        fingerprint: of the model it was trained on; None where that is not told.
    """

    read: Callable[[], Dictionary]
    names: dict[str, Any]
    fingerprint: str | None = None

    @cached_property
    def dictionary(self) -> Dictionary:
        """Return the dictionary, read once and kept."""
        return self.read()


def find_dictionaries(text: str, root: Path) -> Iterator[Found]:
    """Yield the dictionary of a run or file, or those of a set, first layer first, or of a sweep.

    Weights are read when they are asked for.

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
    elif (sweep := read_sweep(path) if (path / SWEEP_NAME).is_file() else None) is not None:
        for member in sweep.members:
            yield from find_dictionaries(str(path / member.name), root)
    else:
        run = _run_of(path, text, root)
        folder = path if run is None else run.dictionary_folder()
        metadata = read_dictionary_config(folder).get("metadata") or {}
        names = {name: metadata[name] for name in KEPT_NAMES if metadata.get(name) is not None}
        model = None if run is None else run.manifest.model
        yield Found(lambda: from_saelens(*read_dictionary(folder)).eval(), names, model and model.fingerprint)


def _run_of(path: Path, text: str, root: Path) -> Run | None:
    """Return the run that is named, or whose dictionary's folder is; None for a folder that belongs to no run."""
    if (path / CONFIG_NAME).is_file():
        around = path.resolve().parent
        is_in_run = path.resolve().name == DICTIONARY_NAME and (around / MANIFEST_NAME).is_file()
        return open_run(around) if is_in_run else None
    if path.is_dir() and not (path / MANIFEST_NAME).is_file():
        remedy = f"It has no {MANIFEST_NAME} (a run), {CONFIG_NAME} (SAELens) or {SET_CONFIG} (circuit-tracer)."
        raise ArtifactError("folder holds no dictionary", value=text, remedy=remedy)
    return find_run(text, root)


def _checkpoint(path: Path) -> Found:
    held = read_torch_archive(path, CONFIG_CLASSES)
    if not isinstance(held, dict) or not isinstance(held.get("cfg"), Record) or "state_dict" not in held:
        remedy = "It needs cfg and state_dict, as transcoder_circuits saves them."
        raise ArtifactError("checkpoint is of another library", value=str(path), remedy=remedy)
    settings = held["cfg"].fields
    weights = held["state_dict"]
    return Found(lambda: from_dunefsky(settings, weights), saelens_names(settings))


def _set(folder: Path) -> Iterator[Found]:
    if is_crosslayer(folder):
        config, files = read_crosslayer(folder)
        whole = from_files(files).eval()
        yield Found(lambda: whole, _names_in_set(config, range(whole.config.n_layers)))
        return
    config, files = find_transcoders(folder)
    for number, file in enumerate(files):
        yield Found(partial(_layer_of_set, file, config), _names_in_set(config, [number]))


def _layer_of_set(file: Path, config: dict[str, Any]) -> Dictionary:
    return from_circuit_tracer(read_tensors(file), config)


def _names_in_set(config: dict[str, Any], blocks: Iterable[int]) -> dict[str, Any]:
    names = {"model_name": config.get("model_name", "")}
    for ours, theirs in (("hook_name", "feature_input_hook"), ("hook_name_out", "feature_output_hook")):
        names |= {ours: ",".join(f"blocks.{block}.{config[theirs]}" for block in blocks)} if theirs in config else {}
    return names
