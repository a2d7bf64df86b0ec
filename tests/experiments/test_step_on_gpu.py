from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from experiment_pieces import pieces_of

CPU = torch.device("cpu")
BATCH, D_IN, D_SAE = 32, 768, 64
PEAK = {"float32_tflops": 2.0, "bfloat16_tflops": 4.0}


@pytest.fixture(scope="module")
def on_gpu() -> Iterator[ModuleType]:
    with pieces_of("003_step_against_saelens", "on_gpu", "cases") as found:
        yield found.on_gpu


@pytest.fixture
def case(on_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(on_gpu, "WARM", 1)
    monkeypatch.setattr(on_gpu, "ROUNDS", 3)
    return on_gpu.Case("topk", D_SAE, BATCH, options={"k": 4})


def test_without_a_gpu_it_says_so_in_one_line_and_ends_with_two(
    on_gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        on_gpu.main()
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("on_gpu.py needs a GPU")
    assert told.err.count("\n") == 1


def test_a_products_operations_are_two_for_each_pair_of_numbers(on_gpu: ModuleType) -> None:
    left, right = torch.randn(3, 5), torch.randn(5, 7)
    assert on_gpu.flops_of(lambda: left @ right) == 2 * 3 * 5 * 7


def test_a_step_of_ours_takes_the_encoders_product_where_saelens_takes_six(on_gpu: ModuleType, case: object) -> None:
    row = on_gpu.measured(case, CPU, PEAK)
    product, matrix_by_vector = 2 * BATCH * D_IN * D_SAE, 2 * D_IN * D_SAE
    assert row["mechlab_gflop"] == (product + matrix_by_vector) / 1e9
    assert row["saelens_gflop"] == 6 * product / 1e9
    assert row["ratio"] == row["saelens_ms"] / row["mechlab_ms"]
    assert row["mechlab_of_peak"] == pytest.approx(row["mechlab_gflop"] / row["mechlab_ms"] / 2.0)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_trainers_that_are_moved_still_take_the_same_steps(on_gpu: ModuleType, case: object, device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    run, trainer, rows = on_gpu.moved(case, torch.device(device))
    before = run.dictionary.W_dec.detach().clone()
    assert torch.equal(before, trainer.sae.W_dec)
    for _ in range(3):
        trainer.step(rows)
        run.advance(rows, rows)
    apart, change = (run.dictionary.W_dec - trainer.sae.W_dec).norm(), (before - trainer.sae.W_dec).norm()
    assert run.dictionary.W_dec.device.type == device
    assert 0 < apart < 1e-3 * change


def test_every_sparse_operation_is_timed_by_every_route_there_is(on_gpu: ModuleType, case: object) -> None:
    found = on_gpu.kernel_rows(CPU, 10.0, batch=BATCH, k=4, d_sae=D_SAE, width=16)
    assert [(row["operation"], row["route"]) for row in found] == [
        ("decode", "pytorch"),
        ("sum by feature", "pytorch"),
        ("dot products", "pytorch"),
    ]
    decode = found[0]
    n_bytes = 4 * (BATCH * 4 * 16 + BATCH * 4 + BATCH * 16)
    assert decode["gb_per_s"] == pytest.approx(n_bytes / decode["ms"] / 1e6)
    assert decode["of_copy"] == pytest.approx(decode["gb_per_s"] / 10)


def test_peaks_are_measured(on_gpu: ModuleType, case: object) -> None:
    found = on_gpu.peaks(CPU, size=64, n_bytes=1 << 16)
    assert found.keys() == {"float32_tflops", "bfloat16_tflops", "copy_gb_per_s"}
    assert all(value > 0 for value in found.values())
