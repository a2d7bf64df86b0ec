"""What is listed of a traced prompt: the largest effects first, each with the token it is at."""

import pytest
from small_run import call

from mechlab.core.errors import ArtifactError
from mechlab.store.run import open_run
from mechlab.verbs.steps.tracing.list import first_effects, prompt_words, stored_graph


@pytest.fixture(scope="module")
def run(model, transcoders, tmp_path_factory):
    out = tmp_path_factory.mktemp("traced") / "run"
    told = ("--model", model, "--dictionaries", ",".join(map(str, transcoders)), "--target", "snow,pumpkin,#5,#6")
    assert call("trace", "It was winter.", *told, "--out", out, "--json").code == 0
    return open_run(out)


def test_every_effect_says_at_which_token_it_is(run):
    words = prompt_words(run)
    assert [word.strip() for word in words][1:] == ["It", "was", "winter", "."]
    found, tables = first_effects(run, 6)
    for target in found["targets"]:
        for one in target["effects"]:
            position = one["source"].partition("@")[2]
            assert one["token"] == (words[int(position)] if position else words[0])
    assert len(found["targets"]) == 4 and len(tables) == 3
    assert "weight among the 4 targets is 25 %" in tables[0].note


def test_a_changed_graph_is_refused(run):
    (run.folder / "graph_edges.arrow").write_bytes(b"no table")
    with pytest.raises(ArtifactError, match="damaged"):
        stored_graph(run)
