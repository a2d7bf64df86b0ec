"""Laws every dictionary kind obeys; a kind is tested by being registered."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.dictionary import Dictionary, StepContext
from mechlab.dictionaries.saelens_format import from_saelens, to_saelens

pytestmark = pytest.mark.parametrize("kind", KINDS)
Worn = Callable[..., Dictionary]


def shuffled_within(levels: tuple[range, ...]) -> Tensor:
    """Return an order of all features in which none leaves its level."""
    draw = torch.Generator().manual_seed(0)
    return torch.cat([torch.tensor(level)[torch.randperm(len(level), generator=draw)] for level in levels])


def refuses_a_skip(kind: str) -> bool:
    """Return whether the kind has no skip and says so; the laws of skips are for the others."""
    try:
        build(KINDS[kind].Config, {"d_in": 12, "d_sae": 40, "d_out": 12, "skip": True})
    except ConfigError as error:
        assert "has no skip" in str(error)
        return True
    return False


def some_dead(d_sae: int) -> StepContext:
    return StepContext(step=10, dead=torch.arange(d_sae) % 3 == 0)


def test_the_registry_and_the_class_agree_on_the_name(kind: str) -> None:
    assert KINDS[kind].kind == kind


def test_codes_and_reconstructions_have_their_shapes_for_any_leading_axes(kind: str, worn: Worn) -> None:
    dictionary = worn(kind)
    x = torch.randn(2, 3, 12)
    assert dictionary.encode(x).shape == (2, 3, 40)
    assert dictionary(x).shape == (2, 3, 12)
    assert dictionary.encode(x[0, 0]).shape == (40,)
    torch.testing.assert_close(dictionary.encode(x)[1, 2], dictionary.encode(x[1, 2]))
    assert dictionary.W_enc.shape == (12, 40)
    assert dictionary.W_dec.shape == (40, 12)


def test_codes_are_never_negative_and_some_are_zero(kind: str, worn: Worn, vectors: Tensor) -> None:
    codes = worn(kind).encode(vectors)
    assert (codes >= 0).all()
    assert (codes > 0).any()
    assert (codes == 0).any()


def test_a_fresh_dictionary_maps_zero_to_zero(kind: str) -> None:
    dictionary = KINDS[kind](build(KINDS[kind].Config, {"d_in": 12, "d_sae": 40}))
    zero = torch.zeros(3, 12)
    assert torch.equal(dictionary.encode(zero), torch.zeros(3, 40))
    assert torch.equal(dictionary(zero), zero)


def test_decoding_is_linear_in_the_codes_up_to_the_bias(kind: str, worn: Worn) -> None:
    dictionary = worn(kind)
    a, b = torch.rand(5, 40), torch.rand(5, 40)
    bias = dictionary.decode(torch.zeros(40))
    torch.testing.assert_close(bias, dictionary.b_dec)
    mixed = dictionary.decode(2 * a + 3 * b) - bias
    apart = 2 * (dictionary.decode(a) - bias) + 3 * (dictionary.decode(b) - bias)
    torch.testing.assert_close(mixed, apart, rtol=1e-4, atol=1e-4)


def test_a_code_moves_the_reconstruction_along_its_features_direction(kind: str, worn: Worn) -> None:
    dictionary = worn(kind)
    one = torch.nn.functional.one_hot(torch.tensor(7), 40).float()
    moved = dictionary.decode(one) - dictionary.b_dec
    assert torch.nn.functional.cosine_similarity(moved, dictionary.W_dec[7], dim=0) > 0.9999


def test_renaming_features_renames_codes_and_leaves_reconstruction_and_loss(
    kind: str, worn: Worn, vectors: Tensor
) -> None:
    dictionary, renamed = worn(kind), worn(kind)
    order = shuffled_within(dictionary.config.levels)
    assert order.tolist() != sorted(order.tolist())
    state = dictionary.state_dict()
    renamed.load_state_dict(
        {name: value[order] if value.ndim and len(value) == 40 else value for name, value in state.items()}
    )
    renamed_blocks, blocks = renamed.decoder_blocks(), dictionary.decoder_blocks()
    for block, own, names in zip(renamed_blocks, blocks, order.split([len(block) for block in blocks]), strict=True):
        block.data = own.data[names - names.min()]
    torch.testing.assert_close(renamed.encode(vectors), dictionary.encode(vectors)[:, order])
    torch.testing.assert_close(renamed(vectors), dictionary(vectors))
    context = some_dead(40)
    before = dictionary.loss(vectors, vectors, context)
    after = renamed.loss(vectors, vectors, StepContext(10, context.dead[order]))
    torch.testing.assert_close(after.total, before.total)
    assert torch.equal(after.fired, before.fired[order])


def test_a_vectors_codes_do_not_depend_on_the_rest_of_the_batch(kind: str, worn: Worn, vectors: Tensor) -> None:
    dictionary = worn(kind)
    torch.testing.assert_close(dictionary.encode(vectors)[:3], dictionary.encode(vectors[:3]))


def test_saving_and_loading_keeps_what_is_computed(kind: str, worn: Worn, vectors: Tensor) -> None:
    dictionary = worn(kind)
    loaded = from_saelens(*to_saelens(dictionary))
    torch.testing.assert_close(loaded.encode(vectors), dictionary.encode(vectors))
    torch.testing.assert_close(loaded(vectors), dictionary(vectors))


@pytest.mark.parametrize("d_out", [None, 8])
def test_the_loss_is_finite_the_sum_of_its_parts_and_changes_nothing(
    kind: str, d_out: int | None, worn: Worn, vectors: Tensor
) -> None:
    dictionary = worn(kind, d_out=d_out)
    targets = vectors if d_out is None else torch.randn(len(vectors), d_out)
    before = {name: value.clone() for name, value in dictionary.state_dict().items()}
    losses = dictionary.loss(vectors, targets, some_dead(40))
    losses.total.backward()
    assert torch.isfinite(losses.total)
    assert losses.total.item() == pytest.approx(sum(part.item() for part in losses.parts.values()), rel=1e-5)
    expected = (losses.reconstruction - targets).square().sum(-1).mean()
    torch.testing.assert_close(losses.parts["mse"], expected)
    assert all(parameter.grad is not None for parameter in dictionary.parameters())
    assert all(torch.equal(value, before[name]) for name, value in dictionary.state_dict().items())


def test_the_loss_of_a_perfect_target_has_no_squared_error(kind: str, worn: Worn, vectors: Tensor) -> None:
    dictionary = worn(kind)
    reconstruction = dictionary.loss(vectors, vectors, some_dead(40)).reconstruction.detach()
    assert dictionary.loss(vectors, reconstruction, some_dead(40)).parts["mse"] < 1e-9


@pytest.mark.parametrize("options", [{}, {"d_out": 12, "skip": True}], ids=["autoencoder", "skip"])
def test_the_gradient_is_the_slope_of_the_loss(kind: str, options: dict[str, Any], worn: Worn, vectors: Tensor) -> None:
    if "skip" in options and refuses_a_skip(kind):
        return
    dictionary = worn(kind, **options).double()
    x, targets = vectors.double(), vectors.double() + 0.1
    context = StepContext(10, torch.zeros(40, dtype=torch.bool))
    dictionary.loss(x, targets, context).total.backward()
    draw = torch.Generator().manual_seed(3)
    for name, parameter in dictionary.named_parameters():
        if name in dictionary.estimated_gradients:
            continue
        assert parameter.grad is not None
        here = parameter.detach().clone()
        direction = torch.randn(here.shape, generator=draw, dtype=torch.float64)
        sides = []
        for step in (1e-7, -1e-7):
            with torch.no_grad():
                parameter.copy_(here + step * direction)
            sides.append(dictionary.loss(x, targets, context).total.detach())
        with torch.no_grad():
            parameter.copy_(here)
        measured, slope = (sides[0] - sides[1]) / 2e-7, (parameter.grad * direction).sum()
        torch.testing.assert_close(measured, slope, rtol=1e-5, atol=1e-5, msg=f"{name}: {measured} is not {slope}")


def test_folding_scales_makes_it_take_and_give_raw_vectors(kind: str, worn: Worn, vectors: Tensor) -> None:
    dictionary, folded = worn(kind, d_out=8), worn(kind, d_out=8)
    folded.fold_scales(4.0, 0.5)
    torch.testing.assert_close(folded(vectors), dictionary(4.0 * vectors) / 0.5, rtol=1e-4, atol=1e-5)


def test_folding_scales_of_an_autoencoder_is_one_scale(kind: str, worn: Worn, vectors: Tensor) -> None:
    dictionary, folded = worn(kind), worn(kind)
    folded.fold_scales(4.0, 4.0)
    torch.testing.assert_close(folded(vectors), dictionary(4.0 * vectors) / 4.0, rtol=1e-4, atol=1e-5)


def test_folding_decoder_norms_gives_unit_directions_and_changes_nothing(
    kind: str, worn: Worn, vectors: Tensor
) -> None:
    dictionary, folded = worn(kind), worn(kind)
    folded.fold_decoder_norms()
    torch.testing.assert_close(folded.decoder_norms(), torch.ones(40))
    torch.testing.assert_close(folded(vectors), dictionary(vectors), rtol=1e-4, atol=1e-5)


def test_a_features_norm_is_that_of_its_directions_at_least_and_grows_with_them(kind: str, worn: Worn) -> None:
    dictionary = worn(kind)
    before = dictionary.decoder_norms().detach().clone()
    assert (before >= dictionary.W_dec.norm(dim=-1) * (1 - 1e-6)).all()
    divisors = torch.rand(40, generator=torch.Generator().manual_seed(0)) + 0.5
    directions = dictionary.W_dec.detach().clone()
    dictionary.divide_directions(divisors)
    torch.testing.assert_close(dictionary.W_dec.detach(), directions / divisors[:, None])
    torch.testing.assert_close(dictionary.decoder_norms().detach(), before / divisors)


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(kind: str) -> None:
    config = build(KINDS[kind].Config, {"d_in": 12, "d_sae": 40})
    one, same, other = KINDS[kind](config, seed=1), KINDS[kind](config, seed=1), KINDS[kind](config, seed=2)
    assert torch.equal(one.encoder, same.encoder)
    assert torch.equal(one.W_dec, same.W_dec)
    assert not torch.equal(one.W_dec, other.W_dec)
    torch.testing.assert_close(one.W_dec.norm(dim=-1), torch.full((40,), 0.1))


@pytest.mark.parametrize(("key", "value"), [("d_in", 0), ("d_sae", -1), ("d_out", 0), ("colour", "red")])
def test_impossible_sizes_and_unknown_keys_are_refused(kind: str, key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        build(KINDS[kind].Config, {"d_in": 12, "d_sae": 40, key: value})


def test_a_transcoder_cannot_centre_its_input_with_the_targets_bias(kind: str) -> None:
    with pytest.raises(ConfigError, match="b_dec lives in the target's space"):
        build(KINDS[kind].Config, {"d_in": 12, "d_sae": 40, "d_out": 12, "apply_b_dec_to_input": True})


def test_a_skip_adds_an_affine_map_of_the_input_to_what_codes_stand_for(kind: str, worn: Worn, vectors: Tensor) -> None:
    if refuses_a_skip(kind):
        return
    dictionary = worn(kind, d_out=12, skip=True)
    assert dictionary.W_skip is not None and dictionary.W_skip.shape == (12, 12)
    codes = dictionary.encode(vectors)
    skipped = torch.einsum("oi,bi->bo", dictionary.W_skip, vectors)
    torch.testing.assert_close(dictionary(vectors), dictionary.decode(codes) + skipped)
    torch.testing.assert_close(dictionary.rebuild(vectors, codes * 0), dictionary.b_dec + skipped)


def test_codes_and_revived_features_answer_for_what_the_skip_leaves_of_the_target(
    kind: str, worn: Worn, vectors: Tensor
) -> None:
    if refuses_a_skip(kind):
        return
    dictionary, plain = worn(kind, d_out=12, skip=True), worn(kind, d_out=12)
    plain.load_state_dict({name: value for name, value in dictionary.state_dict().items() if name != "W_skip"})
    targets = torch.randn(len(vectors), 12, generator=torch.Generator().manual_seed(1))
    skipped = vectors @ dictionary.W_skip.T
    whole = dictionary.loss(vectors, targets, some_dead(40))
    codes_alone = plain.loss(vectors, targets - skipped, some_dead(40))
    assert whole.parts.keys() == codes_alone.parts.keys()
    for name, part in whole.parts.items():
        torch.testing.assert_close(part, codes_alone.parts[name], msg=name)
    torch.testing.assert_close(whole.reconstruction, codes_alone.reconstruction + skipped)
    assert not torch.allclose(whole.total, plain.loss(vectors, targets, some_dead(40)).total, rtol=1e-3)


def test_a_fresh_skip_adds_nothing_and_folds_with_the_scales(kind: str, worn: Worn, vectors: Tensor) -> None:
    if refuses_a_skip(kind):
        return
    fresh = KINDS[kind](build(KINDS[kind].Config, {"d_in": 12, "d_sae": 40, "d_out": 12, "skip": True}))
    assert torch.equal(fresh.W_skip, torch.zeros(12, 12))
    dictionary, folded = worn(kind, d_out=12, skip=True), worn(kind, d_out=12, skip=True)
    folded.fold_scales(4.0, 0.5)
    torch.testing.assert_close(folded(vectors), dictionary(4.0 * vectors) / 0.5, rtol=1e-4, atol=1e-5)
    loaded = from_saelens(*to_saelens(folded))
    assert loaded.config.skip and loaded.config.d_out == 12
    torch.testing.assert_close(loaded(vectors), folded(vectors))


def test_an_autoencoder_has_no_skip_and_its_config_does_not_speak_of_one(kind: str) -> None:
    sizes = {"d_in": 12, "d_sae": 40}
    with pytest.raises(ConfigError, match=r"skip is not valid: True"):
        build(KINDS[kind].Config, {**sizes, "skip": True})
    assert "skip" not in build(KINDS[kind].Config, sizes).model_dump()
    if refuses_a_skip(kind):
        return
    assert build(KINDS[kind].Config, {**sizes, "d_out": 12, "skip": True}).model_dump(mode="json")["skip"] is True
    with_skip, without = (build(KINDS[kind].Config, {**sizes, "d_out": 8, "skip": skip}) for skip in (True, False))
    assert with_skip.n_parameters - without.n_parameters == 12 * 8
