"""The numbers of a run in short: for programs and for people."""

import json

from small_run import call

from mechlab.store.run import open_run
from mechlab.verbs.steps.summary import run_summary


def test_programs_get_plain_numbers_and_the_estimates_behind_them(trained):
    run = open_run(trained[0])
    data, _ = run_summary(run)
    stored = json.loads((trained[0] / "run.json").read_text())["metrics"]
    assert (data["run"], data["id"], data["kind"]) == (str(trained[0]), run.id, "train topk")
    assert data["estimates"] == stored
    assert data["explained_variance"] == stored["explained_variance"]["value"]
    assert data["n_tokens"] == stored["n_tokens"]
    assert not [name for name in data if "." in name]
    json.dumps(data, allow_nan=False)


def test_people_get_each_metric_with_its_interval_and_controls(trained):
    _, table = run_summary(open_run(trained[0]))
    rows = {row[0].partition("\n")[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert {"l0", "explained_variance", "ce_loss_recovered"} <= rows.keys()
    row = rows["explained_variance"]
    assert "untrained" in " ".join(row.values())
    assert row["95 % interval"].startswith("[")
    assert table.title.startswith("train topk")


def test_numbers_without_intervals_are_a_table_too(model, tmp_path):
    assert call("channels", "--model", model, "--mode", "k", "--out", tmp_path / "run").code == 0
    _, table = run_summary(open_run(tmp_path / "run"))
    assert [row[0] for row in table.rows] == ["largest_z_k", "n_channels", "n_discoveries_k"]
    assert dict(table.rows)["n_channels"] == "32"
