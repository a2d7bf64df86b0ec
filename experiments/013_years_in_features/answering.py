"""All that is asked of one seed's transcoders: what they cost, how few features do, and which path carries the year."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from curve import curve, layer_of_answer
from loss import in_all_layers, in_one_layer
from removal import Way, active_features, judged
from routes import Feature, Found, found_routes, head_of
from subject import Subject

import mechlab

N_SHOWN = 12


def answers(subject: Subject, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the answers of one seed."""
    told = settings["loss"]
    corpus = mechlab.open_corpus("tales", seed=told["seed"])
    size = told["row_length"] * told["n_rows"]
    rows = mechlab.pack(corpus, subject.model.tokenizer, row_length=told["row_length"], n_tokens=size)
    layer, needed = layer_of_answer(subject)
    transcoders = subject.transcoders(seed)
    routes = found_routes(subject, transcoders, settings["path"])
    ways = {str(share): way_of(routes, share) for share in settings["path"]["shares"]}
    layers = sorted({at for way in ways.values() for at, _ in way.features})
    active = active_features(subject, transcoders, layers)
    return {
        "loss in one layer": in_one_layer(subject, seed),
        "loss in all layers": in_all_layers(subject, seed, rows),
        "lost without the mlp": needed,
        "curves": {str(layer): curve(subject, transcoders, layer, settings["curve"], seed)},
        "routes": _told(routes),
        "removed": {
            share: judged(subject, transcoders, way, active, settings["path"], seed) for share, way in ways.items()
        },
    }


def way_of(found: Found, share: float) -> Way:
    """Return the path to take away: head and token of the first route, and the fewest features that bring the share.

    Of each feature counts what it brings on all routes through that head from that token, whatever its sign.
    """
    head, source = head_of(found.moved()[0])
    counted: Counter[Feature] = Counter()
    for route in found.moved():
        if head_of(route) == (head, source):
            counted.update(found.features.get(route, {}))
    kept, wanted = list[Feature](), share * sum(counted.values())
    for feature, size in counted.most_common():
        if wanted > 0:
            kept.append(feature)
        wanted -= size
    return Way(head, source, tuple(kept))


def _told(found: Found) -> dict[str, Any]:
    listed = [[" → ".join(route), round(value, 4)] for route, value in list(found.brought.items())[:N_SHOWN]]
    moved = [[" → ".join(route), round(found.brought[route], 4)] for route in found.moved()[:N_SHOWN]]
    return {"apart": found.apart, "explained": found.explained, "first": listed, "moved by one head": moved}
