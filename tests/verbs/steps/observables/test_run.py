"""An observable as a run: what determines it, and what it writes."""

import pytest

import mechlab
from mechlab.core.config import build
from mechlab.core.errors import UsageError
from mechlab.core.progress import SILENT
from mechlab.store.run import HEADS_NAME
from mechlab.store.table import read_table
from mechlab.verbs.observe_options import ObserveOptions
from mechlab.verbs.steps.observables.run import PATHS_NAME, READS_NAME, identity_of, observe_run, read_columns


@pytest.fixture(scope="module")
def own(model):
    return mechlab.load(str(model), device="cpu")


@pytest.fixture
def config(model, tmp_path):
    def config(**changed):
        small = {"words": "she", "against": "he", "model": str(model), "device": "cpu", "out": tmp_path / "run"}
        return build(ObserveOptions, {**small, **changed})

    return config


ASKED = {"task": "ioi", "prompts": 8, "style": "tales", "draws": 3, "paths": 3, "beam": 2}


def test_what_is_asked_makes_the_run_and_what_is_listed_does_not(own, config):
    observable = mechlab.word_difference(own.tokenizer, "she", "he")

    def run_id(**changed):
        return identity_of(config(**changed), own, observable).run_id()

    assert run_id() == run_id(top=2, readers=1, threads=1, seed=3, prompts=9)
    assert run_id() != run_id(norms="skip") and run_id() != run_id(**ASKED)
    for changed in ({"prompts": 9}, {"seed": 1}, {"effect": "frozen"}, {"corruption": "abc"}, {"style": "plain"}):
        assert run_id(**{**ASKED, **changed}) != run_id(**ASKED), changed
    for changed in ({"draws": 4}, {"paths": 4}, {"beam": 3}, {"complete": True}, {"task": "greater_than"}):
        assert run_id(**{**ASKED, **changed}) != run_id(**ASKED), changed
    other = observable.scaled(2.0, observable.name)
    assert identity_of(config(), own, other).run_id() != run_id()


def test_without_a_task_there_are_lengths_and_tokens_only(config):
    run = observe_run(config(), SILENT)
    assert set(run.manifest.files) == {HEADS_NAME, READS_NAME} and run.manifest.metrics == {"n_heads": 4}
    heads = read_table(run.file(HEADS_NAME))
    assert list(heads) == ["layer", "head", "length"]
    assert heads["layer"].tolist() == [0, 0, 1, 1] and heads["head"].tolist() == [0, 1, 0, 1]


def test_with_one_effects_and_paths_stand_beside(config):
    run = observe_run(config(**ASKED), SILENT)
    assert set(run.manifest.files) == {HEADS_NAME, READS_NAME, PATHS_NAME}
    assert list(read_table(run.file(HEADS_NAME)))[3:] == ["effect", "low", "high", "size"]


def test_every_head_has_as_many_tokens_it_reads_most_as_least_the_extreme_ones_first(own, config):
    columns = read_columns(config(), own, mechlab.word_difference(own.tokenizer, "she", "he"))
    scores = columns["score"].view(4, 2, 20)
    assert bool((scores[:, 0].diff(dim=1) <= 0).all()) and bool((scores[:, 1].diff(dim=1) >= 0).all())
    assert bool((scores[:, 0, -1] > scores[:, 1, -1]).all())
    assert columns["text"][0] == own.tokenizer.token_string(int(columns["token"][0]))


def test_tokens_are_read_through_the_last_norm_as_asked(own, config):
    observable = mechlab.word_difference(own.tokenizer, "she", "he")
    for norms in ("cheap", "skip"):
        columns = read_columns(config(norms=norms), own, observable)
        wanted = mechlab.token_reads(own, observable, 0, norms)[0].max()
        assert float(columns["score"][0]) == pytest.approx(float(wanted), rel=1e-5)


def test_a_taken_folder_is_refused(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not a run"):
        observe_run(config(), SILENT)
