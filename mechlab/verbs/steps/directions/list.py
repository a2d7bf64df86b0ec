"""A direction in the terminal: how well it tells examples apart, what it does to logits, and what it is like."""

from typing import Any

from mechlab.circuits.directions.direction import Direction, Facts
from mechlab.core.estimate import Estimate
from mechlab.models.logit_lens import logit_lens
from mechlab.models.sites import Site, writes_to_the_stream
from mechlab.verbs.direction_options import DirectionOptions
from mechlab.verbs.outcome import Outcome
from mechlab.verbs.steps.directions.finding import FoundDirection
from mechlab.views.numbers import fixed, interval, measured, number
from mechlab.views.table import Table

SCORES = {
    "auc": "AUC on held-out examples",
    "balanced_accuracy": "balanced accuracy on held-out examples",
    "shuffled_auc": "AUC of fits on shuffled labels",
}


def direction_outcome(config: DirectionOptions, found: FoundDirection, kind_of_file: str) -> Outcome:
    """Return what the command prints: what the direction is and scores, its tokens and cosines, and its file."""
    own, moved = found.direction, moved_tokens(found, config.top)
    tables = [_facts_table(own), *([_scores_table(own.facts)] if own.facts.auc else [])]
    tables += [_tokens_table(moved)] if moved else []
    cosines = _cosines(found)
    tables += [_cosines_table(found, cosines)] if cosines else []
    data = {
        "out": str(config.out),
        "format": kind_of_file,
        **{name: getattr(own, name) for name in ("kind", "name", "site", "scale")},
        "facts": own.facts.model_dump(mode="json"),
        **moved,
        **({"cosines": cosines} if cosines else {}),
    }
    left = () if moved else (f"{own.site} is not in the residual stream: its logits are not known.",)
    return Outcome(data, tuple(tables), (*left, f"written: {config.out}"))


def moved_tokens(found: FoundDirection, n: int) -> dict[str, list[dict[str, Any]]]:
    """Return the tokens whose logits the direction raises and lowers most, by itself and at its natural length.

    Numbers are before the last norm divides. Nothing where the site is not of the residual stream.
    """
    model, own = found.model, found.direction
    if model.tokenizer is None or not writes_to_the_stream(Site.parse(own.site, model.spec)):
        return {}
    effects = logit_lens(model, own.scaled[None].to(model.device))[0].double().cpu()
    sides = {"raises": effects.topk(min(n, len(effects))), "lowers": (-effects).topk(min(n, len(effects)))}
    return {
        side: [
            {"token": token, "text": model.tokenizer.token_string(token), "logit": float(effects[token])}
            for token in best.indices.tolist()
        ]
        for side, best in sides.items()
    }


def _facts_table(own: Direction) -> Table:
    facts = own.facts
    rows = [("kind", own.kind), ("site", own.site), ("natural length", number(own.scale)), ("model", facts.model[:16])]
    if facts.n_positive:
        rows.append(("fitted on", f"{facts.n_positive:,} that have it, {facts.n_negative:,} that have not"))
    rows += [(name, value if isinstance(value, str) else number(value)) for name, value in facts.details.items()]
    return Table(own.name, ("fact", "value"), rows)


def _scores_table(facts: Facts) -> Table:
    known = [(said, getattr(facts, name)) for name, said in SCORES.items()]
    rows = [(said, measured(one), interval(one), number(one.n)) for said, one in known if isinstance(one, Estimate)]
    note = "Chance gives 0.5. Of shuffled labels 95 % of the fits lie in theirs."
    if facts.shuffled_p is not None:
        note += f" So well or better does a share of {number(facts.shuffled_p, 2)} of them, this one counted."
    return Table("scores", ("measure", "value", "95 % interval", "n"), rows, note=note)


def _tokens_table(moved: dict[str, list[dict[str, Any]]]) -> Table:
    sides = [[(one["text"].strip(), fixed(one["logit"], 2)) for one in moved[side]] for side in ("raises", "lowers")]
    rows = [(*up, *down) for up, down in zip(*sides, strict=True)]
    note = "At its natural length, straight to the logits, before the last norm divides."
    return Table("logits it moves most", ("raises", "by", "lowers", "by"), rows, note=note)


def _cosines(found: FoundDirection) -> list[dict[str, Any]]:
    table = found.table
    if table is None:
        return []
    return [
        {
            "file": str(path),
            "name": table.names[place],
            **{name: float(getattr(table, key)[0, place]) for name, key in (("cosine", "cosines"), ("p", "p"))},
        }
        for place, path in enumerate(found.files, start=1)
    ]


def _cosines_table(found: FoundDirection, cosines: list[dict[str, Any]]) -> Table:
    assert found.table is not None
    rows = [(one["name"], one["file"], fixed(one["cosine"], 3), number(one["p"], 2)) for one in cosines]
    note = (
        f"Chance gives a size of {fixed(found.table.expected, 3)} on average in {found.table.d} dimensions; p is how "
    )
    note += "rarely it gives as much."
    return Table("cosines with others", ("direction", "file", "cosine", "p"), rows, note=note)
