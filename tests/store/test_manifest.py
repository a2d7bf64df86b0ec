"""What a run says of itself: the id, the seal, and what is refused on reading."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechlab.core.errors import ArtifactError
from mechlab.core.estimate import Estimate
from mechlab.store.manifest import (
    SCHEMA_VERSION,
    CorpusRecord,
    Identity,
    ModelRecord,
    RunManifest,
    read_manifest,
    write_manifest,
)
from mechlab.store.provenance import provenance_now


@pytest.fixture
def manifest(identity):
    metrics = {"l0": Estimate(value=1.5, low=1, high=2, n=9, unit="features"), "steps": 3, "loss": 3.0, "none": None}
    return RunManifest(**identity.model_dump(), id=identity.run_id(), metrics=metrics, provenance=provenance_now())


def edit(folder, **fields):
    values = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**values, **fields}))


def test_it_reads_back_as_it_was_written(tmp_path, manifest):
    sealed = write_manifest(tmp_path, manifest)
    read = read_manifest(tmp_path)
    assert read == sealed
    kinds = {name: type(value) for name, value in read.metrics.items()}
    assert kinds == {"l0": Estimate, "steps": int, "loss": float, "none": type(None)}
    assert read.seal == read.seal_of_content()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "evaluate"),
        ("config", {"k": 17}),
        ("seed", 4),
        ("parents", ("0123456789abcdef",)),
        ("model", ModelRecord(name="tiny", fingerprint="x")),
        ("model", ModelRecord(name="tiny", fingerprint="m" * 64, processing=("fold_norm",))),
        ("model", None),
        ("corpus", None),
    ],
)
def test_everything_that_determines_a_run_changes_its_id(identity, field, value):
    assert identity.model_copy(update={field: value}).run_id() != identity.run_id()


def test_the_name_a_model_was_found_under_does_not_change_the_id(identity):
    renamed = identity.model.model_copy(update={"name": "moved/elsewhere"})
    assert identity.model_copy(update={"model": renamed}).run_id() == identity.run_id()


@pytest.mark.parametrize(("key", "record"), [("model", ModelRecord), ("corpus", CorpusRecord)])
def test_a_path_is_written_down_and_makes_no_id(identity, key, record):
    def ident(typed, fingerprint="f" * 64, at_path=True):
        found = record(name=typed, fingerprint=fingerprint, at_path=at_path)
        return identity.model_copy(update={"config": {"k": 2, key: typed}, key: found})

    assert ident("./m").run_id() == ident("/elsewhere/m").run_id() != ident("./m", fingerprint="x").run_id()
    assert ident("./m").config[key] == "./m"
    assert ident("a/name", at_path=False).run_id() != ident("b/name", at_path=False).run_id()


def test_an_id_is_sixteen_hex_digits_and_never_changes_between_releases():
    text = b'{"config":{"k":2},"corpus":null,"kind":"train","model":null,"parents":[],"seed":0}'
    assert Identity(kind="train", config={"k": 2}).run_id() == hashlib.sha256(text).hexdigest()[:16]


def test_a_config_is_kept_as_the_disk_will_give_it_back():
    identity = Identity(kind="train", config={"out": Path("a") / "b", "betas": (0.9, 0.999)})
    assert identity.config == {"out": "a/b", "betas": [0.9, 0.999]}


@given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()))
def test_an_id_survives_the_disk(config):
    identity = Identity(kind="train", config=config)
    assert Identity.model_validate_json(identity.model_dump_json()).run_id() == identity.run_id()


def test_the_seal_covers_all_but_the_provenance(manifest):
    elsewhere = manifest.provenance.model_copy(update={"started": "2000-01-01", "wall_s": 9.0})
    assert manifest.model_copy(update={"provenance": elsewhere}).seal_of_content() == manifest.seal_of_content()
    for field, value in {"metrics": {}, "seed": 9, "id": "x", "schema_version": 2, "config": {}}.items():
        assert manifest.model_copy(update={field: value}).seal_of_content() != manifest.seal_of_content()


def test_a_newer_schema_asks_for_an_upgrade(tmp_path, manifest):
    write_manifest(tmp_path, manifest)
    edit(tmp_path, schema_version=SCHEMA_VERSION + 1, something_new=1)
    with pytest.raises(ArtifactError, match=r"written by a newer mechlab: .* upgrade mechlab\.$"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("fields", [{"surprise": 1}, {"kind": 3}, {"metrics": {"l0": "many"}}, {"schema_version": "x"}])
def test_a_damaged_manifest_is_refused_by_field(tmp_path, manifest, fields):
    write_manifest(tmp_path, manifest)
    edit(tmp_path, **fields)
    with pytest.raises(ArtifactError, match=rf"^run\.json is damaged: .* {next(iter(fields))}"):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_not_a_run(tmp_path):
    with pytest.raises(ArtifactError, match=r"^not a run: .* It has no run\.json\.$"):
        read_manifest(tmp_path)
    with pytest.raises(ArtifactError, match=r"^not a run: .* There is no such folder\.$"):
        read_manifest(tmp_path / "gone")
