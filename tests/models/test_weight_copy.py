"""A copy for changed weights shares nothing with the model, and within it unembedding and biases can be told apart."""

import pytest
import torch
from oracles.tiny_models import tiny, token_rows

from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.weight_copy import module_copy, own_bias, untie


def test_a_copy_says_the_same_and_shares_no_memory():
    model, tokens = HuggingFaceModel(tiny("gpt2")), token_rows()
    before, made = model.logits(tokens), HuggingFaceModel(module_copy(model))
    assert torch.equal(made.logits(tokens), before)
    for parameter in made.module.parameters():
        parameter.data.zero_()
    assert torch.equal(model.logits(tokens), before)


def test_what_is_open_is_not_copied():
    model = HuggingFaceModel(tiny("gpt2"))
    with model.edit({"resid_post.0": lambda h: h}), pytest.raises(UsageError, match="open edit or reading"):
        module_copy(model)
    with model.read("resid_post.0"), pytest.raises(UsageError, match="open edit or reading"):
        module_copy(model)


def test_an_unembedding_gets_the_memory_that_it_shared_once():
    model, tokens = HuggingFaceModel(tiny("gpt2")), token_rows()
    before, layout = model.logits(tokens), model.layout
    untie(model.module, layout)
    assert layout.unembed.weight is not layout.embed.weight and not model.module.config.tie_word_embeddings
    assert torch.equal(model.logits(tokens), before)
    kept = layout.unembed.weight
    untie(model.module, layout)
    assert layout.unembed.weight is kept


def test_a_bias_is_the_module_s_own_or_zeros_that_become_it():
    with_bias, without = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2, bias=False)
    assert own_bias(with_bias) is with_bias.bias
    given = own_bias(without)
    assert given.tolist() == [0, 0] and without.bias is given and not given.requires_grad
