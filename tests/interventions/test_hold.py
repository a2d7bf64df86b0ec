"""What is held is the same in every row whatever comes before it; what is pushed is one vector a row, at one place."""

import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.interventions.hold import hold, push
from mechlab.models.huggingface import HuggingFaceModel

MODEL = HuggingFaceModel(tiny("gpt2"))


def test_held_activations_are_those_of_the_row_they_were_read_in():
    sites = ("pattern.1", "ln2_scale.0", "mlp_out.2")
    first, others = token_rows(1, 8), token_rows(3, 8, seed=1)
    seen = {site: found[0] for site, found in MODEL.activations(first, sites).items()}
    with hold(MODEL, seen):
        held = MODEL.activations(others, sites)
    for site, own in seen.items():
        assert all(torch.equal(row, own) for row in held[site])
    assert not torch.allclose(MODEL.activations(others, sites)["mlp_out.2"][0], seen["mlp_out.2"])


def test_each_row_is_pushed_by_its_own_vector_at_its_own_position():
    rows, positions = token_rows(3, 6), torch.tensor([0, 4, 2])
    vectors = {
        layer: torch.randn(3, MODEL.spec.d_model, generator=torch.Generator().manual_seed(layer)) for layer in (0, 2)
    }
    sites = [f"{kind}.{layer}" for layer in range(3) for kind in ("resid_mid", "resid_post")]
    clean = MODEL.activations(rows, sites)
    with push(MODEL, positions, {0: vectors[0]}):
        seen = MODEL.activations(rows, sites)
    moved = seen["resid_post.0"] - clean["resid_post.0"]
    for row, position in enumerate(positions.tolist()):
        assert torch.allclose(moved[row, position], vectors[0][row], atol=1e-5)
        moved[row, position] = 0
    assert not moved.abs().max() > 1e-6
    with push(MODEL, positions, vectors):
        both = MODEL.activations(rows, sites)
    written = both["resid_post.2"] - both["resid_mid.2"] - (seen["resid_post.2"] - seen["resid_mid.2"])
    assert torch.allclose(written[1, 4], vectors[2][1], atol=1e-4)
