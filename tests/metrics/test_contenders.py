"""The controls are what they claim to be: untrained, raw, or scored against other rows' labels."""

import pytest
import torch

from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.relu import ReluConfig, ReluDictionary
from mechlab.metrics.contenders import both_signs, contenders, other_rows, untrained


def dictionary(kind: str):
    config = {"d_in": 8, "d_sae": 32} | ({"k": 4} if kind in ("topk", "batchtopk") else {})
    return KINDS[kind](KINDS[kind].Config(**config), seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_random_dictionary_has_the_kind_and_size_but_no_weight_in_common(kind):
    trained, mean = dictionary(kind), torch.arange(8.0)
    fresh = untrained(trained, mean, seed=0)
    assert type(fresh) is type(trained) and fresh.config == trained.config
    assert not torch.isclose(fresh.W_dec, trained.W_dec).any(1).all()
    torch.testing.assert_close(fresh.b_dec.detach(), mean if trained.config.centred else torch.zeros(8))
    assert torch.equal(untrained(trained, mean, seed=0).W_dec, fresh.W_dec)
    assert not torch.equal(untrained(trained, mean, seed=1).W_dec, fresh.W_dec)
    assert not trained.b_dec.any(), "the judged dictionary is left alone"


def test_a_neuron_may_detect_by_either_sign():
    x, mean = torch.tensor([[3.0, 1.0]]), torch.tensor([1.0, 2.0])
    assert both_signs(x, mean).tolist() == [[2, -1, -2, 1]]


def test_labels_of_other_rows_keep_everything_but_their_row():
    labels = torch.randint(-1, 5, (20, 7), generator=torch.Generator().manual_seed(0)).to(torch.int8)
    labels[:, 0] = torch.arange(20)
    rows = TokenRows(torch.zeros(20, 7).int(), torch.zeros(20, 7, dtype=torch.bool), "r", {"a": labels}, {"a": ("x",)})
    mixed = other_rows(rows, torch.Generator().manual_seed(0)).labels["a"]
    source = mixed[:, 0].tolist()
    assert sorted(source) == list(range(20)), "every row is used once"
    assert all(row != taken for row, taken in enumerate(source)), "never its own"
    assert torch.equal(mixed, labels[source])


def test_four_contenders_and_only_one_of_them_has_foreign_labels():
    racers = contenders(dictionary("topk"), torch.zeros(8), seed=0)
    assert list(racers) == ["dictionary", "random dictionary", "neurons", "shuffled labels"]
    assert [one.labels_of_other_rows for one in racers.values()] == [False, False, False, True]


def test_an_untrained_transcoder_starts_at_the_mean_of_its_target_and_its_skip_at_nothing():
    transcoder = ReluDictionary(ReluConfig(d_in=6, d_sae=16, d_out=4, skip=True))
    with torch.no_grad():
        transcoder.W_skip.fill_(3.0)
    fresh = untrained(transcoder, torch.arange(4.0), seed=0)
    assert fresh.b_dec.tolist() == [0, 1, 2, 3]
    assert not fresh.W_skip.any()
    racers = contenders(transcoder, torch.zeros(6), seed=0)
    x = torch.randn(5, 6)
    assert torch.equal(racers["random dictionary"].features(x), fresh.encode(x))
