"""A run's lists are those of the files that it has, and of no other."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from mechlab.store.run import Run
from mechlab.verbs.steps import listing
from mechlab.views.table import Table


def run_with(*files: str) -> Run:
    run = Mock(spec=Run)
    run.manifest = SimpleNamespace(files=dict.fromkeys(files))
    return run


@pytest.fixture
def _lists(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(name: str):
        return lambda run: ({name: 1}, (Table(name, ()), Table(f"more {name}", ())))

    monkeypatch.setattr(listing, "LISTS", {"a.json": of("a"), "b.json": of("b"), "c.json": of("c")})


@pytest.mark.usefixtures("_lists")
def test_lists_are_found_by_files_in_one_order():
    data, tables = listing.listed(run_with("c.json", "other.json", "a.json"))
    assert data == {"a": 1, "c": 1}
    assert [table.title for table in tables] == ["a", "more a", "c", "more c"]
    assert listing.listed(run_with("other.json")) == ({}, ())


def test_channels_heads_graphs_and_texts_are_listed():
    assert set(listing.LISTS) == {"channels.arrow", "graph_nodes.arrow", "heads.arrow", "steered.json"}
