"""A checkpoint as transcoder_circuits saves it, with a settings class that is gone again when it is read."""

import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor


@dataclass
class LanguageModelSAERunnerConfig:
    """Some of the fields of the class of this name in `sae_training.config`."""

    d_in: int
    d_sae: int
    d_out: int
    is_transcoder: bool = True
    model_name: str = "gpt2-small"
    hook_point: str = "blocks.8.ln2.hook_normalized"
    out_hook_point: str = "blocks.8.hook_mlp_out"
    context_size: int = 128
    lr: float = 4e-4
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    use_ghost_grads: tuple = (False,)


def save(path: Path, state: dict[str, Tensor], **settings: object) -> None:
    """Write the checkpoint; afterwards nothing by the settings' name can be imported."""
    module = types.ModuleType("sae_training.config")
    module.LanguageModelSAERunnerConfig = LanguageModelSAERunnerConfig
    names = {"__module__": "sae_training.config", "__qualname__": "LanguageModelSAERunnerConfig"}
    old = {name: getattr(LanguageModelSAERunnerConfig, name) for name in names}
    sys.modules |= {"sae_training": types.ModuleType("sae_training"), "sae_training.config": module}
    try:
        for name, value in names.items():
            setattr(LanguageModelSAERunnerConfig, name, value)
        sizes = {"d_in": state["W_enc"].shape[0], "d_sae": state["W_enc"].shape[1], "d_out": state["W_dec"].shape[1]}
        torch.save({"cfg": LanguageModelSAERunnerConfig(**{**sizes, **settings}), "state_dict": state}, path)
    finally:
        for name, value in old.items():
            setattr(LanguageModelSAERunnerConfig, name, value)
        del sys.modules["sae_training.config"], sys.modules["sae_training"]


def state(d_in: int = 6, d_sae: int = 20, d_out: int = 5, seed: int = 0) -> dict[str, Tensor]:
    """Return random parameters of a transcoder, as a module's `state_dict` has them."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {
        "W_enc": (d_in, d_sae),
        "b_enc": (d_sae,),
        "W_dec": (d_sae, d_out),
        "b_dec": (d_in,),
        "b_dec_out": (d_out,),
    }
    module = torch.nn.Module()
    for name, shape in shapes.items():
        module.register_parameter(name, torch.nn.Parameter(torch.randn(shape, generator=draw)))
    return module.state_dict()


def forward(parameters: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return codes and output, written out from the method's paper and its authors' description of their forward."""
    codes = torch.relu(torch.einsum("bi,is->bs", x - parameters["b_dec"], parameters["W_enc"]) + parameters["b_enc"])
    return codes, torch.einsum("bs,so->bo", codes, parameters["W_dec"]) + parameters["b_dec_out"]
