"""Every kind of dictionary trains on another device than the CPU: to the same parameters, and nothing strays."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from elsewhere import Elsewhere, pretended_device
from torch import Tensor
from torch.nn.functional import embedding_bag

from mechlab.activations.pool import ActivationPool
from mechlab.core.config import build
from mechlab.core.errors import ConfigError
from mechlab.core.randomness import torch_generator
from mechlab.dictionaries import KINDS, sparse
from mechlab.dictionaries.dictionary import Dictionary
from mechlab.dictionaries.saelens_format import to_saelens
from mechlab.training.config import TrainConfig
from mechlab.training.loop import Watcher, fit
from mechlab.training.source import TensorSource
from mechlab.training.state import TrainingState

D_IN, D_SAE, BATCH = 20, 64, 50
CONFIG = TrainConfig(n_tokens=4 * BATCH, batch_size=BATCH, lr=3e-3, dead_after_tokens=BATCH, checkpoint_every_steps=3)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"options": {"pre_act_loss_coefficient": 0.1, "aux_loss_per_level": True}},
    "few codes on, unit decoder": {"lowered": 2.0, "train": {"decoder": "unit"}},
    "rounded products": {"train": {"precision": "bfloat16"}, "coarser": 10},
    "transcoder with a skip": {"options": {"d_out": D_IN, "skip": True}},
}


class Kernels:
    """What stands in for a GPU's kernels on the pretended device, and how often it was asked."""

    def __init__(self) -> None:
        self.n_calls = 0

    def weighted_sums(self, offsets: Tensor, indices: Tensor, weights: Tensor, table: Tensor) -> Tensor:
        offsets, indices, weights, table = self._plain(offsets, indices, weights, table)
        bags: dict[str, Any] = {"per_sample_weights": weights, "include_last_offset": True}
        return Elsewhere(embedding_bag(indices, table, offsets, mode="sum", **bags))

    def dots(self, offsets: Tensor, indices: Tensor, left: Tensor, table: Tensor) -> Tensor:
        offsets, indices, left, table = self._plain(offsets, indices, left, table)
        return Elsewhere((left.repeat_interleave(offsets.diff(), 0) * table[indices]).sum(1))

    def _plain(self, *tensors: Tensor) -> list[Tensor]:
        assert all(isinstance(tensor, Elsewhere) for tensor in tensors)
        self.n_calls += 1
        return [tensor.here.detach() for tensor in tensors if isinstance(tensor, Elsewhere)]


@pytest.fixture(params=["pretended", "cuda"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Return how to bring a tensor to the device and back, the kernels there, and how exact its products are."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("needs a GPU")
        yield SimpleNamespace(there=lambda tensor: tensor.to("cuda"), back=Tensor.cpu, kernels=None, exact=1e-2)
        return
    kernels = Kernels()
    monkeypatch.setattr(sparse, "kernels_for", lambda tensor: kernels if isinstance(tensor, Elsewhere) else None)
    with pretended_device():
        yield SimpleNamespace(there=Elsewhere, back=lambda tensor: tensor.here, kernels=kernels, exact=1e-5)


def make(kind: str, variant: dict[str, Any]) -> Dictionary:
    """Return a fresh dictionary with the options that its kind knows, without a skip where it refuses one."""
    cls, wanted = KINDS[kind], {"k": 3, "n_layers": 2, **variant.get("options", {})}
    options = {name: value for name, value in wanted.items() if name in cls.Config.model_fields}
    try:
        config = build(cls.Config, {"d_in": D_IN, "d_sae": D_SAE, **options})
    except ConfigError:
        config = build(cls.Config, {"d_in": D_IN, "d_sae": D_SAE, **options, "skip": False})
    dictionary = cls(config)
    with torch.no_grad():
        dictionary.b_enc.sub_(variant.get("lowered", 0.0))
    return dictionary


def moved(dictionary: Dictionary, there: Callable[[Tensor], Tensor]) -> Dictionary:
    """Return the dictionary with its parameters and buffers on the device."""
    for name, parameter in dictionary.named_parameters():
        setattr(dictionary, name, torch.nn.Parameter(there(parameter.detach().clone())))
    for name, buffer in dictionary.named_buffers():
        setattr(dictionary, name, there(buffer.clone()))
    return dictionary


def rows(seed: int) -> Tensor:
    return torch.randn(500, D_IN, generator=torch.Generator().manual_seed(seed)) + 1.0


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("kind", KINDS)
def test_training_there_ends_as_on_the_cpu_and_resumes_there_to_the_same_bytes(
    kind: str, variant: dict[str, Any], device: SimpleNamespace
) -> None:
    targets = rows(1) if "d_out" in variant.get("options", {}) else None
    config, source = (
        CONFIG.model_copy(update=variant.get("train", {})),
        lambda: TensorSource(rows(0), BATCH, 0, targets),
    )
    fresh, here = make(kind, variant), make(kind, variant)
    fit(here, source(), config)
    there, resumed = (moved(make(kind, variant), device.there) for _ in range(2))
    states: dict[int, TrainingState] = {}
    fit(there, source(), config, Watcher(save=states.__setitem__))
    fit(resumed, source(), config, resume=states[3])
    for name, value in there.state_dict().items():
        assert value.device == there.b_dec.device, name
        assert torch.equal(device.back(value), device.back(resumed.state_dict()[name])), name
    ended, exact = dict(there.named_parameters()), dict(here.named_parameters())
    apart, change = (
        sum(float((one(name) - exact[name]).detach().square().sum()) for name in exact) ** 0.5
        for one in (lambda name: device.back(ended[name]), lambda name: dict(fresh.named_parameters())[name])
    )
    assert apart < device.exact * variant.get("coarser", 1) * change
    tensors = to_saelens(there)[1]
    assert {tensor.device.type for tensor in tensors.values()} == {"cpu"}


def test_the_shuffling_pool_serves_the_same_batches_there(device: SimpleNamespace) -> None:
    here = ActivationPool(80, D_IN, torch_generator(0, "pool"))
    there = ActivationPool(80, D_IN, torch_generator(0, "pool"), device.there(torch.empty(1)).device)
    kept = np.arange(60) % 3 > 0
    for pool in (here, there):
        pool.add(rows(0)[:60], kept)
        pool.take(10)
        pool.restore(pool.state())
        pool.add(rows(1)[:20])
    assert there.state()["vectors"].device.type == "cpu"
    batch = there.take(30)
    assert batch.device.type != "cpu"
    assert torch.equal(device.back(batch), here.take(30))


def test_the_pretended_device_refuses_what_a_gpu_would() -> None:
    with pretended_device() as device:
        there = torch.ones(3, device=device)
        assert (there * 2.0 + torch.tensor(1.0)).sum().item() == 9.0
        assert torch.tensor([4, 2], device=device).tolist() == [4, 2]
        with pytest.raises(AssertionError, match="mixes devices"):
            there + torch.ones(3)
        assert there[torch.tensor([0, 2])].tolist() == [1.0, 1.0]
        with pytest.raises(AssertionError, match="mixes devices"):
            torch.ones(3)[there > 0]
        with pytest.raises(AssertionError, match="mixes devices"):
            torch.mm(torch.ones(2, 3), there[:, None])
