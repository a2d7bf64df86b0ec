"""`mechlab sweep KIND`: the grid's runs, equal to those of `train` alone; what it refuses; how it goes on."""

import json

import pytest
from small_run import FEATURES, TEXT, call, contents, nothing_at

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


def test_the_same_command_again_returns_the_sweep_as_it_is(swept, model):
    out, first = swept
    before = contents(out)
    done = sweep(model, out, *SITES, "--features", FEATURES, "--k", "2,4", "--seeds", "0,3", "--json")
    assert (done.code, done.data) == (0, first.data)
    assert "already there" in done.err
    assert contents(out) == before


def test_sweep_json_says_every_member_with_intervals(swept):
    out, done = swept
    stored = json.loads((out / "sweep.json").read_text())
    assert (stored["id"], stored["finished"]) == (done.data["id"], True)
    assert stored["config"]["dictionary"] == {"k": ["2", "4"]}
    for member in stored["members"]:
        assert {"value", "low", "high", "n"} <= member["metrics"]["ce_loss_recovered"].keys()
        assert member["settings"].keys() == {"site", "features", "k"}


def test_reports_make_members_whole_to_the_last_file(model, tmp_path):
    own = ("--features", FEATURES, "--k", "4")
    assert sweep(model, tmp_path / "s", "--sites", "resid_post.0", *own, "--reports").code == 0
    assert (
        call("train", "topk", "--model", model, *GRID, "--site", "resid_post.0", *own, "--out", tmp_path / "t").code
        == 0
    )
    alone, member = contents(tmp_path / "t"), contents(tmp_path / "s" / "resid_post.0-24-k4-seed0")
    assert alone.pop("run.json") and member.pop("run.json")  # the time of making it is in there
    assert alone == member


def test_a_dry_run_lists_members_and_costs_and_writes_nothing(model, tmp_path):
    done = sweep(
        model, tmp_path / "out", *SITES, "--features", "16,24", "--k", "2,4", "--seeds", "0,1", "--dry-run", "--json"
    )
    assert done.code == 0, done.err
    assert (done.data["dry_run"], done.data["n_members"], len(done.data["members"])) == (True, 16, 16)
    assert done.data["n_steps"] == 8
    assert all(done.data[key] > 0 for key in ("memory_bytes", "disk_bytes", "time_s"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sites", "resid_post.0,resid_post.9"], ["resid_post.9", "Layers are 0..1"]),
        (["--sites", "resid_post.0,blocks.0.hook_resid_post"], ["two members", "resid_post.0-24-k4-seed0"]),
        (["--sites", ""], ["sites", "empty"]),
        (["--sites", "resid_post.0,z.1"], ["more than one vector per token", "'z.1'"]),
        (["--k", ""], ["k", "empty"]),
        (["--k", "4,x"], ["member resid_post.0", "kx", "valid integer"]),
        (["--k", "4,4"], ["two members", "k4"]),
        (["--k", "4,25"], ["member resid_post.0-features24-k25-seed0", "k is at most d_sae = 24"]),
        (["--features", "24,-1"], ["features", "-1", "greater than 0"]),
        (["--features", "24,24"], ["features", "24 is given twice"]),
        (["--seeds", "0,-1"], ["seeds", "-1"]),
        (["-s", "dictionary.d_sae=5"], ["d_sae", "--features"]),
        (["-s", "training.lr_decay_fraction=2"], ["lr_decay_fraction"]),
    ],
    ids=lambda value: "_".join(value) if str(value[0]).startswith("-") else "",
)
def test_bad_input_is_one_line_and_leaves_nothing(model, tmp_path, options, said):
    usual = {"--sites": "resid_post.0", "--features": FEATURES, "--k": "4"}
    given = [word for pair in {**usual, **dict([options])}.items() for word in pair]
    done = sweep(model, tmp_path / "out", *given)
    assert (done.code, done.out) == (2, "")
    assert done.line.startswith("error: ")
    assert not [part for part in said if part not in done.line], done.line
    assert nothing_at(tmp_path / "out")


def test_a_folder_of_another_sweep_or_of_a_run_is_left_alone(swept, trained, model):
    own = ("--sites", "resid_post.0", "--features", FEATURES, "--k", "3")
    for out, said in ((swept[0], "another sweep"), (trained[0], "not a sweep")):
        before = contents(out)
        done = sweep(model, out, *own)
        assert (done.code, done.out) == (2, "") and said in done.line and str(out) in done.line
        assert contents(out) == before


def test_a_crosscoder_reads_sites_joined_by_a_plus(model, tmp_path):
    own = ("--sites", "resid_post.0+resid_post.1", "--features", "16", "--dry-run", "--json")
    done = call("sweep", "crosscoder", "--model", model, *GRID, "--out", tmp_path / "out", *own)
    assert done.code == 0, done.err
    assert done.data["members"] == ["resid_post.0_resid_post.1-16-seed0"]


def test_help_shows_lists_where_a_grid_is():
    done = call("sweep", "topk", "--help")
    assert done.code == 0
    for option in ("--sites", "--features", "--seeds", "--k", "--reports", "--resume", "--dry-run"):
        assert option in done.out
    assert "sweep" in call("--help").out
