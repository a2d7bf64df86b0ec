"""A route says what is read and what is rebuilt; one that no forward pass could take is refused."""

import pytest
import torch

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.route import Route, one_vector_each, side_by_side
from mechlab.models.sites import Site
from mechlab.models.spec import ModelSpec

SIZES = {"n_layers": 4, "d_model": 8, "n_heads": 2, "n_kv_heads": 2, "d_head": 4, "d_mlp": 16}
SPEC = ModelSpec(architecture="gpt2", d_vocab=11, n_ctx=16, **SIZES)
PAIR = Route((Site("ln2_normalized", 1),), (Site("mlp_out", 1),))


def test_a_site_alone_is_rebuilt_from_itself() -> None:
    route = Route.of("blocks.2.hook_resid_post", SPEC)
    assert route == Route((Site("resid_post", 2),))
    assert route.rebuilt == route.sites == route.inputs
    assert str(route) == "resid_post.2"


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("mlp.1", None),
        ("ln2_normalized.1", "mlp_out.1"),
        ("blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out"),
        ("ln2_normalized.1 -> mlp_out.1", None),
        (PAIR, None),
    ],
)
def test_a_pair_is_found_by_each_of_its_names(place: str | Route, target: str | None) -> None:
    assert Route.of(place, SPEC, target) == PAIR
    assert Route.of(str(PAIR), SPEC) == PAIR
    assert PAIR.rebuilt == PAIR.targets
    assert PAIR.sites == PAIR.inputs + PAIR.targets


def test_an_mlp_without_a_norm_reads_the_stream() -> None:
    bare = SPEC.model_copy(update={"normalization": "none"})
    assert str(Route.of("mlp.0", bare)) == "resid_mid.0 -> mlp_out.0"


def test_several_sites_are_parted_by_commas() -> None:
    route = Route.of("resid_post.0, resid_post.1", SPEC, "mlp_out.2,mlp_out.3")
    assert str(route) == "resid_post.0,resid_post.1 -> mlp_out.2,mlp_out.3"
    assert Route.of(str(route), SPEC) == route


@pytest.mark.parametrize("text", ["mlp", "mlp.0,mlp.1, mlp.2,mlp.3"])
def test_mlp_stands_for_the_mlps_of_every_layer(text: str) -> None:
    route = Route.of(text, SPEC)
    assert route.inputs == tuple(Site("ln2_normalized", layer) for layer in range(4))
    assert route.targets == tuple(Site("mlp_out", layer) for layer in range(4))
    assert Route.of("mlp.1,mlp.3", SPEC).targets == (Site("mlp_out", 1), Site("mlp_out", 3))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mlp.1,mlp.0", "out of order: 'ln2_normalized.0'.*before ln2_normalized.1"),
        ("mlp.1,mlp.2,mlp.1", "twice: 'ln2_normalized.1'"),
        ("resid_post.1,resid_post.1", "twice: 'resid_post.1'"),
        ("ln2_normalized.0,ln2_normalized.3 -> mlp_out.1,mlp_out.2", "before what it is rebuilt from: 'mlp_out.2'"),
        ("resid_post.2,resid_post.1 -> mlp_out.1", "before what it is rebuilt from"),
    ],
)
def test_several_sites_that_make_no_sense_together_are_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Route.of(text, SPEC)


def test_a_target_may_be_a_head_or_another_layers_stream() -> None:
    assert str(Route.of("ln1_normalized.1", SPEC, "head.1.0")) == "ln1_normalized.1 -> head.1.0"
    assert str(Route.of("embed", SPEC, "resid_post.3")) == "embed -> resid_post.3"


@pytest.mark.parametrize(
    ("place", "target", "said"),
    [
        ("mlp_out.1", "ln2_normalized.1", "before what it is rebuilt from.*'ln2_normalized.1'.*mlp_out.1 is computed"),
        ("resid_post.2", "head.2.1", "before what it is rebuilt from"),
        ("resid_post.2", "resid_post.2", "the site itself.*'resid_post.2'.*Leave"),
        ("resid_post.2 -> mlp_out.3", "mlp_out.3", "given twice"),
    ],
)
def test_what_cannot_be_computed_is_refused(place: str, target: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Route.of(place, SPEC, target)


@pytest.mark.parametrize(("place", "target"), [("mlp.9", None), ("mlp.1", "mlp_out.1"), ("resid_post.0", "mlp_uot.1")])
def test_an_unknown_end_is_answered_with_the_known_ones(place: str, target: str | None) -> None:
    with pytest.raises(UnknownName, match=r"Layers are 0\.\.3"):
        Route.of(place, SPEC, target)


def test_one_activation_is_not_copied_and_several_lie_in_order() -> None:
    one, other = torch.ones(2, 3), torch.zeros(2, 4)
    assert side_by_side([one]) is one
    assert side_by_side([one, other]).tolist() == [[1, 1, 1, 0, 0, 0, 0]] * 2


def test_sites_are_taken_in_order_and_one_with_an_axis_for_heads_is_refused() -> None:
    found = {"z.1": torch.zeros(2, 3, 2, 4), "mlp_out.1": torch.zeros(2, 3, 8), "resid_pre.0": torch.ones(2, 3, 8)}
    both = one_vector_each(found, [Site("resid_pre", 0), Site("mlp_out", 1)])
    assert both[0] is found["resid_pre.0"] and both[1] is found["mlp_out.1"]
    with pytest.raises(UsageError, match=r"more than one vector per token: 'z\.1'"):
        one_vector_each(found, [Site("mlp_out", 1), Site("z", 1)])
