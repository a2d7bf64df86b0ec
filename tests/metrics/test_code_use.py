"""Use is counted as SciPy counts it; even use and a single code are the two ends."""

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
import torch
from metrics.test_code_search import synthetic
from scipy.stats import entropy

from mechlab.metrics.code_use import code_use, use_of


def test_entropy_and_perplexity_are_those_of_scipy():
    counts = torch.from_numpy(np.random.default_rng(0).poisson(1.5, 300))
    found = use_of("z.0", None, counts)
    assert found.entropy_nats == pytest.approx(entropy(counts.numpy()))
    assert found.perplexity == pytest.approx(exp(entropy(counts.numpy())))
    assert found.effective_share == pytest.approx(found.perplexity / 300)
    assert (found.n_alive, found.n_uses) == (int((counts > 0).sum()), int(counts.sum()))
    assert 0 < found.effective_share < found.alive_share < 1


def test_even_use_has_the_perplexity_of_all_codes():
    found = use_of("z.0", 2, torch.full((50,), 7))
    assert (found.perplexity, found.effective_share, found.alive_share) == (pytest.approx(50), pytest.approx(1), 1)
    assert found.entropy_nats == pytest.approx(log(50))


def test_a_single_code_in_use_has_perplexity_one():
    found = use_of("z.0", None, torch.tensor([0, 9, 0, 0]))
    assert (found.entropy_nats, found.perplexity, found.effective_share, found.alive_share) == (0, 1, 0.25, 0.25)


def test_codes_nobody_uses_have_no_perplexity():
    found = use_of("z.0", None, torch.zeros(4, dtype=torch.int64))
    assert (found.n_alive, found.n_uses, found.entropy_nats, found.perplexity) == (0, 0, 0, 0)


def test_each_site_stands_before_its_groups():
    index = synthetic(20, 10)
    found = code_use(index)
    assert [(one.site, one.group) for one in found] == [
        (site, group) for site in ("mlp_out.0", "mlp_out.1") for group in (None, 0, 1)
    ]
    whole, *groups = found[:3]
    assert (whole.n_codes, groups[0].n_codes) == (1000, 500)
    assert whole.n_uses == sum(one.n_uses for one in groups) == 200 * 8
    assert whole.n_alive == sum(one.n_alive for one in groups)
    assert whole.entropy_nats == pytest.approx(log(2) + sum(one.entropy_nats for one in groups) / 2)


def test_a_site_without_groups_stands_alone():
    index = synthetic(20, 10)
    book = index.books["mlp_out.0"].model_copy(update={"n_groups": 1, "n_codes": 1000, "k": 8})
    index = replace(index, books=dict.fromkeys(index.books, book))
    assert [one.group for one in code_use(index)] == [None, None]
