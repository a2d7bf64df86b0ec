"""What comes to the targets from each source over all paths, however long: sums of paths without listing them.

1. A row of the graph is the sum over all paths from a source that pass heads and skips only.
2. What a later feature hands on is what each source adds to it, by its own row, for each unit of its code.
3. Features read earlier layers only, so that one sweep from the last layer down sums all paths over features too.
4. Sources that nothing adds to, features that were not traced, and biases sum to the targets' values.
"""

import torch

from mechlab.circuits.attribution.attribution_graph import AttributionGraph
from mechlab.circuits.attribution.rows import Rows


@torch.no_grad()
def path_sums(graph: AttributionGraph) -> Rows:
    """Return for every target what every source brings over all paths, those over traced features included.

    Of a feature that was traced it is what all paths that begin with it bring, and other sources bring part of it; it
    is no further part of the value. The bias is what all paths that begin with biases bring.

    Source: Dunefsky et al. 2024, "Transcoders Find Interpretable LLM Feature Circuits" (paths); that they are summed
    exactly, with biases, is ours.
    """
    sources, rows = graph.sources, graph.of_features
    effects, bias = graph.of_targets.effects.clone(), graph.of_targets.bias.clone()
    layers = sources.layer[graph.visited]
    for layer in layers.unique(sorted=True).flip(0):
        own = (layers == layer).nonzero().squeeze(1)
        columns = graph.visited[own]
        by_code = effects[:, columns] / sources.code[columns]
        effects = effects + by_code @ rows.effects[own]
        bias = bias + by_code @ rows.bias[own]
    return Rows(effects, bias)
