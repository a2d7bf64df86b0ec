"""One call judges a dictionary: same rows, same numbers, whatever the batch size."""

import pytest
import torch
from oracles.null_predictors import IdentityDictionary
from oracles.planted_model import knowing_dictionary
from oracles.tiny_models import tiny, token_rows
from oracles.toy_model import SITE, ToyModel, toy_rows
from torch.nn.functional import cross_entropy

from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.evaluate import EvaluateConfig, evaluate, mean_rebuilt
from mechlab.models.loaders import load


@pytest.fixture(scope="module")
def model() -> ToyModel:
    return ToyModel()


def test_the_numbers_are_those_of_a_computation_by_hand(model):
    rows = toy_rows(model, n_rows=12, pos=9)
    dictionary = knowing_dictionary(model)
    found = evaluate(model, dictionary, rows, SITE).numbers()
    tokens = rows.tokens.long()
    x = model.embedding[tokens]
    with torch.no_grad():
        rebuilt = torch.where(rows.special[..., None], x, dictionary(x))
    losses = [
        cross_entropy((state @ model.unembedding)[:, 1:-1].flatten(0, 1), tokens[:, 2:].flatten()).item()
        for state in (x, rebuilt, torch.where(rows.special[..., None], x, 0.0))
    ]
    kept = x[:, 1:].flatten(0, 1)
    residual = (kept - rebuilt[:, 1:].flatten(0, 1)).square().sum()
    assert found["explained_variance"] == pytest.approx((1 - residual / (kept - kept.mean(0)).square().sum()).item())
    assert found["delta_ce_nats"] == pytest.approx(losses[1] - losses[0], abs=1e-5)
    assert found["ce_loss_recovered"] == pytest.approx((losses[2] - losses[1]) / (losses[2] - losses[0]), abs=1e-5)
    assert found["l0"] == 1


def test_batch_size_changes_no_number(model):
    rows = toy_rows(model, n_rows=13, pos=9)
    one, many = (evaluate(model, knowing_dictionary(model), rows, SITE, EvaluateConfig(batch_rows=n)) for n in (13, 3))
    for name, value in one.numbers().items():
        assert many.numbers()[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert torch.equal(one.per_feature["density"], many.per_feature["density"])
    assert one.n_tokens == 13 * 8 and one.n_rows == 13


def test_the_seed_moves_the_intervals_alone(model):
    rows = toy_rows(model, n_rows=13, pos=9)
    first, second = (
        evaluate(model, knowing_dictionary(model), rows, SITE, EvaluateConfig(seed=seed)) for seed in (0, 1)
    )
    assert first.numbers() == second.numbers()
    assert first.estimates["mse"].low != second.estimates["mse"].low
    again = evaluate(model, knowing_dictionary(model), rows, SITE, EvaluateConfig(seed=0))
    assert again.estimates == first.estimates


def test_too_few_rows_for_an_interval_are_refused(model):
    rows = toy_rows(model, n_rows=2, pos=9)
    with pytest.raises(UsageError, match="too few rows"):
        evaluate(model, IdentityDictionary(), rows.select(slice(0, 1)), SITE)
    with pytest.raises(UsageError, match="0 tokens"):
        evaluate(model, IdentityDictionary(), toy_rows(model, n_rows=2, pos=1), SITE)


def test_rows_of_one_prediction_each_still_have_a_reconstruction(model):
    found = evaluate(model, IdentityDictionary(), toy_rows(model, n_rows=12, pos=2), SITE)
    assert found.estimates["explained_variance"].value == 1
    assert found.estimates["ce_loss_recovered"] is None
    assert found.numbers()["ce_loss_recovered"] is None


class TheMlpItself:
    """A transcoder that needs no training: codes are what enters the MLP, decoding is the MLP."""

    def __init__(self, block):
        self.block = block

    def encode(self, x):
        return x

    def decode(self, codes):
        return self.block.mlp(codes * self.block.ln_2.weight + self.block.ln_2.bias)

    def rebuild(self, x, codes):
        return self.decode(codes)


def test_a_transcoder_is_judged_against_its_target():
    model = load(tiny("gpt2"), device="cpu")
    tokens = token_rows(n_rows=6)
    rows = TokenRows(tokens.int(), tokens % 7 == 0, "rows")
    perfect = evaluate(model, TheMlpItself(model.module.transformer.h[1]), rows, "mlp.1").numbers()
    assert perfect["explained_variance"] == pytest.approx(1)
    assert perfect["ce_loss_recovered"] == pytest.approx(1, abs=1e-4)
    assert perfect["kl_nats"] == pytest.approx(0, abs=1e-6)
    deaf = evaluate(model, IdentityDictionary(), rows, "mlp.1").numbers()
    target = model.activations(tokens, ["mlp_out.1"])["mlp_out.1"][~rows.special].double()
    given = model.activations(tokens, ["ln2_normalized.1"])["ln2_normalized.1"][~rows.special].double()
    error, spread = (given - target).square().sum(), (target - target.mean(0)).square().sum()
    assert deaf["explained_variance"] == pytest.approx((1 - error / spread).item(), rel=1e-5)
    assert deaf["ce_loss_recovered"] < 0.9
    of_target = evaluate(model, IdentityDictionary(), rows, "mlp_out.1").numbers()
    for ablated in ("ce_zero_nats", "ce_mean_nats"):
        assert deaf[ablated] == pytest.approx(of_target[ablated])


def test_the_mean_rebuilt_is_the_targets():
    model = load(tiny("gpt2"), device="cpu")
    tokens = token_rows(n_rows=6)
    rows = TokenRows(tokens.int(), tokens % 7 == 0, "rows")
    found = model.activations(tokens, ["mlp_out.0", "mlp_out.1"])
    means = [found[site][~rows.special].double().mean(0) for site in ("mlp_out.0", "mlp_out.1")]
    assert torch.allclose(mean_rebuilt(model, rows, "mlp.1"), means[1])
    both = mean_rebuilt(model, rows, "ln2_normalized.0 -> mlp_out.0,mlp_out.1")
    assert torch.allclose(both, torch.cat(means))
