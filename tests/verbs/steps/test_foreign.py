"""Dictionaries are found by what lies at a place, with the names of where they belong."""

import torch
from oracles import dunefsky_checkpoint

from mechlab.dictionaries.circuit_tracer_format import to_circuit_tracer
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.store.circuit_tracer_folder import write_transcoders
from mechlab.verbs.steps.foreign import find_dictionaries


def test_a_run_is_found_by_its_folder_and_by_its_id(trained, tmp_path):
    out, made = trained
    (by_folder,) = find_dictionaries(str(out), tmp_path)
    (by_id,) = find_dictionaries(made.data["id"][:8], out.parent)
    assert by_folder.names["hook_name"] == by_id.names["hook_name"] == "blocks.0.hook_resid_post"
    assert torch.equal(by_folder.dictionary.W_dec, by_id.dictionary.W_dec)


def test_a_set_gives_its_layers_in_order_with_their_hooks(tmp_path):
    layers = [ReluDictionary(ReluConfig(d_in=4, d_sae=8, d_out=4), seed=seed) for seed in range(3)]
    write_transcoders(tmp_path / "set", *to_circuit_tracer(layers, ("hook_resid_mid", "hook_mlp_out"), "m"))
    found = list(find_dictionaries(str(tmp_path / "set"), tmp_path))
    assert [one.names["hook_name_out"] for one in found] == [f"blocks.{i}.hook_mlp_out" for i in range(3)]
    for one, layer in zip(found, layers, strict=True):
        torch.testing.assert_close(one.dictionary.W_dec, layer.W_dec)


def test_a_checkpoint_keeps_its_model_and_hooks(tmp_path):
    dunefsky_checkpoint.save(tmp_path / "theirs.pt", dunefsky_checkpoint.state())
    (found,) = find_dictionaries(str(tmp_path / "theirs.pt"), tmp_path)
    assert found.dictionary.config.d_out == 5
    assert found.names["model_name"] == "gpt2-small" and found.names["context_size"] == 128
