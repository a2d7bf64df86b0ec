"""`mechlab convert`: the same function in another library's files; what cannot be converted is one line."""

import json

import pytest
import torch
from oracles import dunefsky_checkpoint
from sae_lens import SAE
from safetensors.torch import load_file
from small_run import SMALL, assert_refused, call

from mechlab.dictionaries.saelens_format import from_saelens
from mechlab.store.dictionary_folder import read_dictionary

PLACE = SMALL.index("--site")
X = torch.randn(40, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def layers(model, tmp_path_factory):
    """Return the runs of a JumpReLU skip transcoder at each of the model's two layers."""
    folder = tmp_path_factory.mktemp("layers")
    shared = (*SMALL[2:PLACE], *SMALL[PLACE + 2 :], "--quiet")
    for layer in (0, 1):
        given = ("--model", model, *shared, "--site", f"mlp.{layer}", "--activation", "jumprelu")
        done = call("train", "skip_transcoder", *given, "--out", folder / str(layer))
        assert done.code == 0, done.err
    return [folder / "0", folder / "1"]


def test_runs_become_a_set_for_circuit_tracer_and_come_back(layers, tmp_path):
    done = call("convert", *layers, "--to", "circuit-tracer", "--out", tmp_path / "set", "--json")
    assert done.code == 0, done.err
    assert [one["reads"] for one in done.data["dictionaries"]] == [f"blocks.{i}.ln2.hook_normalized" for i in (0, 1)]
    assert "feature_input_hook: ln2.hook_normalized" in (tmp_path / "set" / "config.yaml").read_text()
    stored = load_file(tmp_path / "set" / "layer_1.safetensors")
    assert set(stored) == {"W_enc", "W_dec", "b_enc", "b_dec", "W_skip", "activation_function.threshold"}
    back = call("convert", tmp_path / "set", "--layer", 1, "--out", tmp_path / "back", "--json")
    assert back.code == 0, back.err
    ours, theirs = from_saelens(*read_dictionary(layers[1] / "dictionary")), SAE.load_from_disk(tmp_path / "back")
    assert theirs.cfg.metadata.hook_name_out == "blocks.1.hook_mlp_out"
    with torch.no_grad():
        torch.testing.assert_close(theirs(X), ours(X), rtol=1e-5, atol=1e-5)


def test_a_dunefsky_checkpoint_becomes_a_folder_that_saelens_loads(tmp_path):
    parameters = dunefsky_checkpoint.state(d_in=16, d_sae=30, d_out=16)
    dunefsky_checkpoint.save(tmp_path / "theirs.pt", parameters)
    done = call("convert", tmp_path / "theirs.pt", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    loaded = SAE.load_from_disk(tmp_path / "out")
    assert loaded.cfg.metadata.hook_name == "blocks.8.ln2.hook_normalized"
    assert loaded.cfg.metadata.model_name == "gpt2-small"
    with torch.no_grad():
        torch.testing.assert_close(loaded(X), dunefsky_checkpoint.forward(parameters, X)[1], rtol=1e-5, atol=1e-5)


def test_a_run_becomes_a_plain_folder(layers, tmp_path):
    assert call("convert", layers[0], "--out", tmp_path / "out", "--quiet").code == 0
    cfg = json.loads((tmp_path / "out" / "cfg.json").read_text())
    assert cfg["architecture"] == "jumprelu_skip_transcoder"
    weights = "sae_weights.safetensors"
    assert (tmp_path / "out" / weights).read_bytes() == (layers[0] / "dictionary" / weights).read_bytes()


def test_what_cannot_be_converted_is_one_line_and_leaves_nothing(layers, trained, tmp_path):
    out = tmp_path / "out"
    tracer = ("--to", "circuit-tracer", "--out", out)
    assert_refused(
        call("convert", layers[1], layers[0], *tracer), out, "transcoder 0 is not of block 0", "blocks.1.ln2"
    )
    assert_refused(call("convert", layers[1], *tracer), out, "every layer, in order from block 0")
    assert_refused(call("convert", trained[0], *tracer), out, "transcoder 0 is not of block 0")
    assert_refused(call("convert", *layers, "--out", out), out, "holds one dictionary", "2", "--layer")
    assert_refused(call("convert", layers[0], "--layer", 3, "--out", out), out, "no such layer", "3")
    assert_refused(call("convert", layers[0]), out, "--out")
    assert_refused(call("convert", tmp_path / "nowhere", "--out", out), out, "nowhere")
    (tmp_path / "notes.pt").write_text("no archive")
    assert_refused(call("convert", tmp_path / "notes.pt", "--out", out), out, "not a torch archive", "notes.pt")
    torch.save({"W_enc": torch.ones(2)}, tmp_path / "weights.pt")
    assert_refused(call("convert", tmp_path / "weights.pt", "--out", out), out, "of another library", "weights.pt")
    out.mkdir()
    done = call("convert", layers[0], "--out", out)
    assert (done.code, "output folder exists" in done.line) == (2, True)
