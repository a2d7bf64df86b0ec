"""Patching: what parts of a model, and edges between them, are worth when they carry another prompt instead.

Every method takes a model, batches of prompt pairs, an outcome and `PatchSettings`, and returns scores that are a
Graph.
"""

from mechlab.core.registry import Registry

METHODS = Registry(
    "patching method",
    {
        "activation": "mechlab.circuits.patching.activation_patching:activation_patching",
        "attribution": "mechlab.circuits.patching.attribution_patching:attribution_patching",
        "edges": "mechlab.circuits.patching.edge_patching:edge_patching",
        "eap": "mechlab.circuits.patching.edge_attribution:eap",
        "eap-ig": "mechlab.circuits.patching.edge_attribution:eap_ig",
    },
)
