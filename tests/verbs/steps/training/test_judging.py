"""Everything the report shows of a dictionary, beside controls that learned nothing."""

import pytest
import torch

from mechlab.core.estimate import Estimate
from mechlab.core.progress import SILENT
from mechlab.verbs.steps.opening import held_out_rows, open_subject
from mechlab.verbs.steps.training.fitting import new_dictionary
from mechlab.verbs.steps.training.judging import judge, judge_all


def test_every_metric_stands_beside_that_of_an_untrained_dictionary(judgement):
    metrics = judgement.metrics
    own = {name for name in metrics if "." not in name} - {"n_tokens"}
    assert {"l0", "explained_variance", "ce_loss_recovered", "kl_nats", "dead_share"} <= own
    assert {f"untrained.{name}" for name in own} <= metrics.keys()
    assert all(isinstance(metrics[name], Estimate) for name in own)
    assert metrics["n_tokens"] == judgement.evaluation.n_tokens


def test_explained_variance_is_that_of_numpy_over_the_same_tokens(judgement, subject, dictionary, rows):
    with torch.no_grad():
        (x,) = subject.model.activations(rows.tokens.long(), [subject.rebuilt]).values()
        x = x[~rows.special].double().numpy()
        y = dictionary(torch.from_numpy(x).float()).double().numpy()
    expected = 1 - ((x - y) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    assert judgement.metrics["explained_variance"].value == pytest.approx(expected, abs=1e-5)


def test_training_beats_no_training(judgement):
    metrics = judgement.metrics
    assert metrics["explained_variance"].low > metrics["untrained.explained_variance"].high


def test_known_causes_are_scored_with_their_controls(judgement):
    contenders = {name.partition(".")[2] for name in judgement.metrics if name.startswith("mean_f1.")}
    assert {"dictionary", "random_dictionary", "neurons"} <= contenders


def test_portraits_are_of_features_that_fire(judgement):
    assert 0 < len(judgement.portraits) <= 20
    assert all(portrait.max_activation > 0 for portrait in judgement.portraits)


def test_text_without_labels_has_no_known_causes(options, dictionary):
    subject = open_subject(options(corpus="sampled", eval_tokens=128))
    found = judge(subject, dictionary, held_out_rows(subject, SILENT), SILENT)
    assert found.ground_truth is None
    assert not [name for name in found.metrics if name.startswith("mean_")]


def test_dictionaries_of_a_sweep_are_judged_as_each_would_be_alone(subject, options, rows, monkeypatch):
    changes = ({"dictionary": {"k": 2}}, {"dictionary": {"k": 4}}, {"dictionary": {"k": 4}, "init_seed": 5})
    dictionaries = [new_dictionary(options(**change), *subject.widths).eval() for change in changes]
    alone = [judge(subject, one, rows, SILENT).metrics for one in dictionaries]
    passes, plain = [], subject.model.logits
    monkeypatch.setattr(subject.model, "logits", lambda tokens: passes.append(1) or plain(tokens))
    together = [one.metrics for one in judge_all(subject, dictionaries, rows, SILENT, with_portraits=False)]
    assert together == alone
    assert alone[1]["untrained.l0"] == alone[2]["untrained.l0"] and alone[1] != alone[2]
    n_batches, n_shared, n_untrained = -(-len(rows) // 16), 3, 2
    assert len(passes) == n_batches * (n_shared + len(dictionaries) + n_untrained)
