"""Parts are the model's own; models that directions cannot be handed back through are refused."""

from dataclasses import replace

import pytest
from oracles.tiny_models import tiny
from oracles.toy_model import ToyModel

from mechlab.circuits.observables.parts import parts_of
from mechlab.core.errors import UsageError
from mechlab.models.huggingface import HuggingFaceModel


def test_each_part_has_its_own_weights():
    model = HuggingFaceModel(tiny("gpt2"))
    parts, core = parts_of(model), model.module.transformer
    assert parts.norm("ln1.2").gain.equal(core.h[2].ln_1.weight) and parts.norm("ln1.2").bias.equal(core.h[2].ln_1.bias)
    assert parts.norm("ln2.1").gain.equal(core.h[1].ln_2.weight) and parts.norm("ln2.1").bias.equal(core.h[1].ln_2.bias)
    assert parts.norm("ln_final").gain.equal(core.ln_f.weight) and parts.norm("ln_final").centres
    assert parts.mlp(2).weights.W_in.equal(core.h[2].mlp.c_fc.weight)
    assert not parts_of(HuggingFaceModel(tiny("llama"))).norm("ln_final").centres


def test_what_is_not_there_is_refused():
    parts = parts_of(HuggingFaceModel(tiny("gpt2")))
    with pytest.raises(UsageError, match=r"no such layer: 3\. Layers are 0\.\.2"):
        parts.mlp(3)
    with pytest.raises(UsageError, match="this model has no MLPs: 'gpt2'"):
        replace(parts, spec=parts.spec.model_copy(update={"d_mlp": 0})).mlp(0)


def test_models_that_cannot_be_read_so_are_refused():
    with pytest.raises(UsageError, match="write through a norm: 'gemma2'"):
        parts_of(HuggingFaceModel(tiny("gemma2")))
    with pytest.raises(UsageError, match="read from Hugging Face models"):
        parts_of(ToyModel())
