"""The judgement of a model with codebooks stands beside the unmodified model and codes drawn at random."""

import copy

import pytest
import torch
from oracles.tiny_models import tiny

from mechlab.corpora.rows import TokenRows
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.codebook_start import new_codebooks, start_codebooks
from mechlab.metrics.code_index import index_codes
from mechlab.metrics.next_token import loss_per_token, row_losses
from mechlab.models.loaders import load
from mechlab.models.sites import sites_of
from mechlab.verbs.steps.codebooks.judging import judged, losses_before, use_of_codes


def test_controls_are_of_the_model_as_it_was():
    plain = load(copy.deepcopy(tiny("gpt2")), device="cpu")
    tokens = torch.randint(0, 61, (9, 16), generator=torch.Generator().manual_seed(0))
    rows = TokenRows(tokens.int(), torch.zeros(9, 16, dtype=torch.bool), "rows")
    alone = loss_per_token(row_losses(plain, rows))
    model = CodebookModel(plain, new_codebooks(plain, sites_of("mlp_out", plain.spec), {"n_codes": 30, "k": 1}))
    drawn = loss_per_token(row_losses(model, rows))
    before = losses_before(model, rows)
    start_codebooks(model, tokens)
    found = judged(model, rows, before, seed=0)
    assert found["unmodified.ce_loss"] == alone
    assert found["untrained.ce_loss"] == drawn
    assert found["ce_loss"] == loss_per_token(row_losses(model, rows)) != drawn
    assert found["ce_loss_ratio"].value == pytest.approx(found["ce_loss"].value / alone.value)
    assert found["n_tokens"] == 9 * 15 and "ce_loss_ratio_finetuned" not in found
    controlled = judged(model, rows, {**before, "finetuned": 2 * before["unmodified"]}, seed=0)
    assert controlled["ce_loss_ratio_finetuned"].value == pytest.approx(found["ce_loss_ratio"].value / 2)


def test_use_is_that_of_whole_sites():
    plain = load(copy.deepcopy(tiny("gpt2")), device="cpu")
    tokens = torch.randint(0, 61, (9, 16), generator=torch.Generator().manual_seed(0))
    rows = TokenRows(tokens.int(), torch.zeros(9, 16, dtype=torch.bool), "rows")
    model = CodebookModel(plain, new_codebooks(plain, sites_of("z.0,mlp_out.1", plain.spec), {"n_codes": 30, "k": 1}))
    found, ids = use_of_codes(index_codes(model, rows)), model.codes(tokens)
    assert found.keys() == {f"{name}.{site}" for name in ("alive_share", "perplexity") for site in ids}
    for site, own in ids.items():
        n_alive = own.unique().numel()
        assert found[f"alive_share.{site}"] == n_alive / model.codebooks[site].config.n_all
        assert 1 <= found[f"perplexity.{site}"] <= n_alive
