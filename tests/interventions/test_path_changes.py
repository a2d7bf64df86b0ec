"""Only receivers see a changed path: equal to TransformerLens with the inputs of its heads split."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, FAMILIES, PLAIN, hooked_transformer, tiny, token_rows

from mechlab.core.errors import UnknownName, UsageError
from mechlab.interventions.head_changes import change_heads, scaled
from mechlab.interventions.path_changes import Receiver, change_paths, norm_gain
from mechlab.models.huggingface import HuggingFaceModel

ALL = [family for family in FAMILIES if not HuggingFaceModel(tiny(family)).spec.post_norms]


def along(seed: int = 0, n: int = 2) -> torch.Tensor:
    drawn = torch.randn(D_MODEL, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(drawn).Q.T.float()


def theirs(family: str, tokens: torch.Tensor, change, receivers: list[Receiver]) -> torch.Tensor:
    """Return the reference model's logits with the changes of head 0.1 added to the receivers' inputs alone."""
    reference = hooked_transformer(tiny(family), **PLAIN)
    reference.set_use_split_qkv_input(True)
    reference.set_use_attn_result(True)
    added: list[torch.Tensor] = []

    def note(result, hook):
        added[:] = [change(result[:, :, 1])]

    def add(head: int):
        def hooked(stream, hook):
            stream = stream.clone()
            stream[:, :, head * stream.shape[2] // reference.cfg.n_heads] += added[0]
            return stream

        return hooked

    hooks = [(f"blocks.{one.head[0]}.hook_{one.mode}_input", add(one.head[1])) for one in receivers]
    return reference.run_with_hooks(tokens, fwd_hooks=[("blocks.0.attn.hook_result", note), *hooks])


@pytest.mark.parametrize("family", ALL)
@pytest.mark.parametrize("mode", ["q", "k", "v"])
def test_a_receiver_reads_what_the_reference_reads_from_a_split_input(family, mode):
    model, tokens, change = HuggingFaceModel(tiny(family)), token_rows(), scaled(along(), 3.0)
    receivers = [Receiver((1, 2), mode)]
    with change_paths(model, {(0, 1): change}, receivers):
        found = model.logits(tokens)
    plain = model.logits(tokens)
    assert float((found - plain).abs().max()) > 1e-4
    wanted = theirs(family, tokens, change, receivers)
    assert torch.allclose(found, wanted, atol=1e-4 * float(plain.abs().max()))


def test_several_receivers_of_several_layers_read_it():
    model, tokens, change = HuggingFaceModel(tiny("gpt2")), token_rows(), scaled(along(), -1.0)
    receivers = [Receiver((1, 2), "q"), Receiver((1, 0), "q"), Receiver((1, 2), "k"), Receiver((2, 3), "v")]
    with change_paths(model, {(0, 1): change}, receivers):
        found = model.logits(tokens)
    assert torch.allclose(found, theirs("gpt2", tokens, change, receivers), atol=1e-4)


def test_changes_of_several_senders_add_up_and_the_stream_stays_as_it_is():
    model, tokens = HuggingFaceModel(tiny("gpt2")), token_rows()
    changes = {(0, 1): scaled(along(1)), (1, 0): scaled(along(2), 2.0)}
    before = model.activations(
        tokens, ["resid_pre.2", "ln1_normalized.2", "head.0.1", "head.1.0", "q.2", "ln1_scale.2"]
    )
    with change_paths(model, changes, [Receiver((2, 1), "q")]), model.read("resid_pre.2", "q.2") as found:
        model.logits(tokens)
    assert torch.equal(found["resid_pre.2"], before["resid_pre.2"])
    stream = before["resid_pre.2"] + sum(change(before[f"head.{i}.{j}"]) for (i, j), change in changes.items())
    gain = norm_gain(before["resid_pre.2"], stream, before["ln1_scale.2"], model.spec)
    layer = model.weights().layers[2]
    wanted = before["q.2"][:, :, 1] + gain * layer.ln1_w @ layer.W_Q[1]
    assert torch.allclose(found["q.2"][:, :, 1], wanted, atol=1e-5)
    assert torch.allclose(found["q.2"][:, :, [0, 2, 3]], before["q.2"][:, :, [0, 2, 3]], atol=1e-6)


def test_the_logits_alone_see_it_where_they_are_the_receiver():
    model, tokens, change = HuggingFaceModel(tiny("gpt2")), token_rows(), scaled(along())
    with change_paths(model, {(0, 1): change}, logits=True), model.read("resid_mid.2") as found:
        seen = model.logits(tokens)
    plain = model.activations(tokens, ["resid_mid.2", "head.0.1", "resid_post.2"])
    assert torch.equal(found["resid_mid.2"], plain["resid_mid.2"])
    with model.edit({"resid_post.2": lambda stream: stream + change(plain["head.0.1"])}):
        assert torch.allclose(seen, model.logits(tokens), atol=1e-5)


def test_the_last_head_has_no_path_but_the_direct_one():
    model, tokens, change = HuggingFaceModel(tiny("neox_parallel")), token_rows(), scaled(along())
    with change_paths(model, {(2, 1): change}, logits=True):
        direct = model.logits(tokens)
    with change_heads(model, {(2, 1): change}):
        assert torch.allclose(direct, model.logits(tokens), atol=1e-4)


@pytest.mark.parametrize(("normalization", "centred"), [("LN", True), ("RMS", False)])
def test_a_norm_grows_by_what_it_would_give_less_what_it_gave(normalization, centred):
    spec = HuggingFaceModel(tiny("gpt2")).spec.model_copy(update={"normalization": normalization})
    before, after = torch.randn(2, 1, 5, D_MODEL, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def norm(x: torch.Tensor) -> torch.Tensor:
        own = (D_MODEL,)
        return torch.nn.functional.layer_norm(x, own) if centred else torch.nn.functional.rms_norm(x, own, eps=1e-5)

    middle = before - before.mean(-1, keepdim=True) * centred
    scale = (middle.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(norm_gain(before, after, scale, spec), norm(after) - norm(before), atol=1e-10)


def test_without_a_norm_it_grows_by_the_change():
    spec = HuggingFaceModel(tiny("gpt2")).spec.model_copy(update={"normalization": "none"})
    before, after = torch.randn(2, 1, 5, D_MODEL, generator=torch.Generator().manual_seed(3))
    assert torch.equal(norm_gain(before, after, None, spec), after - before)


@pytest.mark.parametrize("head", [(0, 1), (0, 3)])
def test_a_receiver_that_is_not_behind_the_sender_is_refused(head):
    model = HuggingFaceModel(tiny("gpt2"))
    with pytest.raises(UsageError, match=rf"receiver is not behind every sender: '{head[0]}\.{head[1]}'"):
        change_paths(model, {(0, 1): scaled(along())}, [Receiver(head, "q")]).__enter__()


def test_unknown_heads_and_heads_that_write_through_a_norm_are_refused():
    with pytest.raises(UnknownName):
        change_paths(HuggingFaceModel(tiny("gpt2")), {}, [Receiver((1, 9), "q")]).__enter__()
    with pytest.raises(UsageError, match="write through a norm"):
        change_paths(HuggingFaceModel(tiny("gemma2")), {(0, 1): scaled(along())}).__enter__()
