"""Losses are the cross-entropies PyTorch computes; recoveries compare them; what is undefined is None."""

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from mechlab.metrics.language import Language, loss_recovered, predictions_that_count
from mechlab.metrics.metric import PASSES, Batch
from mechlab.metrics.reference import next_token_log_probs, next_token_losses

N_ROWS, POS, D_VOCAB = 9, 7, 11


def passes(seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    clean = 3 * torch.randn(N_ROWS, POS, D_VOCAB, generator=draw)
    return {name: clean + i * torch.randn(clean.shape, generator=draw) for i, name in enumerate(PASSES)}


def measured(logits: dict[str, torch.Tensor], tokens: torch.Tensor, scored: torch.Tensor, size: int = 4):
    metric, nothing = Language(), torch.zeros(N_ROWS, POS, 1)
    for at in range(0, len(tokens), size):
        part = slice(at, at + size)
        held = nothing[part]

        def log_probs(name, part=part):
            return next_token_log_probs(logits[name][part])

        def losses(name, part=part):
            return next_token_losses(log_probs(name), tokens[part])

        widths = {name.partition(".")[2]: 1 for name in logits if "." in name}
        metric.update(Batch(tokens[part], scored[part], held, held, held, held, log_probs, losses, widths))
    return metric.estimates(seed=0)


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(D_VOCAB, (N_ROWS, POS), generator=torch.Generator().manual_seed(5)).int()


@pytest.fixture
def scored() -> torch.Tensor:
    return torch.rand(N_ROWS, POS, generator=torch.Generator().manual_seed(6)) < 0.8


def losses(logits, tokens, scored) -> dict[str, float]:
    """The oracle: prediction by prediction, in plain Python."""
    kept = [(r, p) for r in range(N_ROWS) for p in range(POS - 1) if scored[r, p] and scored[r, p + 1]]
    return {
        name: torch.stack([cross_entropy(values[r, p].double(), tokens[r, p + 1].long()) for r, p in kept])
        .mean()
        .item()
        for name, values in logits.items()
    }


def test_losses_equal_cross_entropy_prediction_by_prediction(tokens, scored):
    logits = passes()
    expected, found = losses(logits, tokens, scored), measured(logits, tokens, scored)
    for name in PASSES:
        assert found[f"ce_{name}_nats"].value == pytest.approx(expected[name], rel=1e-6)
    assert found["delta_ce_nats"].value == pytest.approx(expected["spliced"] - expected["clean"], rel=1e-5)


def test_recovery_is_the_share_of_the_ablations_damage_avoided(tokens, scored):
    logits = passes()
    ce, found = losses(logits, tokens, scored), measured(logits, tokens, scored)
    for name, ablation in (("ce_loss_recovered", "zero"), ("ce_loss_recovered_mean", "mean")):
        expected = (ce[ablation] - ce["spliced"]) / (ce[ablation] - ce["clean"])
        assert found[name].value == pytest.approx(expected, rel=1e-5)


def test_divergence_equals_pytorchs_kl_from_clean_to_spliced(tokens, scored):
    logits = passes()
    kept = predictions_that_count(scored)
    clean, spliced = (logits[name][:, :-1][kept].double().log_softmax(-1) for name in ("clean", "spliced"))
    expected = kl_div(spliced, clean, log_target=True, reduction="batchmean").item()
    assert measured(logits, tokens, scored)["kl_nats"].value == pytest.approx(expected, rel=1e-5)


def test_divergence_is_finite_where_probabilities_underflow(tokens, scored):
    logits = passes()
    logits["spliced"] = logits["clean"] * 300
    found = measured(logits, tokens, scored)["kl_nats"]
    assert found is not None and found.value > 100


def test_neither_special_tokens_nor_predictions_of_them_count():
    scored = torch.tensor([[True, True, False, True, True, True]])
    assert predictions_that_count(scored).tolist() == [[True, False, False, True, True]]


def test_an_ablation_that_costs_nothing_leaves_the_recovery_undefined(tokens, scored):
    logits = passes()
    logits["zero"] = logits["clean"]
    found = measured(logits, tokens, scored)
    assert found["ce_loss_recovered"] is None
    assert found["ce_loss_recovered_mean"] is not None


def test_rows_without_a_prediction_leave_everything_undefined(tokens):
    found = measured(passes(), tokens, torch.zeros(N_ROWS, POS, dtype=torch.bool))
    assert set(found.values()) == {None}


def test_a_splice_worse_than_the_ablation_scores_below_zero():
    totals = torch.tensor([[1.0, 4.0, 3.0, 1.0]], dtype=torch.float64)
    assert loss_recovered(totals).item() == -0.5


def test_the_recoverys_interval_pairs_the_passes(tokens, scored):
    """A splice that costs the same on every row has no spread, though the losses themselves do."""
    logits = passes()
    logits["spliced"] = logits["clean"]
    found = measured(logits, tokens, scored)
    assert found["delta_ce_nats"].high == found["delta_ce_nats"].low == 0
    assert found["ce_clean_nats"].high > found["ce_clean_nats"].low + 0.1


def test_each_of_several_sites_replaced_alone_has_its_own_recovery(tokens, scored):
    logits = passes()
    alone = passes(seed=1)
    logits |= {"spliced.here": alone["spliced"], "zero.here": alone["zero"]}
    ce, found = losses(logits, tokens, scored), measured(logits, tokens, scored)
    expected = (ce["zero.here"] - ce["spliced.here"]) / (ce["zero.here"] - ce["clean"])
    assert found["ce_loss_recovered.here"].value == pytest.approx(expected, rel=1e-5)
    assert found["delta_ce_nats.here"].value == pytest.approx(ce["spliced.here"] - ce["clean"], rel=1e-5)
    assert found["ce_loss_recovered"] == measured(passes(), tokens, scored)["ce_loss_recovered"]
