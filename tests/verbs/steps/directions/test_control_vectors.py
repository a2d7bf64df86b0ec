"""Control vectors are written for llama.cpp and repeng and come back at the layers they are added behind."""

import gguf
import numpy as np
import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny, token_rows

from mechlab.circuits.directions.direction import directed
from mechlab.core.errors import ArtifactError, UnknownName, UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.store.control_vector import write_control_vector
from mechlab.verbs.steps.directions.control_vectors import open_control_vector, save_control_vector

HF = tiny("neox_parallel")
MODEL = HuggingFaceModel(HF)
VECTORS = {layer: 3 * torch.randn(D_MODEL, generator=torch.Generator().manual_seed(layer)) for layer in (2, 1)}


def directions(model=MODEL):
    return [directed(model, f"resid_post.{layer}", vector, "some", "one") for layer, vector in VECTORS.items()]


@pytest.mark.parametrize("natural", [False, True])
def test_the_reference_library_finds_the_vectors_under_their_block_s_number(natural, tmp_path):
    save_control_vector(tmp_path / "mood.gguf", MODEL, directions(), natural=natural)
    found = gguf.GGUFReader(tmp_path / "mood.gguf")
    assert [one.name for one in found.tensors] == ["direction.1", "direction.2"]
    assert found.get_field("controlvector.model_hint").contents() == "gpt_neox"
    for one, layer in zip(found.tensors, (1, 2), strict=True):
        wanted = VECTORS[layer] if natural else VECTORS[layer] / VECTORS[layer].norm()
        torch.testing.assert_close(torch.from_numpy(np.array(one.data)), wanted)


def test_a_vector_comes_back_at_the_output_of_the_block_repeng_wraps(tmp_path):
    save_control_vector(tmp_path / "mood.gguf", MODEL, directions(), natural=True)
    found = open_control_vector(tmp_path / "mood.gguf", MODEL)
    assert [one.site for one in found] == ["resid_post.1", "resid_post.2"] and found[0].kind == "control_vector"
    tokens = token_rows(1, 5)
    for one, layer in zip(found, (1, 2), strict=True):
        torch.testing.assert_close(one.scaled, VECTORS[layer])
        block = HF.gpt_neox.layers[layer]

        def wrapped(module, args, output, vector=VECTORS[layer]):
            return (output[0] + vector, *output[1:]) if isinstance(output, tuple) else output + vector

        handle = block.register_forward_hook(wrapped)
        wanted = HF(tokens).logits
        handle.remove()
        with MODEL.edit({one.site: lambda x, one=one: x + one.scaled}):
            torch.testing.assert_close(MODEL.logits(tokens), wanted, atol=1e-5, rtol=1e-5)


def test_a_type_is_one_however_programs_spell_it_and_another_type_is_refused(tmp_path):
    write_control_vector(tmp_path / "one", "gptneox", VECTORS)
    assert len(open_control_vector(tmp_path / "one", MODEL)) == 2
    write_control_vector(tmp_path / "one", "", VECTORS)
    assert len(open_control_vector(tmp_path / "one", MODEL)) == 2
    write_control_vector(tmp_path / "one", "llama", VECTORS)
    with pytest.raises(ArtifactError, match=r"control vector is for 'llama'.*any_model=True"):
        open_control_vector(tmp_path / "one", MODEL)
    assert len(open_control_vector(tmp_path / "one", MODEL, any_model=True)) == 2


def test_directions_that_have_no_place_there_are_refused(tmp_path):
    (first, second), path = directions(), tmp_path / "one"
    elsewhere = directed(MODEL, "mlp_out.1", VECTORS[1], "some", "one")
    for wrong in ([first, elsewhere], [first, first]):
        with pytest.raises(UsageError, match="no place in a control vector"):
            save_control_vector(path, MODEL, wrong)
    with pytest.raises(UsageError, match="no direction for these layers: '0'"):
        save_control_vector(path, MODEL, [directed(MODEL, "resid_post.0", VECTORS[1], "some", "one")])
    with pytest.raises(UsageError, match="of another model"):
        save_control_vector(path, HuggingFaceModel(tiny("gpt2")), [second])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("vectors", "kind", "message"),
    [
        ({7: torch.ones(D_MODEL)}, UnknownName, "no such layer"),
        ({1: torch.ones(5)}, UsageError, r"does not fit the site: 5. resid_post.1 of .* has width 32"),
        ({1: torch.zeros(D_MODEL)}, UsageError, "direction is zero"),
    ],
)
def test_files_of_deeper_and_wider_models_are_refused(vectors, kind, message, tmp_path):
    write_control_vector(tmp_path / "one", "gpt_neox", vectors)
    with pytest.raises(kind, match=message):
        open_control_vector(tmp_path / "one", MODEL)
