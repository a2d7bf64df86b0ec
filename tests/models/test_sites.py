"""The address book knows every site by every name, and a wrong name is answered with the right ones."""

import pytest
from oracles.tiny_models import FAMILIES, hooked_transformer, tiny, token_rows

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.sites import Site, all_sites, sites_of
from mechlab.models.spec import ModelSpec

SPEC = ModelSpec(
    architecture="gpt2", n_layers=4, d_model=8, n_heads=2, n_kv_heads=2, d_head=4, d_mlp=16, d_vocab=11, n_ctx=16
)


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("resid_post.3", Site("resid_post", 3)),
        ("blocks.3.hook_resid_post", Site("resid_post", 3)),
        ("mlp_out.0", Site("mlp_out", 0)),
        ("head.2.1", Site("head", 2, 1)),
        ("embed", Site("embed")),
        ("hook_embed", Site("embed")),
        ("blocks.1.attn.hook_attn_scores", Site("scores", 1)),
        ("attn_scores.1", Site("scores", 1)),
        ("post.0", Site("mlp_post", 0)),
        ("ln_final.hook_normalized", Site("ln_final_normalized")),
    ],
)
def test_a_site_is_found_by_each_of_its_names(name: str, site: Site) -> None:
    assert Site.parse(name, SPEC) == site
    assert Site.parse(site, SPEC) == site
    assert Site.parse(str(site), SPEC) == site


@pytest.mark.parametrize("family", FAMILIES)
def test_the_hook_names_are_those_of_transformerlens(family: str) -> None:
    module = tiny(family)
    _, cache = hooked_transformer(module).run_with_cache(token_rows(1, 3))
    ours = {site.hook_name for site in all_sites(HuggingFaceModel(module).spec)}
    assert {name for name in ours if not name.endswith("hook_result")} == set(cache.keys())


def test_a_short_name_and_a_hook_name_lead_to_each_other() -> None:
    for site in all_sites(SPEC):
        assert Site.parse(site.hook_name, SPEC) == Site.parse(str(site), SPEC) == site


def test_sites_come_in_the_order_of_the_forward_pass() -> None:
    names = [str(site) for site in all_sites(SPEC)]
    order = [
        "embed",
        "resid_pre.0",
        "q.0",
        "pattern.0",
        "z.0",
        "attn_out.0",
        "resid_mid.0",
        "mlp_post.0",
        "resid_post.0",
    ]
    order += ["resid_pre.1", "resid_post.3", "ln_final_scale"]
    assert [names.index(name) for name in order] == sorted(names.index(name) for name in order)


@pytest.mark.parametrize("name", ["resid_post.9", "blocks.9.hook_resid_post", "head.1.2", "head.4.0"])
def test_a_layer_or_head_out_of_range_is_told_the_range(name: str) -> None:
    with pytest.raises(UnknownName, match=r"no such layer or head: '.*'\. Layers are 0\.\.3, heads 0\.\.1\.$"):
        Site.parse(name, SPEC)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("resid_pst.3", "resid_post.L"),
        ("resid_post", "resid_post.L"),
        ("head.2", "head.L.H"),
        ("blocks.2.hook_resid_pots", "blocks.L.hook_resid_post"),
        ("blocks.2.attn.hook_patern", "blocks.L.attn.hook_pattern"),
        ("", "embed"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest_one_first_and_all_others(name: str, nearest: str) -> None:
    with pytest.raises(UnknownName) as caught:
        Site.parse(name, SPEC)
    message = str(caught.value)
    assert message.split("Sites: ")[1].split(",")[0] == nearest
    assert all(kind in message for kind in ("resid_mid.L", "pattern.L", "head.L.H", "0..3"))
    assert "\n" not in message


def test_a_site_another_architecture_has_is_refused_with_the_list() -> None:
    with pytest.raises(UnknownName, match=r"no such site: 'resid_mid.0'. Sites: .*resid_p"):
        Site.parse("resid_mid.0", SPEC.model_copy(update={"parallel": True}))
    with pytest.raises(UnknownName):
        Site.parse("rot_q.0", SPEC)
    assert Site.parse("rot_q.0", SPEC.model_copy(update={"positional": "rotary"})) == Site("rot_q", 0)


def test_an_attention_only_model_has_no_mlp_sites() -> None:
    kinds = {site.kind for site in all_sites(SPEC.model_copy(update={"d_mlp": 0}))}
    assert not kinds & {"mlp_out", "mlp_post", "resid_mid", "ln2_scale"}
    assert {"attn_out", "resid_post"} <= kinds


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("mlp_out.1", ["mlp_out.1"]),
        ("mlp_out", ["mlp_out.0", "mlp_out.1", "mlp_out.2", "mlp_out.3"]),
        ("mlp_out.2, z.2,embed", ["embed", "z.2", "mlp_out.2"]),
        ("blocks.1.attn.hook_z", ["z.1"]),
    ],
)
def test_several_sites_stand_in_the_order_of_the_forward_pass(text, names):
    assert [str(site) for site in sites_of(text, SPEC)] == names


def test_a_site_given_twice_is_refused():
    with pytest.raises(UsageError, match=r"site is there twice: 'mlp_out.1'"):
        sites_of("mlp_out,mlp_out.1", SPEC)
    with pytest.raises(UnknownName):
        sites_of("mlp_out,nowhere", SPEC)
