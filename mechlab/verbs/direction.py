"""`mechlab direction KIND`: a direction to steer along, probe by or compare, and its file."""

from mechlab.circuits.directions import KINDS
from mechlab.core.progress import Progress
from mechlab.verbs.direction_options import DirectionOptions as Config
from mechlab.verbs.outcome import Outcome, Verb


def run(config: Config, progress: Progress) -> Outcome:
    """Find a direction at a site of a model, score it on held-out examples where it is fitted, and write its file."""
    from mechlab.verbs.steps.directions.finding import found_direction, refuse_taken, save
    from mechlab.verbs.steps.directions.list import direction_outcome

    out = refuse_taken(config)
    found = found_direction(config, progress)
    return direction_outcome(config, found, save(config, found, out))


VERB = Verb(Config, run, kinds=KINDS, kind_key="direction")
