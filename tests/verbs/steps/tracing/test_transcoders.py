"""Transcoders are opened from where users have them: each gives the codes and outputs that its own library gives."""

from pathlib import Path

import pytest
import torch
import yaml
from circuits.attribution.random_transcoders import random_set, shaken
from oracles import dunefsky_checkpoint
from oracles.tiny_models import D_MODEL, N_LAYERS, tiny, token_rows
from sae_lens import saes
from safetensors.torch import save_file
from small_run import tiny_model

from mechlab.circuits.attribution.attribution_graph import attribution_graph
from mechlab.circuits.attribution.frozen_pass import frozen_pass
from mechlab.circuits.attribution.targets import logit_targets
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.dictionaries.crosslayer_files import config_of_files, to_files
from mechlab.dictionaries.crosslayer_transcoder import CrosslayerTranscoder
from mechlab.interventions.transcoder_set import TranscoderSet
from mechlab.interventions.transcoders_on_use import TranscodersOnUse
from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.loaders import load
from mechlab.store.run import open_run
from mechlab.store.writer import RunWriter
from mechlab.verbs.steps.opening import open_subject
from mechlab.verbs.steps.tracing.transcoders import open_transcoders
from mechlab.verbs.steps.training.fitting import new_dictionary, write_fitted
from mechlab.verbs.steps.training.run import identity_of

N_FEATURES = 24


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / shape[-1] ** 0.5


def seen_by(model: HuggingFaceModel, hook: str) -> list[torch.Tensor]:
    """Return what every layer's MLP reads at a hook, from Hugging Face's own modules."""
    found: list[torch.Tensor] = []
    body = model.module.transformer.h if model.spec.architecture == "gpt2" else model.module.model.layers
    norms = [block.ln_2 if model.spec.architecture == "gpt2" else block.post_attention_layernorm for block in body]
    handles = [
        norm.register_forward_hook(
            lambda module, args, output: found.append((output if hook == "mlp.hook_in" else args[0])[0].clone())
        )
        for norm in norms
    ]
    model.module(token_rows(1, 12))
    for handle in handles:
        handle.remove()
    return found


def rebuilt(found: TranscoderSet, model: HuggingFaceModel) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return codes and outputs of each layer of a set in the model's own pass."""
    reads = model.activations(token_rows(1, 12), [found.site(layer) for layer in range(found.n_layers)])
    every = torch.arange(N_FEATURES)
    codes = [found.codes(layer, reads[found.site(layer)][0]) for layer in range(found.n_layers)]
    outputs = []
    for target in range(found.n_layers):
        total = found.bias(target).expand(12, -1)
        for source in range(target + 1):
            rows = found.writers(source, every, target)
            total = total if rows is None else total + codes[source] @ rows
        skip = found.skip(target)
        outputs.append(total if skip is None else total + reads[found.site(target)][0] @ skip.T)
    return list(zip(codes, outputs, strict=True))


