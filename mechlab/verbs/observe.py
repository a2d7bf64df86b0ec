"""`mechlab observe WORDS`: which heads could move a weighted sum of logits, and which do."""

from mechlab.core.progress import Progress
from mechlab.verbs.observe_options import ObserveOptions as Config
from mechlab.verbs.outcome import Outcome, Verb


def run(config: Config, progress: Progress) -> Outcome:
    """Rank heads by how far weights let them move an observable; on prompts, say what heads and paths do for it."""
    from mechlab.verbs.steps.observables.list import observe_outcome
    from mechlab.verbs.steps.observables.run import observe_run

    return observe_outcome(config, observe_run(config, progress))


VERB = Verb(Config, run)
