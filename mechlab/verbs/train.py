"""`mechlab train KIND`: from a model and a text to a trained, judged and visible dictionary."""

from mechlab.core.progress import Progress
from mechlab.dictionaries import KINDS
from mechlab.verbs.outcome import Outcome, Verb
from mechlab.verbs.train_options import TrainOptions as Config


def run(config: Config, progress: Progress) -> Outcome:
    """Train a dictionary at one site of a model, judge it on held-out text, and write the run with its report."""
    from mechlab.verbs.steps.fitting import training_config
    from mechlab.verbs.steps.opening import open_subject
    from mechlab.verbs.steps.planning import plan
    from mechlab.verbs.steps.summary import run_summary
    from mechlab.verbs.steps.together import crew_for
    from mechlab.verbs.steps.train_run import help_train, train_run

    if config.dry_run:
        return plan(config, open_subject(config))
    crew = crew_for(config, training_config(config).batch_size)
    if not crew.is_writer:
        help_train(config, crew)
        return Outcome({})
    made = train_run(config, progress, crew)
    data, table = run_summary(made)
    return Outcome(data, (table,), (f"run:  {made.folder}", f"open: {made.folder / 'report.html'}"))


VERB = Verb(
    Config,
    run,
    kinds=KINDS,
    kind_key="dictionary",
    kind_keys_set_by_verb=frozenset({"d_in", "d_sae", "d_out"}),
    in_several=True,
)
