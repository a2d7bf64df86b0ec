"""Transcoders from the command line: trained, judged, shown and resumed against their target, or refused in a line."""

import json
import signal
import time

import pytest
import torch
from sae_lens import SAE
from small_run import SMALL, assert_refused, call, contents, spawn, wait

from mechlab.dictionaries.saelens_format import from_saelens
from mechlab.models.loaders import load
from mechlab.store.dictionary_folder import read_dictionary
from mechlab.store.run import open_run

pytestmark = pytest.mark.usefixtures("elsewhere")

PLACE = SMALL.index("--site")
ELSEWHERE = (*SMALL[:PLACE], *SMALL[PLACE + 2 :])
SMALL_PAIR = (*ELSEWHERE, "--site", "mlp.1")


@pytest.fixture(scope="module")
def trained(model, tmp_path_factory):
    """Return the folder of a small skip transcoder's run, and what the command that made it printed."""
    out = tmp_path_factory.mktemp("runs") / "small"
    done = call("train", "skip_transcoder", "--model", model, *SMALL_PAIR, "--out", out, "--json")
    assert done.code == 0, done.err
    return out, done


def test_the_run_says_both_sites_and_what_became_of_them(trained):
    out, done = trained
    config = json.loads((out / "run.json").read_text())["config"]
    assert (config["site"], config["target"]) == ("ln2_normalized.1", "mlp_out.1")
    assert (config["kind"], config["dictionary"]["skip"]) == ("topk", True)
    cfg = json.loads((out / "dictionary" / "cfg.json").read_text())
    assert (cfg["architecture"], cfg["d_in"], cfg["d_out"]) == ("topk_skip_transcoder", 16, 16)
    assert cfg["metadata"]["hook_name"] == "blocks.1.ln2.hook_normalized"
    assert cfg["metadata"]["hook_name_out"] == "blocks.1.hook_mlp_out"
    page = (out / "report.html").read_text()
    for site in ("ln2_normalized.1 (blocks.1.ln2.hook_normalized)", "mlp_out.1 (blocks.1.hook_mlp_out)"):
        assert site in page
    assert "ln2_normalized.1 -&gt; mlp_out.1 of tiny" in page
    assert done.data["l0"] == 4 and {"kl_nats", "dead_share", "ce_loss_recovered"} <= done.data.keys()
    assert not open_run(out).verify()


def test_its_numbers_are_those_of_the_target(trained, model):
    """Explained variance by hand, on the rows it was judged on."""
    out, done = trained
    transcoder = from_saelens(*read_dictionary(out / "dictionary"))
    assert transcoder.W_skip.any(), "the skip has learnt"
    subject = open_run(out).manifest.config
    from mechlab.core.progress import SILENT
    from mechlab.verbs.steps.opening import held_out_rows, open_subject
    from mechlab.verbs.subject import SubjectConfig

    known = {name: value for name, value in subject.items() if name in SubjectConfig.model_fields}
    rows = held_out_rows(open_subject(SubjectConfig(**{**known, "device": "cpu"})), SILENT)
    found = load(str(model), device="cpu").activations(rows.tokens.long(), ["ln2_normalized.1", "mlp_out.1"])
    x, y = (found[name][~rows.special].double() for name in ("ln2_normalized.1", "mlp_out.1"))
    with torch.no_grad():
        error = (transcoder.double()(x) - y).square().sum()
    by_hand = 1 - error / (y - y.mean(0)).square().sum()
    assert done.data["explained_variance"] == pytest.approx(by_hand.item(), abs=1e-4)


def test_the_short_form_is_the_kind_with_its_options_set(model, trained, tmp_path):
    given = ("--model", model, *ELSEWHERE, "--json", "--dry-run")
    ends = ("--site", "ln2_normalized.1", "--target", "blocks.1.hook_mlp_out")
    again = call("train", "topk", "--model", model, *ELSEWHERE, *ends, "--skip", "--out", trained[0], "--json")
    assert (again.code, again.data["id"]) == (0, trained[1].data["id"])
    plain = call("train", "transcoder", *given, "--site", "mlp.1").data["n_parameters"]
    with_skip = call("train", "skip_transcoder", *given, "--site", "mlp.1").data["n_parameters"]
    assert (plain, with_skip) == (2 * 16 * 24 + 24 + 16, 2 * 16 * 24 + 24 + 16 + 16 * 16)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("activation", ["relu", "jumprelu", "batchtopk"])
