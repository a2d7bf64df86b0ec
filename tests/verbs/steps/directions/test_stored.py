"""Directions come back for the model they are of; a feature's is had from a folder and a number."""

import json

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny
from sae_lens import SAE, StandardSAE, StandardSAEConfig

from mechlab.circuits.directions.direction import directed
from mechlab.core.errors import ArtifactError, UnknownName, UsageError
from mechlab.core.estimate import Estimate
from mechlab.dictionaries.circuit_tracer_format import to_circuit_tracer
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.store.circuit_tracer_folder import write_transcoders
from mechlab.store.direction_file import write_direction_file
from mechlab.verbs.steps.directions.stored import open_directions, open_feature_direction, save_directions

MODEL, OTHER = HuggingFaceModel(tiny("gpt2")), HuggingFaceModel(tiny("gpt2", seed=1))
AUC = Estimate(value=0.9, low=0.8, high=1.0, n=20)


def directions(model=MODEL):
    draw = torch.Generator().manual_seed(0)
    known = {"auc": AUC, "seed": 3, "n_positive": 7, "details": {"feature": 3, "share": 0.5, "side": "write"}}
    return [
        directed(model, "resid_post.1", torch.randn(D_MODEL, generator=draw), "mean_difference", "one", **known),
        directed(model, "mlp_post.0", torch.randn(48, generator=draw), "random", "two"),
    ]


def test_they_come_back_with_all_that_is_known_of_them(tmp_path):
    save_directions(tmp_path / "some", MODEL, directions())
    for found, wanted in zip(open_directions(tmp_path / "some", MODEL), directions(), strict=True):
        assert torch.equal(found.vector, wanted.vector) and found.facts == wanted.facts
        assert all(getattr(found, name) == getattr(wanted, name) for name in ("site", "scale", "kind", "name"))


def test_those_of_another_model_are_neither_saved_nor_opened(tmp_path):
    with pytest.raises(UsageError, match="of another model: 'one'"):
        save_directions(tmp_path / "some", OTHER, directions())
    with pytest.raises(UsageError, match="no directions to save"):
        save_directions(tmp_path / "some", MODEL, [])
    assert not list(tmp_path.iterdir())
    save_directions(tmp_path / "some", MODEL, directions())
    with pytest.raises(UsageError, match="of another model: 'one'"):
        open_directions(tmp_path / "some", OTHER)


@pytest.mark.parametrize("change", [{"scale": -1.0}, {"facts": {"modle": ""}}, {"facts": 3}, {"scale": "x"}])
def test_a_file_whose_directions_make_no_sense_is_damaged(change, tmp_path):
    (one, _) = directions()
    described = {name: getattr(one, name) for name in ("site", "scale", "kind", "name")}
    described |= {"facts": json.loads(one.facts.model_dump_json())}
    write_direction_file(tmp_path / "some", [described], [one.vector])
    assert len(open_directions(tmp_path / "some", MODEL)) == 1
    for bad in (described | change, {name: described[name] for name in ("site", "kind")}):
        write_direction_file(tmp_path / "some", [bad], [one.vector])
        with pytest.raises(ArtifactError, match="damaged"):
            open_directions(tmp_path / "some", MODEL)
    write_direction_file(tmp_path / "some", [described], [2 * one.vector])
    with pytest.raises(ArtifactError, match="damaged"):
        open_directions(tmp_path / "some", MODEL)


def saelens_folder(folder, hook: str | None = "blocks.1.hook_resid_post") -> SAE:
    """Save a dictionary with the library itself and return it."""
    sae = StandardSAE(StandardSAEConfig(d_in=D_MODEL, d_sae=12, device="cpu"))
    with torch.no_grad():
        sae.W_dec.normal_(generator=torch.Generator().manual_seed(4))
    if hook is not None:
        sae.cfg.metadata.hook_name = hook
    sae.save_model(folder)
    return sae


def test_a_feature_of_a_saelens_folder_is_its_decoder_row_at_the_hook_it_names(tmp_path):
    sae = saelens_folder(tmp_path)
    found = open_feature_direction(MODEL, tmp_path, 7)
    torch.testing.assert_close(found.scaled, sae.W_dec[7].detach())
    assert found.site == "resid_post.1" and found.facts.details == {"feature": 7}
    assert open_feature_direction(MODEL, tmp_path, 7, site="resid_pre.1").site == "resid_pre.1"


def test_features_folders_and_hooks_that_are_not_there_are_refused(tmp_path):
    saelens_folder(tmp_path / "one")
    with pytest.raises(UsageError, match=r"no such feature: 12. Features are 0..11"):
        open_feature_direction(MODEL, tmp_path / "one", 12)
    with pytest.raises(UsageError, match="feature is not valid: -1"):
        open_feature_direction(MODEL, tmp_path / "one", -1)
    with pytest.raises(UnknownName, match="unknown run"):
        open_feature_direction(MODEL, tmp_path / "none", 1)
    saelens_folder(tmp_path / "nowhere", hook=None)
    with pytest.raises(UsageError, match="does not say where it was trained"):
        open_feature_direction(MODEL, tmp_path / "nowhere", 1)
    saelens_folder(tmp_path / "deep", hook="blocks.11.hook_resid_post")
    with pytest.raises(UnknownName, match="no such layer"):
        open_feature_direction(MODEL, tmp_path / "deep", 1)
    with pytest.raises(UsageError, match="dictionary does not fit the site: 32"):
        open_feature_direction(MODEL, tmp_path / "one", 1, site="mlp_post.0")


def test_a_set_and_a_dictionary_of_another_model_are_refused(tmp_path, trained):
    layers = [ReluDictionary(ReluConfig(d_in=D_MODEL, d_sae=8, d_out=D_MODEL), seed=seed) for seed in range(3)]
    write_transcoders(tmp_path / "set", *to_circuit_tracer(layers, ("hook_resid_mid", "hook_mlp_out"), "m"))
    with pytest.raises(ArtifactError, match=r"path holds several dictionaries: .*: 3'"):
        open_feature_direction(MODEL, tmp_path / "set", 1)
    with pytest.raises(ArtifactError, match="dictionary is of another model"):
        open_feature_direction(MODEL, trained[0], 1)
