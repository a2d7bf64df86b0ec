"""The commands, one file each: a config and a run that reads top to bottom.

A verb's module imports only `core` at its top and the rooms inside `run`, so that `--help` never waits for torch.
"""

from mechlab.core.registry import Registry

VERBS = Registry(
    "verb",
    {
        "demo": "mechlab.verbs.demo:VERB",
        "models": "mechlab.verbs.models:VERB",
        "train": "mechlab.verbs.train:VERB",
        "sweep": "mechlab.verbs.sweep:VERB",
        "evaluate": "mechlab.verbs.evaluate:VERB",
        "codes": "mechlab.verbs.codes:VERB",
        "channels": "mechlab.verbs.channels:VERB",
        "features": "mechlab.verbs.features:VERB",
        "patch": "mechlab.verbs.patch:VERB",
        "direction": "mechlab.verbs.direction:VERB",
        "steer": "mechlab.verbs.steer:VERB",
        "observe": "mechlab.verbs.observe:VERB",
        "trace": "mechlab.verbs.trace:VERB",
        "show": "mechlab.verbs.show:VERB",
        "serve": "mechlab.verbs.serve:VERB",
        "runs": "mechlab.verbs.runs:VERB",
        "convert": "mechlab.verbs.convert:VERB",
    },
)
