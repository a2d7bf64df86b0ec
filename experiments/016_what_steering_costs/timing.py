"""CPU time of generation, taken in turns: unsteered, steered, and by TransformerLens where it is given the same."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from cases import HOOKED, cases_of, prompts_of, sources_of
from theirs import generation, hooked

import mechlab
from mechlab.models.huggingface import HuggingFaceModel


def rows_of(model: HuggingFaceModel, settings: dict[str, Any], n_rows: int) -> list[dict[str, Any]]:
    """Return for every case the time of a token and how many times as fast it is as the others, round by round."""
    prompts, n_new = prompts_of(model, settings, n_rows), settings["n_new"]
    sources, lens = sources_of(model, settings), hooked(model)
    found = []
    for name, spec in cases_of(model, settings, n_rows).items():
        sides: dict[str, Callable[[], Any]] = {"plain": lambda: model.generate(prompts, n_new)}
        sides["steered"] = lambda spec=spec: steered(model, spec, sources, prompts, n_new)
        if name in HOOKED:
            n_layers = model.spec.n_layers
            layers = [n_layers // 2] if name == HOOKED[0] else list(range(n_layers))
            run = generation(lens, settings["strength"] * sources["v"], layers, n_new)
            sides["theirs"] = lambda run=run: run(prompts)
            assert torch.equal(run(prompts).cpu(), sides["steered"]()), "they write other texts"
        found.append({"rows": n_rows, "case": name, **compared(sides, settings["rounds"], n_new)})
    return found


def steered(model: HuggingFaceModel, spec: Any, sources: dict[str, Any], prompts: torch.Tensor, n_new: int) -> Any:
    """Return the prompts continued under steering, the spec looked up anew."""
    with mechlab.steer_by(model, spec, sources):
        return model.generate(prompts, n_new)


def compared(sides: dict[str, Callable[[], Any]], n_rounds: int, n_new: int) -> dict[str, Any]:
    """Return milliseconds a token of every side, and ratios of turns that followed one another: quartiles."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for work in sides.values():
        work()
    for _ in range(n_rounds):
        for name, work in sides.items():
            before = time.process_time()
            work()
            seconds[name].append(time.process_time() - before)
    row: dict[str, Any] = {
        f"{name}_ms": round(1000 * statistics.median(taken) / n_new, 3) for name, taken in seconds.items()
    }
    row["of_the_plain_speed"] = quartiles(seconds["plain"], seconds["steered"])
    if "theirs" in seconds:
        row["times_theirs"] = quartiles(seconds["theirs"], seconds["steered"])
    return row


def quartiles(others: list[float], own: list[float]) -> list[float]:
    """Return the quartiles of how many times as long the others took."""
    ratios = [other / one for other, one in zip(others, own, strict=True)]
    return [round(one, 3) for one in statistics.quantiles(ratios, n=4)]
