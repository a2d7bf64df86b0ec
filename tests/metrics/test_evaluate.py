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
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.metrics.evaluate import Bench, EvaluateConfig, evaluate, mean_rebuilt
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


def counted(model, monkeypatch) -> list[str]:
    """Return a list that grows by one word for every forward pass of the model."""
    passes: list[str] = []
    for name in ("logits", "activations"):
        plain = getattr(model, name)
        monkeypatch.setattr(model, name, lambda *given, name=name, plain=plain: passes.append(name) or plain(*given))
    return passes


@pytest.mark.parametrize("site", ["resid_post.1", "resid_post.0,resid_post.1"])
def test_dictionaries_judged_together_have_the_numbers_each_has_alone(site):
    model = load(tiny("gpt2"), device="cpu")
    tokens = token_rows(n_rows=7)
    rows = TokenRows(tokens.int(), tokens % 7 == 0, "rows")
    d_in, config = 32 * len(site.split(",")), EvaluateConfig(batch_rows=3)
    dictionaries = [TopKDictionary(TopKConfig(d_in=d_in, d_sae=48, k=k), seed=k) for k in (2, 4, 8)]
    together = Bench.of(model, rows, site, config).evaluate_all(dictionaries)
    for dictionary, found in zip(dictionaries, together, strict=True):
        alone = evaluate(model, dictionary, rows, site, config)
        assert found.estimates == alone.estimates
        assert torch.equal(found.per_feature["density"], alone.per_feature["density"])
    assert len({found.numbers()["ce_spliced_nats"] for found in together}) == 3


@pytest.mark.parametrize(("site", "shared", "own"), [("resid_post.1", 3, 1), ("resid_post.0,resid_post.1", 5, 3)])
def test_the_models_own_passes_are_run_once_for_all_dictionaries(site, shared, own, monkeypatch):
    """Clean, zero and mean, and of two sites each alone with zeros; of a dictionary those in which it stands in."""
    model = load(tiny("gpt2"), device="cpu")
    tokens = token_rows(n_rows=6)
    rows, n_batches = TokenRows(tokens.int(), tokens % 7 == 0, "rows"), 2
    passes = counted(model, monkeypatch)
    bench = Bench.of(model, rows, site, EvaluateConfig(batch_rows=3))
    assert set(passes) == {"activations"}
    for n in (1, 4):
        passes.clear()
        d_in = 32 * len(site.split(","))
        bench.evaluate_all([TopKDictionary(TopKConfig(d_in=d_in, d_sae=48, k=4))] * n)
        assert passes == ["logits"] * n_batches * (shared + n * own)


def test_one_site_replaced_alone_scores_what_a_splice_there_alone_scores():
    """The decoder's half for the other site stands in nowhere: the numbers are those of an edit of one site."""
    model = load(tiny("gpt2"), device="cpu")
    tokens = token_rows(n_rows=6)
    rows = TokenRows(tokens.int(), tokens % 7 == 0, "rows")
    both = TopKDictionary(TopKConfig(d_in=64, d_sae=48, k=4))
    found = evaluate(model, both, rows, "resid_post.0,resid_post.1").numbers()
    seen = model.activations(tokens, ["resid_post.0", "resid_post.1"])
    with torch.no_grad():
        halves = both(torch.cat(list(seen.values()), -1)).chunk(2, -1)
    for site, half in zip(seen, halves, strict=True):
        losses = []
        for instead in (seen[site], half, torch.zeros_like(half)):
            new = torch.where(rows.special[..., None], seen[site], instead)
            with model.edit({site: lambda _, new=new: new}), torch.no_grad():
                logits = model.logits(tokens)
            kept = ~rows.special[:, :-1] & ~rows.special[:, 1:]
            losses.append(cross_entropy(logits[:, :-1][kept], tokens[:, 1:][kept].long()).item())
        clean, spliced, zero = losses
        assert found[f"delta_ce_nats.{site}"] == pytest.approx(spliced - clean, abs=1e-5)
        assert found[f"ce_loss_recovered.{site}"] == pytest.approx((zero - spliced) / (zero - clean), abs=1e-3)


def test_the_mean_rebuilt_is_the_targets():
    model = load(tiny("gpt2"), device="cpu")
    tokens = token_rows(n_rows=6)
    rows = TokenRows(tokens.int(), tokens % 7 == 0, "rows")
    found = model.activations(tokens, ["mlp_out.0", "mlp_out.1"])
    means = [found[site][~rows.special].double().mean(0) for site in ("mlp_out.0", "mlp_out.1")]
    assert torch.allclose(mean_rebuilt(model, rows, "mlp.1"), means[1])
    both = mean_rebuilt(model, rows, "ln2_normalized.0 -> mlp_out.0,mlp_out.1")
    assert torch.allclose(both, torch.cat(means))
