"""Look a cause up in a run's index of codes."""

from typing import Any

from mechlab.core.config import build
from mechlab.core.errors import UsageError
from mechlab.core.estimate import Estimate
from mechlab.core.progress import Progress
from mechlab.corpora.rows import TokenRows
from mechlab.metrics.causes import Cause, labelled_cause, regex_cause, right_before, some_of
from mechlab.metrics.code_index import CodeIndex
from mechlab.metrics.code_search import CodeMatch, null_match, rank_codes
from mechlab.models.language_model import LanguageModel
from mechlab.store.catalog import find_run
from mechlab.store.code_index import read_code_index
from mechlab.store.run import CODES_NAME, Run
from mechlab.verbs.code_options import CodeOptions
from mechlab.verbs.codebook_options import CodebookOptions
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.opening import held_out_rows, open_subject
from mechlab.verbs.subject import ReadingConfig, SubjectConfig
from mechlab.views.numbers import number
from mechlab.views.table import Table


def find_codes(config: CodeOptions, progress: Progress) -> Outcome:
    """Return the ranked codes of a run for the cause asked for, and what the best code reaches for a moved cause.

    Raises:
        UsageError: there is neither pattern nor label, the pattern does not compile, or nothing is found.
    """
    if config.regex is None and config.label is None:
        remedy = "Give --regex PATTERN, --label NAME=VALUE, or both."
        raise UsageError("a cause is needed", value="none", remedy=remedy)
    run = find_run(config.run, config.root)
    index = stored_index(run)
    model, rows = read_again(run, config.device, progress)
    index.refuse_other(rows)
    cause = _cause(config, rows, model)
    found = rank_codes(index, cause, min_recall=config.min_recall, n=config.top)
    null = null_match(index, cause)
    name = _name(config)
    if not found:
        remedy = f"Lower --min-recall, now {config.min_recall:g}."
        raise UsageError("no code finds so much of it", value=name, remedy=remedy)
    data = {
        "cause": name,
        "n_tokens": int(cause.sum()),
        "codes": [_plain(match) for match in found],
        "null": None if null is None else _plain(null),
    }
    return Outcome(data, (_table(name, found, null, int(cause.sum())),))


def stored_index(run: Run) -> CodeIndex:
    """Return a run's index of codes.

    Raises:
        ArtifactError: the run has none, or it was changed.
    """
    return CodeIndex.restored(*read_code_index(run.file(CODES_NAME)))


def read_again(run: Run, device: str, progress: Progress) -> tuple[LanguageModel, TokenRows]:
    """Return the model as it was before there were codebooks, and the rows a run was judged on."""
    options = build(CodebookOptions, {key: value for key, value in run.manifest.config.items() if key != "training"})
    shared = {name: getattr(options, name) for name in ReadingConfig.model_fields}
    subject = open_subject(SubjectConfig(**{**shared, "device": device}, site="embed"))
    return subject.model, held_out_rows(subject, progress)


def _cause(config: CodeOptions, rows: TokenRows, model: LanguageModel) -> Cause:
    """Return the tokens of the pattern or of the label; with both, those of the pattern that carry the label.

    What is asked for right before a mention carries the label itself.
    """
    label = None if config.label is None else labelled_cause(rows, config.label)
    mentioned = label if config.regex is None else regex_cause(rows, model, config.regex)
    assert mentioned is not None
    found = right_before(rows, mentioned) if config.before else mentioned
    return found if label is None or config.regex is None else some_of(found & label, _name(config))


def _name(config: CodeOptions) -> str:
    named = " with ".join(part for part in (config.regex, config.label) if part is not None)
    return f"right before {named}" if config.before else named


def _plain(match: CodeMatch) -> dict[str, Any]:
    found = {"site": match.site, "group": match.group, "code": match.code, "n_active": match.n_active}
    scores = {"precision": match.precision, "recall": match.recall, "f1": match.f1}
    if match.intervals is None:
        return {**found, **scores}
    estimates = {name: getattr(match.intervals, name) for name in scores}
    return {**found, **scores, "estimates": {name: one and one.model_dump() for name, one in estimates.items()}}


def _table(name: str, found: tuple[CodeMatch, ...], null: CodeMatch | None, n_tokens: int) -> Table:
    rows = tuple(
        (
            match.site,
            str(match.group),
            str(match.code),
            _score(match, "precision"),
            _score(match, "recall"),
            _score(match, "f1"),
            number(match.n_active),
        )
        for match in found
    )
    note = f"{n_tokens:,} tokens of {name}. Intervals are 95 % bootstrap intervals over rows."
    if null is not None:
        moved = f"precision {null.precision:.3f}, recall {null.recall:.3f}, F1 {null.f1:.3f}"
        note += f" For the same cause moved by half the rows the best code has {moved}."
    columns = ("site", "group", "code", "precision", "recall", "F1", "tokens")
    return Table(f"Codes for {name}", columns, rows, note=note)


def _score(match: CodeMatch, name: str) -> str:
    known: Estimate | None = None if match.intervals is None else getattr(match.intervals, name)
    value = f"{getattr(match, name):.3f}"
    return value if known is None else f"{value} [{known.low:.3f}, {known.high:.3f}]"
