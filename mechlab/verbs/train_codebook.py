"""`mechlab train codebook`: a model whose activations are sums of a few codes."""

from mechlab.core.progress import Progress
from mechlab.training.finetune_config import FinetuneConfig
from mechlab.verbs.codebook_options import CodebookOptions as Config
from mechlab.verbs.outcome import Outcome, Verb


def run(config: Config, progress: Progress) -> Outcome:
    """Put codebooks into a model, train both further, judge the model on held-out text, and write it with its page."""
    from mechlab.verbs.steps.codebooks.planning import plan_codebooks
    from mechlab.verbs.steps.codebooks.run import codebook_run
    from mechlab.verbs.steps.summary import run_summary

    if config.dry_run:
        return plan_codebooks(config)
    made = codebook_run(config, progress)
    data, table = run_summary(made)
    return Outcome(data, (table,), (f"run:  {made.folder}", f"open: {made.folder / 'report.html'}"))


VERB = Verb(Config, run, nested={"training": FinetuneConfig})
