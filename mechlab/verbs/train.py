"""`mechlab train KIND`: from a model and a text to a trained, judged and visible dictionary."""

from mechlab.core.progress import Progress
from mechlab.core.registry import Registry
from mechlab.dictionaries import KINDS
from mechlab.training.config import TrainConfig
from mechlab.verbs.outcome import Outcome, ShortForm, Verb
from mechlab.verbs.train_options import TrainOptions as Config


def run(config: Config, progress: Progress) -> Outcome:
    """Train a dictionary at one site of a model, judge it on held-out text, and write the run with its report."""
    from mechlab.verbs.steps.opening import open_subject
    from mechlab.verbs.steps.summary import run_summary
    from mechlab.verbs.steps.training.fitting import training_config
    from mechlab.verbs.steps.training.planning import plan
    from mechlab.verbs.steps.training.run import help_train, train_run
    from mechlab.verbs.steps.training.together import crew_for

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
    nested={"training": TrainConfig},
    in_several=True,
    others=Registry("model to train", {"codebook": "mechlab.verbs.train_codebook:VERB"}),
    short_forms={
        "transcoder": ShortForm(
            "A dictionary that rebuilds one site from another, as --site mlp.1 what an MLP gives from what it gets.",
            option="activation",
            default="topk",
            values={"needs_target": True},
        ),
        "skip_transcoder": ShortForm(
            "A transcoder with an affine skip beside its features, so that they need not say what is linear.",
            option="activation",
            default="topk",
            values={"needs_target": True, "dictionary": {"skip": True}},
        ),
    },
)
