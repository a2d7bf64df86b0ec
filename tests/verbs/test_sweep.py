"""`mechlab sweep KIND`: the grid's runs, equal to those of `train` alone; what it refuses; how it goes on."""

import json

import pytest
from small_run import FEATURES, SMALL, TEXT, call, contents, nothing_at

from mechlab.store.run import open_run

GRID = (*TEXT, "--batch-size", "256", "--pool", "512", "--lr", "0.01", "--eval-tokens", "512")
SITES = ("--sites", "resid_post.0,mlp.1")
WEIGHTS = "dictionary/sae_weights.safetensors"


def sweep(model, out, *more):
    return call("sweep", "topk", "--model", model, *GRID, "--out", out, *more)


@pytest.fixture(scope="session")
def swept(model, tmp_path_factory):
    """Return the folder of a small sweep, and what the command that made it printed."""
    out = tmp_path_factory.mktemp("sweeps") / "small"
    done = sweep(model, out, *SITES, "--features", FEATURES, "--k", "2,4", "--seeds", "0,3", "--json")
    assert done.code == 0, done.err
    return out, done


def test_every_member_of_the_grid_is_a_whole_run(swept):
    out, done = swept
    names = [
        f"{site}-24-k{k}-seed{seed}"
        for site in ("resid_post.0", "ln2_normalized.1_mlp_out.1")
        for k in (2, 4)
        for seed in (0, 3)
    ]
    assert [member["name"] for member in done.data["members"]] == names
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "sweep.json", "sweep.html"])
    for member in done.data["members"]:
        run = open_run(out / member["name"])
        assert not run.verify()
        assert run.id == member["id"]
        assert member["l0"] == member["settings"]["k"] == run.manifest.metrics["l0"].value


@pytest.mark.parametrize("site", ["resid_post.0", "mlp.1"])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_member_has_the_bytes_of_the_run_that_train_makes_alone(swept, model, tmp_path, site, seed):
    place = {"resid_post.0": "resid_post.0", "mlp.1": "ln2_normalized.1_mlp_out.1"}[site]
    own = ("--site", site, "--features", FEATURES, "--k", "4", "--init-seed", seed)
    assert call("train", "topk", "--model", model, *GRID, *own, "--out", tmp_path / "alone").code == 0
    alone, member = contents(tmp_path / "alone"), contents(swept[0] / f"{place}-24-k4-seed{seed}")
    stored = [json.loads(files.pop("run.json")) for files in (alone, member)]
    assert [one["id"] for one in stored] == [stored[0]["id"]] * 2
    assert [one["metrics"] for one in stored] == [stored[0]["metrics"]] * 2
    assert alone.keys() - member.keys() == {"report.html", "steering.json"}
    assert [name for name in member if alone[name] != member[name]] == []
