"""Each layer's scale is folded into the weights by itself; the same codes are chosen before and after."""

import warnings
from copy import deepcopy

import pytest
import torch

from mechlab.dictionaries import KINDS
from mechlab.dictionaries.crosslayer import Crosslayer
from mechlab.dictionaries.layered import Layered
from mechlab.dictionaries.saelens_format import from_saelens, to_saelens

INTO, OUT = (4.0, 0.25), (0.5, 20.0)
ALL_LAYERED = [kind for kind in KINDS if issubclass(KINDS[kind], Layered)]
pytestmark = pytest.mark.parametrize("kind", ALL_LAYERED)


def by_part(vectors, factors):
    """Return each half of the vectors times its factor, written out."""
    half = vectors.shape[1] // 2
    return torch.cat([vectors[:, :half] * factors[0], vectors[:, half:] * factors[1]], dim=1)


def test_a_folded_dictionary_takes_and_gives_every_layer_as_it_is(kind, worn, vectors):
    dictionary, folded = worn(kind, d_out=8), worn(kind, d_out=8)
    folded.fold_layer_scales(INTO, OUT)
    scaled = by_part(vectors, INTO)
    torch.testing.assert_close(folded.encode(vectors), dictionary.encode(scaled), rtol=1e-4, atol=1e-5)
    expected = by_part(dictionary(scaled), [1 / factor for factor in OUT])
    torch.testing.assert_close(folded(vectors), expected, rtol=1e-4, atol=1e-5)


def test_norms_are_those_of_the_units_of_training(kind, worn):
    dictionary, folded = worn(kind, d_out=8), worn(kind, d_out=8)
    folded.fold_layer_scales(INTO, OUT)
    torch.testing.assert_close(folded.decoder_norms(), dictionary.decoder_norms())
    by_layer = folded.W_dec.unflatten(1, (2, 4)).norm(dim=-1) * torch.tensor(OUT)
    torch.testing.assert_close(by_layer, dictionary.W_dec.unflatten(1, (2, 4)).norm(dim=-1))


def test_folding_the_norms_afterwards_and_storing_change_nothing(kind, worn, vectors):
    folded = worn(kind)
    folded.fold_layer_scales(INTO, INTO)
    before = folded(vectors)
    folded.fold_decoder_norms()
    torch.testing.assert_close(folded(vectors), before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(folded.decoder_norms(), torch.ones(40))
    read = from_saelens(*to_saelens(folded))
    assert torch.equal(read(vectors), folded(vectors))
    assert torch.equal(read.decoder_norms(), folded.decoder_norms())


def test_one_layer_is_folded_as_any_dictionary(kind, worn, vectors):
    one, other = worn(kind, n_layers=1), worn(kind, n_layers=1)
    one.fold_layer_scales((4.0,), (0.5,))
    other.fold_scales(4.0, 0.5)
    assert one.layer_units is None and one.state_dict().keys() == other.state_dict().keys()
    assert torch.equal(one(vectors), other(vectors))


def test_a_state_from_before_the_folding_brings_its_units_back(kind, worn, vectors):
    dictionary, folded = worn(kind), worn(kind)
    early, before = deepcopy(dictionary.state_dict()), dictionary(vectors)
    folded.fold_layer_scales(INTO, INTO)
    late, after = deepcopy(folded.state_dict()), folded(vectors)
    folded.load_state_dict(early)
    assert torch.equal(folded(vectors), before)
    dictionary.load_state_dict(late)
    assert torch.equal(dictionary(vectors), after)


def test_the_units_of_a_state_go_where_the_dictionary_is(kind, worn):
    folded = worn(kind)
    folded.fold_layer_scales(INTO, INTO)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="for .*: copying from a non-meta parameter")
        elsewhere = worn(kind).to("meta")
        elsewhere.load_state_dict(folded.state_dict())
    assert elsewhere.layer_units.device == elsewhere.b_dec.device == torch.device("meta")


def test_a_skip_is_folded_with_each_layers_scales(kind, worn, vectors):
    if issubclass(KINDS[kind], Crosslayer):
        return  # it has none
    dictionary, folded = worn(kind, d_out=8, skip=True), worn(kind, d_out=8, skip=True)
    folded.fold_layer_scales(INTO, OUT)
    expected = by_part(dictionary(by_part(vectors, INTO)), [1 / factor for factor in OUT])
    torch.testing.assert_close(folded(vectors), expected, rtol=1e-4, atol=1e-5)
