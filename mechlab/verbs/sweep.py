"""`mechlab sweep KIND`: many dictionaries from one pass over the model, and the page that compares them."""

from mechlab.core.progress import Progress
from mechlab.dictionaries import KINDS
from mechlab.training.config import TrainConfig
from mechlab.verbs.outcome import Outcome, Verb
from mechlab.verbs.sweep_options import SweepOptions as Config


def run(config: Config, progress: Progress) -> Outcome:
    """Train a grid of dictionaries on the same batches, judge each as `train` would, and compare them on one page."""
    from mechlab.verbs.steps.sweeps.grid import open_members
    from mechlab.verbs.steps.sweeps.planning import plan_sweep
    from mechlab.verbs.steps.sweeps.run import sweep_run
    from mechlab.verbs.steps.sweeps.summary import sweep_outcome

    members = open_members(config)
    if config.dry_run:
        return plan_sweep(config, members)
    return sweep_outcome(config.out, sweep_run(config, members, progress))


VERB = Verb(
    Config,
    run,
    kinds=KINDS,
    kind_key="dictionary",
    nested={"training": TrainConfig},
    kind_lists=True,
)
