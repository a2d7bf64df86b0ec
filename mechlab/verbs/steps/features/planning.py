"""What looking at all features would cost: timed on this machine, a few rows at a time, nothing written."""

import time

import torch

from mechlab.dictionaries.dictionary import Dictionary
from mechlab.metrics.dashboards import DashboardConfig
from mechlab.metrics.feature_ablation import READINGS
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.opening import Subject
from mechlab.verbs.steps.training.planning import N_ROWS_TIMED, timed_capture
from mechlab.views.numbers import duration, number
from mechlab.views.table import Table

GATHERING = 0.8  # of the codes' own time: what counting and keeping contexts takes, seen at 2,048 features


@torch.no_grad()
def plan_looking(subject: Subject, dictionary: Dictionary) -> Outcome:
    """Return tokens and time of a pass over all features; nothing is written."""
    rows = torch.zeros(N_ROWS_TIMED, subject.config.row_length, dtype=torch.long)
    capture_s, (vectors, _) = timed_capture(subject, rows)
    started = time.monotonic()
    dictionary.encode(vectors)
    codes_s = time.monotonic() - started
    started = time.monotonic()
    subject.model.logits(rows.to(subject.model.device))
    whole_s = time.monotonic() - started
    n_contexts = dictionary.config.d_sae * DashboardConfig().n_ablated
    passing = (capture_s + codes_s * (1 + GATHERING)) * subject.config.eval_tokens / rows.numel()
    taking_away = whole_s / N_ROWS_TIMED * READINGS * n_contexts / 2
    numbers = {"n_tokens": subject.config.eval_tokens, "n_features": dictionary.config.d_sae}
    lines = (
        ("tokens", number(numbers["n_tokens"]), f"{subject.corpus_record.name}, read while they are looked at"),
        ("features", number(numbers["n_features"]), f"each taken away at {number(DashboardConfig().n_ablated)} tokens"),
        ("time", duration(passing + taking_away), "timed just now on this machine; counting is estimated"),
    )
    table = Table("What looking at features would cost", ("what", "amount", "from"), lines, note="Nothing was written.")
    return Outcome({"dry_run": True, **numbers, "time_s": passing + taking_away}, (table,))
