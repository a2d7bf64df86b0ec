"""`mechlab channels`: which component of which head later heads can read, found in a model's weights."""

from mechlab.core.progress import Progress
from mechlab.verbs.channel_options import ChannelOptions as Config
from mechlab.verbs.outcome import Outcome, Verb


def run(config: Config, progress: Progress) -> Outcome:
    """Find all channels between the heads of a model from its weights; the result is a run with a table and a page."""
    from mechlab.verbs.steps.channels.list import channel_outcome
    from mechlab.verbs.steps.channels.run import channel_run

    return channel_outcome(config, channel_run(config, progress))


VERB = Verb(Config, run)
