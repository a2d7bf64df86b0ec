"""The page of a run with codebooks: what it is, what it is worth, how its codes are used, and a browser of them."""

from pathlib import Path

from mechlab.core.estimate import Estimate
from mechlab.core.progress import Progress
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.code_index import CodeIndex
from mechlab.metrics.code_portraits import CodePortraitConfig, code_portraits
from mechlab.metrics.code_use import code_use
from mechlab.store.manifest import Identity
from mechlab.verbs.codebook_options import CodebookOptions
from mechlab.verbs.steps.codebooks.judging import Metrics
from mechlab.verbs.steps.opening import Subject
from mechlab.views.code_data import CodePageData, code_cards, use_rows
from mechlab.views.code_page import render_codes
from mechlab.views.numbers import interval, measured
from mechlab.views.report_data import Command, Fact

LOSSES = {
    "ce_loss": "loss per token",
    "ce_loss_ratio": "times the unmodified model's loss",
    "ce_loss_ratio_finetuned": "times that of training alone",
    "unmodified.ce_loss": "the unmodified model's loss",
    "finetuned.ce_loss": "loss trained as long without codebooks",
    "untrained.ce_loss": "loss with codes drawn at random",
}


def codebook_page(
    options: CodebookOptions,
    subject: Subject,
    identity: Identity,
    found: tuple[CodeIndex, TokenRows, Metrics],
    progress: Progress,
) -> str:
    """Return the page of a run; `found` holds its codes' index, the rows that were judged on, and its metrics."""
    index, rows, metrics = found
    seed = options.seed
    portraits = code_portraits(subject.model, index, rows, CodePortraitConfig(seed=seed), progress)
    data = CodePageData(
        title=f"Codes of {Path(options.model).name}",
        run_id=identity.run_id(),
        summary=_summary(options, subject, metrics),
        n_tokens=len(index),
        facts=_facts(options, subject, metrics),
        notes=(
            "Precision is the cause's share of the tokens a code is active on, recall the code's share of the cause's.",
            "Intervals are 95 % bootstrap intervals over rows of text; a score without one stands on too few rows. "
            "This is one training seed.",
            "The unmodified model was not trained further: on text unlike its own, or in longer rows, training alone "
            "makes a model better. What codes cost is told by the model trained as long without them.",
            "Codes were chosen to be shown: they are not a sample of all.",
        ),
        use=use_rows(code_use(index)),
        codes=code_cards(portraits),
        commands=(
            Command(
                purpose="rank codes for a pattern (RUN: the folder of this page)", text="mechlab codes RUN --regex P"
            ),
            Command(purpose="check every byte of this run", text="mechlab runs verify RUN"),
            Command(purpose="its numbers in the terminal", text="mechlab show RUN"),
        ),
        citation=f"mechlab run {identity.run_id()}, {identity.kind}, seed {seed}",
    )
    return render_codes(data)


def _summary(options: CodebookOptions, subject: Subject, metrics: Metrics) -> str:
    beside = {"ce_loss_ratio": "that of the unmodified model", "ce_loss_ratio_finetuned": "that of training alone"}
    worth = [
        f"{measured(ratio)} {interval(ratio)} times {model}"
        for name, model in beside.items()
        if isinstance(ratio := metrics.get(name), Estimate)
    ]
    return (
        f"At {len(subject.route.inputs)} sites of {options.model} only the {options.combine} of {options.k} codes of "
        f"each group goes on. On held-out text its loss is {' and '.join(worth)}."
    )


def _facts(options: CodebookOptions, subject: Subject, metrics: Metrics) -> tuple[Fact, ...]:
    losses = {
        label: f"{measured(one)} {interval(one)} {one.unit}".rstrip()
        for name, label in LOSSES.items()
        if isinstance(one := metrics.get(name), Estimate)
    }
    known = {
        "model": f"{options.model}, {subject.model.spec.n_layers} layers, width {subject.model.spec.d_model}",
        "sites": ", ".join(map(str, subject.route.inputs)),
        "codes": f"{options.codes:,} in each group, {options.k} stand for a vector by {options.similarity} similarity",
        "start": options.start,
        "trained": f"{'model and codes' if options.train == 'all' else 'codes only'}, {options.tokens:,} tokens of "
        f"{subject.corpus_record.name}",
        **losses,
        "seed": str(options.seed),
    }
    return tuple(Fact(label=label, value=value) for label, value in known.items())
