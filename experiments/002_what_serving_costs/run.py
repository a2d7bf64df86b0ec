"""Experiment 002: what does it cost to be served a model's activations, shuffled, beside the bare forward pass?"""

import json
import statistics
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from models import LAYERS, opened, rows_of, stopped_behind  # noqa: E402
from pools import pool_costs  # noqa: E402
from timing import cpu_us  # noqa: E402

from mechlab.activations.stream import ActivationStream, StreamConfig  # noqa: E402
from mechlab.core.runtime import keep_freed_memory  # noqa: E402
from mechlab.models.huggingface import HuggingFaceModel  # noqa: E402

ROWS, LENGTH, ROUNDS, REPEATS = 32, 128, {"stories260K": 40, "gpt2 768 wide": 5}, 5


def main() -> None:
    """Measure every layer twice: as the C library handles freed memory, and as the CLI lets it; then the pools."""
    torch.set_num_threads(1)
    serving = [serving_cost(name, layer, "given back") for name, layers in LAYERS.items() for layer in layers]
    keep_freed_memory()
    serving += [serving_cost(name, layer, "kept") for name, layers in LAYERS.items() for layer in layers]
    (HERE / "result.json").write_text(json.dumps({"serving": serving, "pool": pool_costs()}, indent=1) + "\n")


def serving_cost(name: str, layer: int, freed_memory: str) -> dict:
    """Return CPU µs per token of both and their ratio: medians of interleaved rounds; the spread is over repeats."""
    whole, bare = opened(name), stopped_behind(opened(name), layer)
    rows = rows_of(whole, 8 * ROWS, LENGTH)
    config = StreamConfig(batch_size=ROWS * (LENGTH - 1), forward_rows=ROWS)
    stream = ActivationStream(HuggingFaceModel(whole), rows, f"resid_post.{layer}", config)
    tokens = rows.tokens[:ROWS].long()

    def forward() -> None:
        with torch.inference_mode():
            bare(tokens, use_cache=False)

    stream.next()
    repeats = []
    for _ in range(REPEATS):
        pairs = [(cpu_us(stream.next), cpu_us(forward)) for _ in range(ROUNDS[name])]
        repeats.append([statistics.median(side) / (ROWS * LENGTH) for side in zip(*pairs, strict=True)])
    mechlab_us, bare_us = (statistics.median(side) for side in zip(*repeats, strict=True))
    ratios = sorted(ours / theirs for ours, theirs in repeats)
    found = {"ratio": statistics.median(ratios), "low": ratios[0], "high": ratios[-1]}
    print(name, layer, freed_memory, found, flush=True)
    return {"model": name, "layer": layer, "freed_memory": freed_memory, "mechlab_us_per_token": mechlab_us} | {
        "bare_us_per_token": bare_us,
        **found,
    }


if __name__ == "__main__":
    main()
