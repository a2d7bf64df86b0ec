"""The main path: open the subject, train, judge, write the page, and give the run its name.

1. Load the model, find the site, open the text; refuse what cannot work before anything is read.
2. A run that is already there is returned as it is.
3. Tokenise; fit the dictionary, from the last checkpoint if there is one.
4. Judge it on the held-out rows, steer with one of its features.
5. Write dictionary, log and report into the run; it gets its name when all of it is on the disk.
"""

import re
from pathlib import Path

from mechlab.core.progress import SILENT, Progress
from mechlab.store.manifest import Identity
from mechlab.store.run import REPORT_NAME, Run, finished_run, open_run
from mechlab.store.writer import RunWriter
from mechlab.training.parallel.crew import ONE, Crew
from mechlab.verbs.steps.opening import Subject, held_out_rows, open_subject, training_rows
from mechlab.verbs.steps.training.fitting import dictionary_config, fit_in_run, training_config
from mechlab.verbs.steps.training.judging import judge
from mechlab.verbs.steps.training.reporting import RunCard, report_page
from mechlab.verbs.steps.training.samples import SAMPLES_NAME, samples_text, steered_samples
from mechlab.verbs.steps.training.together import assistant_of, tell_finished, tell_start
from mechlab.verbs.train_options import TrainOptions

LONGEST_PLACE = 60
NOT_OF_THE_RESULT = {"out", "device", "threads", "dry_run", "resume", "kind", "dictionary", "training", "parallel"}


def train_run(options: TrainOptions, progress: Progress, crew: Crew = ONE) -> Run:
    """Return the finished run; made now, or found where it was made before.

    Several processes train together: this is the first of a crew, the others call `help_train`.

    Raises:
        UsageError: an option does not fit, or the output folder is taken.
        TrainingDiverged: the loss exploded; the last checkpoint is left in place.
    """
    subject = open_subject(options)
    identity = identity_of(options, subject)
    out = options.out or _default_out(options, subject, identity)
    done = finished_run(out, identity)
    if done is not None:
        tell_finished(crew)
        crew.leave()
        progress.note(f"this run is already there: {out}")
        return done
    with RunWriter(out, identity, resume=options.resume) as writer:
        tell_start(crew, writer.resumed_from)
        held_out, rows = held_out_rows(subject, progress), training_rows(subject, progress)
        dictionary = fit_in_run(options, subject, rows, writer, progress, crew)
        judgement = judge(subject, dictionary, held_out, progress)
        samples = steered_samples(subject, dictionary, judgement.portraits, held_out)
        card = run_card(options, subject, identity)
        writer.write_text(SAMPLES_NAME, samples_text(samples))
        writer.write_text(REPORT_NAME, report_page(card, subject, judgement, writer.read_log(), samples))
        writer.finish(judgement.metrics)
    return open_run(out)


def help_train(options: TrainOptions, crew: Crew) -> None:
    """Train with the crew's first process, which writes the run."""
    subject = open_subject(options)
    assistant = assistant_of(crew, options.out or _default_out(options, subject, identity_of(options, subject)))
    if assistant is None:
        crew.leave()
    else:
        fit_in_run(options, subject, training_rows(subject, SILENT), assistant, SILENT, crew)


def identity_of(options: TrainOptions, subject: Subject) -> Identity:
    """Return what determines the run: every option, default or given, the model and the text; not where it is put."""
    plain = options.model_dump(mode="json", exclude=NOT_OF_THE_RESULT)
    own = dictionary_config(options, *subject.widths)
    settings = own.model_dump(mode="json", exclude={"d_in", "d_out"} if subject.route.targets else {"d_in"})
    loop = training_config(options).model_dump(mode="json")
    first = {} if options.init_seed in (None, options.seed) else {"init_seed": options.init_seed}
    return Identity(
        kind=f"train {options.kind}",
        config={**plain, **first, **subject.place, "kind": options.kind, "dictionary": settings, "training": loop},
        seed=options.seed,
        model=subject.model_record,
        corpus=subject.corpus_record,
    )


def _default_out(options: TrainOptions, subject: Subject, identity: Identity) -> Path:
    place = "-".join(_word(name) for name in (options.site, options.target) if name)
    return Path("runs") / f"{options.kind}-{Path(subject.model.name).name}-{place}-{identity.run_id()[:8]}"


def _word(sites: str) -> str:
    """Return sites as part of a folder's name: the first and the last of many."""
    words = [re.sub(r"\W+", "_", site.strip()) for site in sites.split(",")]
    word = "_".join(words)
    return word if len(word) <= LONGEST_PLACE else f"{words[0]}_to_{words[-1]}"


def run_card(options: TrainOptions, subject: Subject, identity: Identity) -> RunCard:
    """Return what a run's page says of the run itself."""
    return RunCard(identity.run_id(), identity.kind, _facts(options, subject))


def _facts(options: TrainOptions, subject: Subject) -> dict[str, str]:
    ends = {"site": subject.route.inputs, "target": subject.route.targets}
    return {
        "model": f"{options.model}, {subject.model.spec.n_layers} layers, width {subject.model.spec.d_model}",
        **{name: ", ".join(f"{site} ({site.hook_name})" for site in sites) for name, sites in ends.items() if sites},
        "kind": f"{options.kind}, {options.features:,} features",
        **{name.replace("_", " "): str(value) for name, value in options.dictionary.items()},
        "trained on": f"{options.tokens:,} tokens of {subject.corpus_record.name}",
        "seed": str(options.seed),
        **({} if options.init_seed in (None, options.seed) else {"seed of the first weights": str(options.init_seed)}),
        "model fingerprint": subject.model.fingerprint[:16],
        "weight processing": ", ".join(subject.model.processing) or "none",
    }