def agree(found: TranscoderSet, model: HuggingFaceModel, wanted: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    for (codes, output), (their_codes, their_output) in zip(rebuilt(found, model), wanted, strict=True):
        torch.testing.assert_close(codes, their_codes, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(output, their_output, rtol=1e-4, atol=1e-5)
        assert (codes > 0).any() and (codes == 0).any()


def adds_up(found: TranscoderSet, model: HuggingFaceModel) -> None:
    """Check that rows are complete to 1e-10 in float64."""
    wide = HuggingFaceModel(tiny(model.spec.architecture).double())
    layers = tuple(one.double() for one in found.layers)
    frozen = frozen_pass(wide, TranscoderSet(layers, found.read_kind), token_rows(1, 12))
    assert attribution_graph(frozen, logit_targets(frozen, [3, 5])).largest_miss < 1e-10


def tracer_layer(layer: int, jump: bool, skip: bool) -> dict[str, torch.Tensor]:
    made = {
        "W_enc": drawn(N_FEATURES, D_MODEL, seed=layer),
        "W_dec": drawn(N_FEATURES, D_MODEL, seed=10 + layer),
        "b_enc": drawn(1, N_FEATURES, seed=20 + layer)[0],
        "b_dec": drawn(1, D_MODEL, seed=30 + layer)[0],
    }
    made |= {"activation_function.threshold": drawn(1, N_FEATURES, seed=40 + layer)[0].abs()} if jump else {}
    return made | ({"W_skip": drawn(D_MODEL, D_MODEL, seed=50 + layer)} if skip else {})


def tracer_folder(
    folder: Path, hook: str, layers: list[dict[str, torch.Tensor]], written: str = "hook_mlp_out"
) -> Path:
    folder.mkdir()
    for layer, tensors in enumerate(layers):
        save_file(tensors, folder / f"layer_{layer}.safetensors")
    config = {"model_kind": "transcoder_set", "feature_input_hook": hook, "feature_output_hook": written}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.parametrize("hook", ["mlp.hook_in", "hook_resid_mid"])
@pytest.mark.parametrize(
    ("family", "jump", "skip"), [("gpt2", False, True), ("llama", True, True), ("gpt2", True, False)]
)
def test_circuit_tracer_s_folder(family, jump, skip, hook, tmp_path):
    model = HuggingFaceModel(tiny(family))
    layers = [tracer_layer(layer, jump, skip) for layer in range(N_LAYERS)]
    found = open_transcoders(model, tracer_folder(tmp_path / "set", hook, layers))
    wanted = []
    for own, x in zip(layers, seen_by(model, hook), strict=True):
        pre = x @ own["W_enc"].T + own["b_enc"]
        codes = pre * (pre > own["activation_function.threshold"]) if jump else pre.relu()
        output = codes @ own["W_dec"] + own["b_dec"]
        wanted.append((codes, output + x @ own["W_skip"].T if skip else output))
    agree(found, model, wanted)
    adds_up(found, model)
    assert found.read_kind == ("ln2_normalized" if hook == "mlp.hook_in" else "resid_mid")
    on_disk = open_transcoders(model, tmp_path / "set", on_use=True)
    agree(on_disk, model, wanted)
    assert isinstance(on_disk, TranscodersOnUse) and on_disk.read_kind == found.read_kind


@pytest.mark.parametrize(
    ("family", "hook"), [("gpt2", "mlp.hook_in"), ("llama", "mlp.hook_in"), ("gpt2", "hook_resid_mid")]
)
def test_circuit_tracer_s_cross_layer_folder(family, hook, tmp_path):
    model = HuggingFaceModel(tiny(family))
    files = to_files(random_set("crosslayer_transcoder", model.spec, torch.float32).layers[0])
    for name, tensors in files.items():
        save_file(tensors, tmp_path / name)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config_of_files("m", hook)))
    found = open_transcoders(model, tmp_path)
    wanted, codes = [], []
    for layer, x in enumerate(seen_by(model, hook)):
        own = files[f"W_enc_{layer}.safetensors"]
        pre = x @ own[f"W_enc_{layer}"].T + own[f"b_enc_{layer}"]
        codes.append(pre * (pre > own[f"threshold_{layer}"]))
        output = own[f"b_dec_{layer}"].expand(12, -1)
        for source in range(layer + 1):
            output = output + codes[source] @ files[f"W_dec_{source}.safetensors"][f"W_dec_{source}"][:, layer - source]
        wanted.append((codes[layer], output))
    agree(found, model, wanted)
    adds_up(found, model)


@pytest.mark.parametrize(("kind", "hook"), [("Transcoder", "hook_mlp_in"), ("SkipTranscoder", "ln2.hook_normalized")])
def test_saelens_s_folders(kind, hook, tmp_path):
    model = HuggingFaceModel(tiny("gpt2"))
    config = {"d_in": D_MODEL, "d_out": D_MODEL, "d_sae": N_FEATURES, "dtype": "float32", "device": "cpu"}
    theirs = []
    for layer in range(N_LAYERS):
        one = getattr(saes, kind)(getattr(saes, f"{kind}Config")(**config, apply_b_dec_to_input=False))
        with torch.no_grad():
            for number, parameter in enumerate(one.parameters()):
                parameter.copy_(drawn(*parameter.shape, seed=100 * layer + number))
        one.cfg.metadata.hook_name = f"blocks.{layer}.{hook}"
        one.cfg.metadata.hook_name_out = f"blocks.{layer}.hook_mlp_out"
        one.save_model(tmp_path / str(layer))
        theirs.append(one)
    found = open_transcoders(model, [tmp_path / str(layer) for layer in (2, 0, 1)])
    reads = seen_by(model, "before")
    if hook == "ln2.hook_normalized":
        reads = [torch.nn.functional.layer_norm(x, (D_MODEL,)) for x in reads]
    with torch.no_grad():
        agree(found, model, [(one.encode(x), one(x)) for one, x in zip(theirs, reads, strict=True)])
    adds_up(found, model)


def test_dunefsky_s_checkpoints(tmp_path):
    model = HuggingFaceModel(tiny("gpt2"))
    states = [dunefsky_checkpoint.state(D_MODEL, N_FEATURES, D_MODEL, seed) for seed in range(N_LAYERS)]
    for layer, state in enumerate(states):
        hooks = {"hook_point": f"blocks.{layer}.ln2.hook_normalized", "out_hook_point": f"blocks.{layer}.hook_mlp_out"}
        dunefsky_checkpoint.save(tmp_path / f"{layer}.pt", state, **hooks)
    found = open_transcoders(model, sorted(tmp_path.iterdir()))
    reads = [torch.nn.functional.layer_norm(x, (D_MODEL,)) for x in seen_by(model, "before")]
    agree(found, model, [dunefsky_checkpoint.forward(state, x) for state, x in zip(states, reads, strict=True)])


