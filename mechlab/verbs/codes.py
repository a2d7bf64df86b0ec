"""`mechlab codes RUN`: which codes of a model with codebooks stand for a cause, by pattern or by label."""

from mechlab.core.progress import Progress
from mechlab.verbs.code_options import CodeOptions as Config
from mechlab.verbs.outcome import Outcome, Verb


def run(config: Config, progress: Progress) -> Outcome:
    """Rank the codes of a run by how well each tells a cause's tokens, in its held-out text, from all others."""
    from mechlab.verbs.steps.codebooks.finding import find_codes

    return find_codes(config, progress)


VERB = Verb(Config, run)
