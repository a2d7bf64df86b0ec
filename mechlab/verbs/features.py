"""`mechlab features RUN`: a dashboard of every feature of a trained dictionary, from one pass over a corpus."""

from mechlab.core.progress import Progress
from mechlab.verbs.feature_options import FeatureOptions as Config
from mechlab.verbs.outcome import Outcome, Verb


def run(config: Config, progress: Progress) -> Outcome:
    """Look at all features of a run's dictionary; the result is a run of its own with a table and pages to browse."""
    from mechlab.verbs.steps.features.run import feature_outcome

    return feature_outcome(config, progress)


VERB = Verb(Config, run)
