"""The edits that are compared, all found by the same search on the same lists and judged on the same others.

`proposed`: among what channels lead to the movers, from heads and from the table of positions. `heads only`: among what
channels between heads propose. `not proposed`: among as many other components as in `proposed`. `drawn`: among as many
drawn directions of the same heads. `equal norm`: drawn directions, edited so that circuits change by as much as in
`proposed`, without a search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from components import Component, drawn, not_proposed, proposed, reading_positions, together
from judging import Court, at_equal_norm, named
from lists import Lists, lists_as_trained, lists_of, split_seed
from searching import Bench, Choices, searched

import mechlab
from mechlab.circuits.channels.channel_map import ChannelMap
from mechlab.corpora.rows import TokenRows
from mechlab.corpora.tasks.pair_task import Style
from mechlab.models.language_model import LanguageModel
from mechlab.models.sites import Head

Rows = tuple[TokenRows, TokenRows]


@dataclass(frozen=True)
class Subject:
    """A processed model, what its weights propose, how it is told lists, and at which lengths it fails and does not."""

    model: LanguageModel
    channels: ChannelMap
    from_heads: list[Component]
    from_positions: list[Component]
    style: Style
    failing: list[int]
    known: list[int]

    def bench(self, rows: TokenRows, settings: dict[str, Any], seed: int) -> Bench:
        """Return what choices are made on."""
        lists = lists_of(self.model, self.style, self.failing, settings["n_each_length"], split_seed(seed, "choosing"))
        return Bench(self.model, lists, rows, settings["most_nll"])

    def court(self, rows: TokenRows, settings: dict[str, Any], seed: int) -> Court:
        """Return what edits are judged on."""
        own, n_each, n_known = split_seed(seed, "judging"), settings["n_each_length"], settings["n_known"]
        lists: dict[str, Lists] = {"failing": lists_of(self.model, self.style, self.failing, n_each, own)}
        if self.known:
            lists["known"] = lists_of(self.model, self.style, self.known, n_known, own)
        if self.style == "tales":
            lists["trained"] = lists_as_trained(self.model, n_known, own)
        return Court(self.model, lists, rows)


def subject_of(
    model: LanguageModel,
    told: dict[str, Any],
    movers: Sequence[Head],
    lengths: tuple[list[int], list[int]],
    rules: dict[str, Any],
) -> Subject:
    """Return a model with what its weights propose for its movers, and the lengths at which it fails and does not."""
    channels = mechlab.channel_map(model)
    from_positions = reading_positions(model, channels.circuits, told["row_length"], rules["least_positions"])
    return Subject(model, channels, proposed(channels, movers, rules), from_positions, told["style"], *lengths)


def rows_of(model: LanguageModel, told: dict[str, Any], settings: dict[str, Any]) -> Rows:
    """Return rows of the corpus to choose on, and others to judge on."""
    n_dev, n_test = settings["search"]["n_dev_rows"], settings["test"]["n_rows"]
    corpus, n_tokens = mechlab.open_corpus(told["corpus"]), (n_dev + n_test) * told["row_length"]
    assert model.tokenizer is not None
    rows = mechlab.pack(corpus, model.tokenizer, row_length=told["row_length"], n_tokens=n_tokens)
    return rows.select(slice(0, n_dev)), rows.select(slice(n_dev, n_dev + n_test))


ARMS = ("proposed", "drawn", "not proposed", "heads only")


@dataclass(frozen=True)
class Trial:
    """What edits are chosen and judged on with one seed."""

    subject: Subject
    rows: Rows
    settings: dict[str, Any]
    seed: int

    @cached_property
    def court(self) -> Court:
        """What edits are judged on."""
        return self.subject.court(self.rows[1], self.settings["test"], self.seed)

    def arm(self, name: str) -> dict[str, Any]:
        """Return what an arm found and what it is worth."""
        settings, pool = self.settings["search"], pools(self.subject, self.seed)[name]
        bench = self.subject.bench(self.rows[0], settings, self.seed)
        choices = searched(bench, pool, settings, self.seed)
        row = {"edit": named(choices), "components": len(pool), "lists_read": bench.n_read}
        row |= self.court.judged(choices)
        return row | ({"equal_norm_gains": self.equal_norm_gains(choices)} if name == "proposed" else {})

    def equal_norm_gains(self, choices: Choices) -> list[float]:
        """Return the gains of drawn directions as large as the edit found."""
        others, circuits = range(self.settings["test"]["n_drawn"]), self.subject.channels.circuits
        edits = (at_equal_norm(circuits, choices, 100 * self.seed + number) for number in others)
        return [round(self.court.gain(one, "failing"), 4) for one in edits]


def pools(subject: Subject, seed: int) -> dict[str, list[Component]]:
    """Return what is searched in each arm."""
    circuits, pool = subject.channels.circuits, together(subject.from_heads, subject.from_positions)
    return {
        "proposed": pool,
        "drawn": drawn(circuits, pool, seed),
        "not proposed": not_proposed(circuits, pool, seed),
        "heads only": subject.from_heads,
    }
