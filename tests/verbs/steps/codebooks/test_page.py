"""The page of a run with codebooks says what it is worth and lists codes that are in its index."""

import json
import re

from mechlab.store.run import REPORT_NAME, open_run
from mechlab.verbs.steps.codebooks.finding import stored_index


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)[1])


def test_it_holds_the_losses_of_the_run_and_its_controls(with_codebooks):
    out, done = with_codebooks
    data = data_of((out / REPORT_NAME).read_text())
    facts = {fact["label"]: fact["value"] for fact in data["facts"]}
    assert data["run_id"] == done.data["id"]
    for label, name in (("loss per token", "ce_loss"), ("loss with codes drawn at random", "untrained.ce_loss")):
        assert facts[label].startswith(f"{done.data['estimates'][name]['value']:.2f}"[:3])
    assert "of the unmodified model" in data["summary"]


def test_its_codes_are_used_as_often_as_the_index_says(with_codebooks):
    out, _ = with_codebooks
    data, index = data_of((out / REPORT_NAME).read_text()), stored_index(open_run(out))
    assert data["n_tokens"] == len(index) and len(data["codes"]) > 10
    for code in data["codes"]:
        assert code["n_uses"] == int(index.totals[code["site"]][code["code"]])
    assert {row["site"] for row in data["use"]} == set(index.codes)


def test_show_tells_where_it_is(with_codebooks):
    from small_run import call

    done = call("show", with_codebooks[0], "--json")
    assert done.code == 0 and done.data["report"].endswith(REPORT_NAME)