def test_any_kind_becomes_a_transcoder_that_saelens_loads(model, tmp_path, activation):
    few = ELSEWHERE if activation == "batchtopk" else ELSEWHERE[2:]
    given = ("--activation", activation, "--model", model, *few, "--site", "resid_post.0", "--target", "head.1.0")
    done = call("train", "skip_transcoder", *given, "--json", "--quiet")
    assert done.code == 0, done.err
    folder = tmp_path / done.data["run"]
    assert folder.name.startswith(f"{activation}-tiny-resid_post_0-head_1_0-")
    ours, theirs = from_saelens(*read_dictionary(folder / "dictionary")), SAE.load_from_disk(folder / "dictionary")
    assert theirs.cfg.metadata.hook_name_out == "blocks.1.attn.hook_result"
    x = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_it_is_judged_again_shown_and_compared(trained, model, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "160")
    out, made = trained
    again = call("evaluate", out, "--out", tmp_path / "again", "--json")
    assert again.code == 0, again.err
    assert again.data["estimates"] == made.data["estimates"]
    assert json.loads((tmp_path / "again" / "run.json").read_text())["config"]["target"] == "mlp_out.1"
    shown = call("show", out).out
    assert "ln2_normalized.1" in shown and "target" in shown and "mlp_out.1" in shown
    assert call("train", "topk", "--model", model, *SMALL, "--out", tmp_path / "plain", "--quiet").code == 0
    compared = call("runs", "compare", out, tmp_path / "plain", "--json").data
    assert compared["differences"]["target"] == ["mlp_out.1", "-"]
    assert compared["differences"]["dictionary.skip"] == [True, "-"]


def test_steering_adds_what_a_feature_writes_at_the_target(trained):
    samples = json.loads((trained[0] / "steering.json").read_text())
    assert samples and all(sample["before"] for sample in samples)


@pytest.mark.parametrize(
    ("form", "options", "said"),
    [
        ("transcoder", ["--site", "resid_post.0"], ["no target", "resid_post.0", "--target SITE", "mlp.L"]),
        ("topk", ["--site", "mlp.1", "--target", "mlp_uot.1"], ["no such site", "mlp.1"]),
        ("topk", ["--site", "resid_post.0", "--target", "mlp_uot.1"], ["no such site", "mlp_uot.1", "mlp_out"]),
        ("topk", ["--site", "resid_post.1", "--target", "mlp_out.0"], ["comes before", "mlp_out.0", "resid_post.1"]),
        ("topk", ["--site", "mlp.7"], ["no such layer", "Layers are 0..1"]),
        ("topk", ["--site", "mlp.1", "-s", "dictionary.d_out=5"], ["d_out", "The site sets the widths"]),
        ("topk", ["--site", "resid_post.0", "--skip"], ["skip", "give a target"]),
        ("transcoder", ["--site", "mlp.1", "--activation", "tokp"], ["unknown dictionary kind", "'tokp'", "topk"]),
        ("transcodr", ["--site", "mlp.1"], ["unknown dictionary kind", "'transcodr'", "transcoder"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(model, tmp_path, form, options, said):
    assert_refused(
        call("train", form, "--model", model, *ELSEWHERE, *options, "--out", tmp_path / "out"), tmp_path / "out", *said
    )


def test_the_help_of_a_short_form_has_its_kinds_own_options(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert "--l1-coefficient" in call("train", "transcoder", "--activation", "relu", "--help").out
    assert "--l1-coefficient" not in call("train", "transcoder", "--help").out
    assert "skip_transcoder" in call("train", "--help").out


def test_a_killed_transcoder_resumed_has_the_bytes_of_one_never_stopped(model, tmp_path):
    long = ("--checkpoint-every", "5", "-s", "training.n_tokens=51200", "-s", "training.log_every_steps=3")
    given = ("train", "skip_transcoder", "--model", model, *SMALL_PAIR, *long, "--quiet")
    process = spawn(*given, "--out", tmp_path / "out")
    deadline = time.monotonic() + 240
    while not list((tmp_path / "out.partial" / "checkpoints").glob("step-*")):
        assert process.poll() is None and time.monotonic() < deadline, wait(process).err
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert wait(process).code == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert call(*given, "--resume", "--out", tmp_path / "out").code == 0
    assert call(*given, "--out", tmp_path / "whole").code == 0
    resumed, whole = contents(tmp_path / "out"), contents(tmp_path / "whole")
    assert json.loads(resumed.pop("run.json"))["provenance"]["resumed_at_step"] > 0
    whole.pop("run.json")
    assert resumed == whole
