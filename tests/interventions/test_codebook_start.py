"""Codebooks as wide as their sites, started where activations are, each behind those before."""

import copy

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import ConfigError
from mechlab.core.randomness import torch_generator
from mechlab.dictionaries.codebook import Codebook
from mechlab.dictionaries.upkeep import start_from
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.interventions.codebook_start import new_codebooks, start_codebooks
from mechlab.models.loaders import load
from mechlab.models.sites import sites_of

LIKE = {"n_codes": 6, "k": 2}


@pytest.fixture
def plain():
    return load(copy.deepcopy(tiny("gpt2")), device="cpu")


def made(plain, names: str, **options: object) -> CodebookModel:
    return CodebookModel(plain, new_codebooks(plain, sites_of(names, plain.spec), {**LIKE, **options}))


def test_heads_are_groups_and_other_sites_have_as_many_as_asked(plain):
    books = made(plain, "z.0,mlp_post.1,mlp_out.2", n_groups=2).codebooks
    sizes = {site: (book.config.d_in, book.config.n_groups) for site, book in books.items()}
    assert sizes == {"z.0": (32, 4), "mlp_post.1": (48, 2), "mlp_out.2": (32, 2)}
    assert len({float(book.codes.sum()) for book in books.values()}) == 3  # each drawn by itself


def test_groups_that_do_not_divide_are_refused(plain):
    with pytest.raises(ConfigError, match=r"n_groups is not valid: 5.*divide the width, 32"):
        made(plain, "mlp_out.2", n_groups=5)


def test_a_codebook_starts_from_what_the_ones_before_let_through(plain):
    tokens, model = token_rows(), made(plain, "z.0,mlp_out.1")
    start_codebooks(model, tokens, seed=3)
    with model.codebooks_at(["z.0"]):
        arriving = model.activations(tokens, ["mlp_out.1"])["mlp_out.1"].flatten(0, 1)
    alone = Codebook(model.codebooks["mlp_out.1"].config)
    start_from(alone, arriving, torch_generator(3, "centres mlp_out.1"))
    assert torch.equal(model.codebooks["mlp_out.1"].codes, alone.codes)


def test_started_codes_are_nearer_to_what_arrives(plain):
    tokens, model = token_rows(), made(plain, "z,mlp_out", normalise=False)
    errors = []
    for start in (False, True):
        if start:
            start_codebooks(model, tokens)
        found = {}
        with model.watching(lambda site, snapped, found=found: found.update({site: float(snapped.error)})):
            model.logits(tokens)
        errors.append(found)
    assert all(errors[1][site] < errors[0][site] for site in errors[0])
