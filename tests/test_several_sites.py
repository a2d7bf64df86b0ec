"""Dictionaries of several layers from the command line: trained, judged layer by layer, resumed, compared, refused."""

import json
import signal
import time

import pytest
import torch
from small_run import SMALL, assert_refused, call, contents, spawn

from mechlab.core.progress import SILENT
from mechlab.dictionaries.saelens_format import from_saelens
from mechlab.models.loaders import load
from mechlab.store.dictionary_folder import read_dictionary
from mechlab.store.run import open_run
from mechlab.verbs.steps.opening import held_out_rows, open_subject
from mechlab.verbs.subject import SubjectConfig

pytestmark = pytest.mark.usefixtures("elsewhere")

PLACE = SMALL.index("--site")
ELSEWHERE = (*SMALL[:PLACE], *SMALL[PLACE + 2 :])
ROUTES = {
    "topk_crosscoder": (["--site", "resid_post.0,resid_post.1"], ["resid_post.0", "resid_post.1"], []),
    "topk_crosslayer_transcoder": (
        ["--site", "mlp"],
        ["ln2_normalized.0", "ln2_normalized.1"],
        ["mlp_out.0", "mlp_out.1"],
    ),
}


@pytest.fixture(scope="module", params=ROUTES)
def trained(request, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / request.param
    done = call("train", request.param, "--model", model, *ELSEWHERE, *ROUTES[request.param][0], "--out", out, "--json")
    assert done.code == 0, done.err
    return request.param, out, done


def test_the_run_and_its_page_name_all_sites(trained):
    kind, out, _ = trained
    _, read, rebuilt = ROUTES[kind]
    config = json.loads((out / "run.json").read_text())["config"]
    assert (config["site"], config.get("target", "")) == (",".join(read), ",".join(rebuilt))
    assert config["dictionary"]["n_layers"] == 2
    page = (out / "report.html").read_text()
    assert all(site in page for site in read + rebuilt)
    assert "All 2 sites are replaced within one forward pass" in page
    for name in ("explained_variance", "ce_loss_recovered", "delta_ce_nats"):
        assert all(f"{name}.{site}" in page for site in rebuilt or read)
    assert ("Where features write" in page) == ("crosscoder" in kind)
    shown = call("show", out)
    assert all(site in shown.out for site in read + rebuilt), shown.out
    assert not open_run(out).verify()


@torch.no_grad()
def test_each_layers_explained_variance_is_that_layers_alone(trained, model):
    kind, out, done = trained
    _, read, rebuilt = ROUTES[kind]
    dictionary = from_saelens(*read_dictionary(out / "dictionary")).double()
    stored = open_run(out).manifest.config
    known = {name: value for name, value in stored.items() if name in SubjectConfig.model_fields}
    rows = held_out_rows(open_subject(SubjectConfig(**{**known, "device": "cpu"})), SILENT)
    found = load(str(model), device="cpu").activations(rows.tokens.long(), [*read, *rebuilt])
    kept = {name: value[~rows.special].double() for name, value in found.items()}
    result = dictionary(torch.cat([kept[site] for site in read], -1))
    for site, guess in zip(rebuilt or read, result.chunk(2, -1), strict=True):
        own = kept[site]
        by_hand = 1 - (guess - own).square().sum() / (own - own.mean(0)).square().sum()
        measured = done.data["estimates"][f"explained_variance.{site}"]["value"]
        assert measured == pytest.approx(by_hand.item(), abs=1e-4), site


def test_it_is_judged_again_and_compared(trained):
    kind, out, done = trained
    again = call("evaluate", out, "--json")
    assert again.code == 0, again.err
    names = ("explained_variance", "ce_spliced_nats", "dead_share")
    assert [again.data[name] for name in names] == [done.data[name] for name in names]
    both = call("runs", "compare", out, again.data["run"], "--json")
    last = (ROUTES[kind][2] or ROUTES[kind][1])[-1]
    assert both.code == 0 and f"explained_variance.{last}" in both.out


def test_killed_and_resumed_it_ends_in_the_same_bytes(trained, model, tmp_path):
    kind, _, _ = trained
    out = tmp_path / "killed"
    given = ("train", kind, "--model", model, *ELSEWHERE, *ROUTES[kind][0], "--checkpoint-every", "2")
    call(*given, "--out", tmp_path / "whole")
    process = spawn(*given, "--out", out)
    for _ in range(1200):
        if list(tmp_path.glob("killed.partial/checkpoints/*")) or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = call(*given, "--out", out, "--resume", "--json")
    assert done.code == 0, done.err
    assert contents(out / "dictionary") == contents(tmp_path / "whole" / "dictionary")


@pytest.mark.parametrize(
    ("kind", "place", "said"),
    [
        ("topk_crosscoder", ["--site", "resid_post.1"], "several sites"),
        ("topk_crosscoder", ["--site", "resid_post.0,mlp_post.1"], "differ in width"),
        ("topk_crosslayer_transcoder", ["--site", "resid_post.0,resid_post.1"], "needs targets"),
        ("topk_crosslayer_transcoder", ["--site", "mlp.1,mlp.0"], "out of order"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_sites_that_do_not_fit_are_one_line(model, tmp_path, kind, place, said, dry):
    done = call("train", kind, "--model", model, *ELSEWHERE, *place, "--out", tmp_path / "out", *dry)
    assert_refused(done, tmp_path / "out", said)


def test_a_dry_run_counts_all_layers_and_writes_nothing(model, tmp_path):
    done = call(
        "train", "topk_crosslayer_transcoder", "--model", model, *ELSEWHERE, "--site", "mlp", "--dry-run", "--json"
    )
    readers, writers = 24 * 16, 12 * 16 * 2 + 12 * 16
    assert done.data["n_parameters"] == readers + 24 + writers + 32
    assert not list(tmp_path.iterdir())
