"""`mechlab evaluate RUN`: judge a trained dictionary again, on other text or with more of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt

from mechlab.core.config import Config as BaseConfig
from mechlab.core.errors import UsageError
from mechlab.core.progress import Progress
from mechlab.verbs.outcome import Outcome, Positional, Verb

if TYPE_CHECKING:
    from mechlab.store.run import Run
    from mechlab.verbs.steps.opening import Subject


class Config(BaseConfig):
    """Which run, on which text. What is left out is as in training."""

    run: Annotated[str, Positional()] = Field(description="Folder of a run, or the first digits of its id.")
    corpus: str | None = Field(None, description="Text to judge on. Left out: the run's own, its held-out part.")
    text_column: str | None = Field(None, description="Column that holds the text. Left out: as in training.")
    eval_tokens: PositiveInt | None = Field(None, description="Tokens to judge on. Left out: as in training.")
    model: str | None = Field(None, description="Where the run's model is now, if it has moved.")
    seed: NonNegativeInt | None = Field(None, description="Seed of the text and the intervals. Left out: the run's.")
    device: str = Field("auto", description="auto, cpu, cuda or mps.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Left out: one for a small model, else all.")
    root: Path = Field(Path("runs"), description="Folder in which ids are looked up.")
    out: Path | None = Field(None, description="Folder of the new run. Left out: beside the run judged.")
    dry_run: bool = Field(False, description="Only say what it would cost: tokens, time.")


def run(config: Config, progress: Progress) -> Outcome:
    """Judge a run's dictionary on held-out text; the result is a run of its own, whose parent is the run judged."""
    from mechlab.store.catalog import find_run
    from mechlab.store.run import REPORT_NAME, finished_run, open_run
    from mechlab.store.writer import RunWriter
    from mechlab.verbs.steps.opening import held_out_rows, open_subject
    from mechlab.verbs.steps.parent_run import parent_config, refuse_other_model
    from mechlab.verbs.steps.stored import stored_dictionary
    from mechlab.verbs.steps.training.judging import judge
    from mechlab.verbs.steps.training.planning import plan_judging
    from mechlab.verbs.steps.training.reporting import RunCard, report_page

    judged = find_run(config.run, config.root)
    subject = open_subject(parent_config(config, judged))
    refuse_other_model(judged, subject)
    _refuse_training_text(judged, subject)
    if config.dry_run:
        return plan_judging(subject)
    identity = _identity(judged, subject)
    out = config.out or judged.folder.with_name(f"{judged.folder.name}-judged-{identity.run_id()[:8]}")
    if finished_run(out, identity) is not None:
        progress.note(f"this run is already there: {out}")
    else:
        dictionary = stored_dictionary(judged).to(subject.model.device)
        with RunWriter(out, identity) as writer:
            judgement = judge(subject, dictionary, held_out_rows(subject, progress), progress)
            facts = {"dictionary of": f"run {judged.id}", "seed": str(subject.config.seed)}
            card = RunCard(identity.run_id(), identity.kind, facts)
            writer.write_text(REPORT_NAME, report_page(card, subject, judgement, log=[]))
            writer.finish(judgement.metrics)
    return _outcome(open_run(out))


VERB = Verb(Config, run)


def _outcome(done: "Run") -> Outcome:
    from mechlab.verbs.steps.summary import run_summary

    data, table = run_summary(done)
    return Outcome(data, (table,), (f"run:  {done.folder}", f"open: {done.folder / 'report.html'}"))


def _identity(judged: "Run", subject: "Subject") -> Any:
    from mechlab.store.manifest import Identity

    return Identity(
        kind="evaluate",
        config={
            **subject.config.model_dump(mode="json", exclude={"device", "threads", "tokens"}),
            **subject.place,
        },
        seed=subject.config.seed,
        parents=(judged.id,),
        model=subject.model_record,
        corpus=subject.corpus_record,
    )


def _refuse_training_text(judged: "Run", subject: "Subject") -> None:
    if subject.corpus is None:
        return  # what a model writes is written anew for judging
    trained_on, held_out = judged.manifest.corpus, judged.manifest.config["eval_tokens"]
    same_text = trained_on is not None and trained_on.fingerprint == subject.corpus_record.fingerprint
    if same_text and subject.config.eval_tokens > held_out:
        remedy = (
            f"{held_out} tokens were held out; give at most that, another --corpus, or (generators) another --seed."
        )
        raise UsageError("would judge on text it was trained on", value=subject.config.eval_tokens, remedy=remedy)
