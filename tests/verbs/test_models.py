"""`mechlab models`: what can be loaded, and one model with its sites."""

from small_run import call

from mechlab.models import MODELS
from mechlab.models.architectures import ARCHITECTURES


def test_the_list_has_every_built_in_model_and_architecture():
    done = call("models", "--json")
    assert done.data == {"built_in": list(MODELS), "architectures": sorted(ARCHITECTURES)}
    people = call("models").out
    assert all(name in people for name in [*MODELS, *ARCHITECTURES])


def test_one_model_is_described_with_sites_that_train_accepts(model):
    data = call("models", model, "--json").data
    assert (data["n_layers"], data["d_model"], data["n_ctx"]) == (2, 16, 64)
    assert len(data["fingerprint"]) == 64
    assert {"resid_post.0", "mlp_out.1"} <= set(data["sites"])
    assert "resid_post.2" not in data["sites"]


def test_a_model_that_is_not_there_is_one_line():
    done = call("models", "nosuch")
    assert (done.code, done.out) == (2, "")
    assert "'nosuch'" in done.line and "Built in: tales" in done.line


def test_a_device_that_is_not_there_is_one_line(model):
    done = call("models", model, "--device", "abacus")
    assert (done.code, done.line) == (2, "error: unknown device: 'abacus'. Use cpu, cuda, cuda:N, mps or auto.")
