"""What the pages of a run of features say of the run: title, numbers set large, facts, how to read them."""

from pathlib import Path

from mechlab.core.estimate import Estimate
from mechlab.metrics.feature_logits import N_RANDOM
from mechlab.metrics.feature_table import FeatureTable
from mechlab.store.manifest import Identity
from mechlab.store.run import Run
from mechlab.verbs.steps.features.list import feature_metrics
from mechlab.verbs.steps.opening import Subject
from mechlab.views.feature_data import FeatureAbout
from mechlab.views.numbers import interval, measured, number, share
from mechlab.views.report_data import Command, Fact


def about_run(identity: Identity, parent: Run, subject: Subject, table: FeatureTable) -> FeatureAbout:
    """Return what all pages of the run say."""
    config = subject.config
    return FeatureAbout(
        title=f"Features at {str(subject.route).replace('->', '→')} of {Path(config.model).name}",
        run_id=identity.run_id(),
        summary=_summary(subject, table),
        n_features=len(table),
        n_tokens=table.facts.n_tokens,
        headline=_headline(table, config.seed),
        facts=_facts(parent, subject, table),
        notes=_notes(parent, subject, table),
        commands=(
            Command(purpose="a feature as an object for viewers", text="mechlab features PARENT --feature 12 --json"),
            Command(
                purpose="check every byte of this run (RUN: the folder of this page)", text="mechlab runs verify RUN"
            ),
            Command(purpose="its numbers in the terminal", text="mechlab show RUN"),
        ),
        citation=f"mechlab run {identity.run_id()}, {identity.kind}, seed {config.seed}",
    )


def _summary(subject: Subject, table: FeatureTable) -> str:
    n_alive = int((table.columns["fires"] > 0).sum())
    return (
        f"{number(n_alive)} of {number(len(table))} features fired on {number(table.facts.n_tokens)} tokens of "
        f"{subject.corpus_record.name}: where they fire, what they promote, and what the model loses without them."
    )


def _headline(table: FeatureTable, seed: int) -> tuple[Fact, ...]:
    metrics, n = feature_metrics(table, seed), len(table)
    n_dead = int((table.columns["fires"] == 0).sum())
    live = table.frequency[table.columns["fires"] > 0]
    found = [Fact(label="never fire", value=share(n_dead / n), meaning=f"{number(n_dead)} of {number(n)} features")]
    if len(live):
        found.append(
            Fact(label="median frequency", value=share(float(live.median())), meaning="of tokens, of those that fire")
        )
    pairs = {
        "F1 with best known cause": ("f1_of_best_cause", "f1_of_best_cause_by_chance", "by chance"),
        "nats lost without a feature": ("removal_loss", "removal_control_loss", "without another"),
    }
    for label, (name, control, words) in pairs.items():
        own, other = metrics.get(name), metrics.get(control)
        if isinstance(own, Estimate) and isinstance(other, Estimate):
            beside = f"{interval(own)}; {words} {measured(other)} {interval(other)}"
            found.append(Fact(label=label, value=measured(own), meaning=beside))
    return tuple(found)


def _facts(parent: Run, subject: Subject, table: FeatureTable) -> tuple[Fact, ...]:
    facts, config = table.facts, subject.config
    known = {
        "dictionary of": f"run {parent.id}",
        "model": f"{config.model} ({subject.model.fingerprint[:16]})",
        "place": str(subject.route),
        "text": f"{subject.corpus_record.name}, {number(facts.n_tokens)} tokens in {number(facts.n_rows)} rows",
        "seed": str(config.seed),
    }
    return tuple(Fact(label=label, value=value) for label, value in known.items())


def _notes(parent: Run, subject: Subject, table: FeatureTable) -> tuple[str, ...]:
    facts = table.facts
    n_contexts = table.columns["removal_loss"].shape[1] if "removal_loss" in table.columns else 0
    kept = (
        "The strongest contexts are at most one from a row of text, and no two show the same text. The other examples "
        f"are drawn: each token the feature fires on is as likely as any other of its band. The {facts.n_bands} bands "
        "hold about equally many tokens; their edges are read off the histogram.",
        "A token's tint and underline grow with the activation on it, as a share of the feature's largest; the boxed "
        "token is the one looked at.",
        "A known cause is a match, no proof of meaning. By chance is the F1 of the same feature after the same choice, "
        "with the labels of rows half a batch further on."
        if facts.causes
        else "",
        f"What a feature promotes is read off the weights alone. By chance is what 95 of 100 random directions of its "
        f"length do not exceed on any token ({number(N_RANDOM)} were drawn)."
        if "logits_top" in table.columns
        else "",
        f"Loss without: at the {n_contexts} strongest contexts the feature's activation times its direction is taken "
        "from the model there, everything else kept. Beside it another feature that fires, drawn at random and brought "
        "to the same length. Intervals over features are 95 % bootstrap intervals."
        if n_contexts
        else "",
        _seen_in_training(parent, subject),
    )
    return tuple(note for note in kept if note)


def _seen_in_training(parent: Run, subject: Subject) -> str:
    """Return a warning where some of the text is what the dictionary was trained on."""
    trained_on, held_out = parent.manifest.corpus, int(parent.manifest.config.get("eval_tokens", 0))
    same = trained_on is not None and trained_on.fingerprint == subject.corpus_record.fingerprint
    if subject.corpus is None or not same or subject.config.eval_tokens <= held_out:
        return ""
    return (
        f"The first {number(held_out)} tokens were held out; what follows them is text the dictionary was trained on, "
        "or follows it. Another seed or corpus gives text it never saw."
    )
