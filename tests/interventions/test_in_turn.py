"""All MLPs replaced in one pass: the pass is that of the Hugging Face model with each MLP written by hand."""

import pytest
import torch
from oracles.tiny_models import D_MODEL, tiny, token_rows

from mechlab.core.config import build
from mechlab.core.errors import UsageError
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.crosslayer import Crosslayer
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.interventions.in_turn import LayeredCodec, splice_in_turn
from mechlab.metrics.passes import reference_of
from mechlab.metrics.reference import next_token_log_probs, reconstructed
from mechlab.models.loaders import load
from mechlab.models.route import Route

CROSSLAYER = [kind for kind in KINDS if issubclass(KINDS[kind], Crosslayer)]
FEATURES, LAYERS, SCALES = 24, 2, ((1.5, 0.6), (2.0, 0.5))


@pytest.fixture(scope="module")
def module():
    return tiny("gpt2")


@pytest.fixture(scope="module")
def model(module):
    return load(module, device="cpu")


@pytest.fixture(params=CROSSLAYER)
def transcoder(request):
    """Return a trained-looking transcoder of the first two of three layers, its layers' scales folded."""
    config = KINDS[request.param].Config
    few = {"k": 3} if "k" in config.model_fields else {}
    made = KINDS[request.param](build(config, {"d_in": 64, "d_out": 64, "d_sae": 48, "n_layers": LAYERS, **few}))
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=draw).abs() * 0.1
                if name == "threshold"
                else torch.randn(parameter.shape, generator=draw) * 0.3
            )
        if hasattr(made, "topk_threshold"):
            made.topk_threshold.fill_(1.2)
    made.fold_layer_scales(*SCALES)
    return made


@torch.no_grad()
def logits_by_hand(module, tokens, special, transcoder):
    """Return the logits of a GPT-2 whose first two MLPs are the dense matrices of a cross-layer transcoder."""
    body = module.transformer
    stream = body.wte(tokens) + body.wpe(torch.arange(tokens.shape[1]))
    read = torch.zeros(*tokens.shape, LAYERS, D_MODEL)
    for number, block in enumerate(body.h):
        stream = stream + block.attn(block.ln_1(stream))[0]
        out = block.mlp(block.ln_2(stream))
        if number < LAYERS:
            read[:, :, number] = torch.nn.functional.layer_norm(stream, [D_MODEL])  # later layers are zeros still
            dense = transcoder.activate(read.flatten(2).flatten(0, 1) @ transcoder.W_enc + transcoder.b_enc)
            dense[:, (number + 1) * FEATURES :] = 0
            rebuilt = transcoder.decode(dense).view(*tokens.shape, LAYERS, D_MODEL)[:, :, number]
            out = torch.where(special[..., None], out, rebuilt)
        stream = stream + out
    return module.lm_head(body.ln_f(stream))


ROUTE = "mlp.0,mlp.1"


def test_the_pass_is_the_one_written_by_hand(model, module, transcoder):
    tokens = token_rows()
    special = tokens % 7 == 0
    expected = logits_by_hand(module, tokens, special, transcoder)
    with torch.no_grad(), splice_in_turn(model, transcoder, ROUTE, untouched=special):
        torch.testing.assert_close(model.logits(tokens), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(model.logits(tokens), expected, rtol=1e-4, atol=1e-4, msg="a second pass")
    with torch.no_grad():
        assert not torch.allclose(expected, model.logits(tokens), atol=1e-2), "it is another model"


def test_metrics_replace_all_targets_with_codes_of_the_same_pass(model, module, transcoder):
    tokens = token_rows()
    rows = TokenRows(tokens.int(), tokens % 7 == 0, "rows")
    batch = reconstructed(reference_of(model, rows, ROUTE, torch.zeros(64)), transcoder)
    expected = logits_by_hand(module, tokens, rows.special, transcoder)
    torch.testing.assert_close(batch.log_probs("spliced"), next_token_log_probs(expected), rtol=1e-4, atol=1e-4)
    edits = {
        site: lambda now, new=new: torch.where(rows.special[..., None], now, new)
        for site, new in zip(Route.of(ROUTE, model.spec).targets, batch.outputs.split(D_MODEL, -1), strict=True)
    }
    with torch.no_grad(), model.edit(edits):
        assert not torch.allclose(model.logits(tokens), expected, atol=1e-2), "codes of the clean pass are others"
    assert batch.widths == {"mlp_out.0": 32, "mlp_out.1": 32}


@torch.no_grad()
def test_layer_by_layer_it_gives_what_it_gives_at_once(transcoder):
    x = torch.randn(5, 3, 64, generator=torch.Generator().manual_seed(0))
    codes = [transcoder.encode_layer(layer, part) for layer, part in enumerate(x.split(D_MODEL, -1))]
    torch.testing.assert_close(torch.cat(codes, -1), transcoder.encode(x))
    first, second = (transcoder.written_by(layer, own) for layer, own in enumerate(codes))
    whole = torch.cat(
        [
            first[..., 0, :] + transcoder.layer_bias(0),
            first[..., 1, :] + second[..., 0, :] + transcoder.layer_bias(1),
        ],
        -1,
    )
    torch.testing.assert_close(whole, transcoder(x), rtol=1e-4, atol=1e-5)


def test_what_needs_all_inputs_first_is_not_spliced_in_turn(model, transcoder):
    assert isinstance(transcoder, LayeredCodec)
    assert not isinstance(TopKDictionary(TopKConfig(d_in=8, d_sae=16, k=2)), LayeredCodec)
    with (
        pytest.raises(UsageError, match="needs a site to read and a target"),
        splice_in_turn(model, transcoder, "resid_post.0"),
    ):
        pass
