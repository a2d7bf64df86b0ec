"""`mechlab patch TASK`: which parts of a model, or edges between them, a task's answers depend on."""

from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Verb
from mechlab.verbs.patch_options import PatchOptions as Config


def run(config: Config, progress: Progress) -> Outcome:
    """Score nodes, edges or a path on clean and corrupted prompts, and judge circuits of the best on other prompts."""
    from mechlab.verbs.steps.patching.list import patch_outcome
    from mechlab.verbs.steps.patching.run import patch_run

    return patch_outcome(config, patch_run(config, progress))


VERB = Verb(Config, run)
