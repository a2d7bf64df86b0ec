"""`mechlab trace PROMPT`: what makes the next token likely, from the prompt's tokens through features to logits."""

from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Verb
from mechlab.verbs.trace_options import TraceOptions as Config


def run(config: Config, progress: Progress) -> Outcome:
    """Trace a prompt through the transcoders of all MLPs; the result is a run with the whole graph, JSON and a page."""
    from mechlab.verbs.steps.tracing.list import trace_outcome
    from mechlab.verbs.steps.tracing.run import trace_run

    return trace_outcome(config, trace_run(config, progress))


VERB = Verb(Config, run)