@pytest.fixture(scope="module")
def runs(options, tmp_path_factory):
    """Return runs as `train` writes them, but untrained: of each layer, of all, and an autoencoder."""
    folder = tmp_path_factory.mktemp("runs")
    skip = {"kind": "topk", "dictionary": {"k": 4, "skip": True}}
    made = {"0": {"site": "mlp.0", **skip}, "1": {"site": "mlp.1", **skip}, "sae": {"kind": "topk"}}
    made["all"] = {"site": "mlp", "kind": "crosslayer_transcoder", "dictionary": {}, "features": 48}
    for name, changed in made.items():
        config = options(**changed)
        subject = open_subject(config)
        dictionary = shaken(new_dictionary(config, *subject.widths), torch.float32, len(name))
        with RunWriter(folder / name, identity_of(config, subject)) as writer:
            write_fitted(dictionary, subject, writer)
            writer.finish({})
    return folder


def test_runs_by_folder_and_by_id_and_of_all_layers(runs, model):
    own = load(str(model), device="cpu")
    ids = [open_run(runs / str(layer)).id[:8] for layer in (1, 0)]
    by_id = open_transcoders(own, ids, root=runs)
    by_folder = open_transcoders(own, [runs / "0", runs / "1" / "dictionary"])
    x = drawn(9, own.spec.d_model)
    for layer in range(2):
        assert torch.equal(by_id.codes(layer, x), by_folder.codes(layer, x)) and by_id.skip(layer) is not None
    crosslayer = open_transcoders(own, runs / "all")
    assert isinstance(crosslayer.layers[1], CrosslayerTranscoder) and crosslayer.read_kind == "ln2_normalized"


def test_those_of_another_model_are_refused_even_by_their_inner_folder(runs, tmp_path):
    other = load(str(tiny_model(tmp_path / "other", seed=1)), device="cpu")
    for path in (runs / "0", runs / "0" / "dictionary", runs / "all"):
        with pytest.raises(ArtifactError, match=r"of another model: .*It is of \w{12}, .* is \w{12}") as refused:
            open_transcoders(other, path)
        assert "\n" not in str(refused.value)


def test_what_makes_no_set_is_refused_in_a_line(runs, model, tmp_path):
    own = load(str(model), device="cpu")
    width = [tracer_layer(layer, False, False) for layer in range(2)]
    wide = tracer_folder(tmp_path / "wide", "mlp.hook_in", width)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("no archive")
    torch.save({"W_enc": torch.ones(2)}, tmp_path / "weights.pt")
    refusals = {
        "layers have no transcoder: '1'": runs / "0",
        "layer has two transcoders": [runs / "0", runs / "1", runs / "0"],
        f"not as wide as the model: {D_MODEL}": wide,
        "does not say whose MLP it stands in for": runs / "sae",
        "unknown run: 'nowhere'": "nowhere",
        "folder holds no dictionary": tmp_path / "empty",
        "not a torch archive": tmp_path / "text.txt",
        "of another library": tmp_path / "weights.pt",
        "layers are missing": crosslayer_without_files(tmp_path / "no files"),
    }
    for said, paths in refusals.items():
        with pytest.raises(UsageError, match=said) as refused:
            open_transcoders(own, paths)
        assert "\n" not in str(refused.value)


def crosslayer_without_files(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config_of_files("m")))
    return folder


def test_what_is_written_before_a_norm_is_refused_only_where_there_is_one(tmp_path):
    layers = [tracer_layer(layer, False, False) for layer in range(N_LAYERS)]
    folder = tracer_folder(tmp_path / "set", "mlp.hook_in", layers, "mlp.hook_out")
    assert open_transcoders(HuggingFaceModel(tiny("llama")), folder).n_layers == N_LAYERS
    with pytest.raises(UsageError, match="rebuilds what a norm comes behind"):
        open_transcoders(HuggingFaceModel(tiny("gemma2")), folder)


@pytest.mark.parametrize(("own", "wanted"), [("float64", "float64"), ("float32", "float32"), ("bfloat16", "float32")])
def test_the_set_has_the_model_s_dtype_or_float32(own, wanted, tmp_path):
    layers = [tracer_layer(layer, True, True) for layer in range(N_LAYERS)]
    model = HuggingFaceModel(tiny("gpt2").to(getattr(torch, own)))
    found = open_transcoders(model, tracer_folder(tmp_path / "set", "mlp.hook_in", layers))
    dtypes = {parameter.dtype for one in found.layers for parameter in one.parameters()}
    assert dtypes == {getattr(torch, wanted)}
