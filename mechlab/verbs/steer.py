"""`mechlab steer PROMPT`: a model goes on with a text while a direction or feature pushes it."""

from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Verb
from mechlab.verbs.steer_options import SteerOptions as Config


def run(config: Config, progress: Progress) -> Outcome:
    """Go on with a prompt, steered by a spec, feature or direction; --compare adds controls, --into keeps it."""
    from mechlab.verbs.steps.steering.checkpoint import write_steered
    from mechlab.verbs.steps.steering.list import steer_outcome
    from mechlab.verbs.steps.steering.run import steer_run
    from mechlab.verbs.steps.steering.stream import written_at_once
    from mechlab.verbs.steps.steering.subject import open_steered

    steered = open_steered(config, progress)
    if config.into is not None:
        write_steered(config.into, steered)
    if not config.compare:
        return written_at_once(config, steered, progress)
    return steer_outcome(steer_run(config, steered, progress))


VERB = Verb(Config, run)
