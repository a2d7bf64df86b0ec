"""Graphs stand in a folder whole, each once on its list; what is no file name or no list is refused."""

import json

import pytest

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.graph_file import LIST_NAME, graph_list_in, read_graph, write_graph


def graph(slug: str, **more: object) -> dict:
    return {"metadata": {"slug": slug, **more}, "nodes": [], "links": []}


def test_graphs_come_back_and_are_listed_once(tmp_path):
    for one in (graph("a"), graph("b"), graph("a", prompt="é\ud800 new")):
        path = write_graph(tmp_path / "graphs", one)
        assert path == tmp_path / "graphs" / f"{one['metadata']['slug']}.json" and read_graph(path) == one
    listed = json.loads((tmp_path / "graphs" / LIST_NAME).read_text())
    assert listed == {"graphs": [{"slug": "b"}, {"slug": "a", "prompt": "é\ud800 new"}]}
    assert graph_list_in(tmp_path / "graphs") == listed["graphs"] and graph_list_in(tmp_path) == []
    assert sorted(path.name for path in (tmp_path / "graphs").iterdir()) == ["a.json", "b.json", LIST_NAME]


@pytest.mark.parametrize("slug", ["", "../up", "a/b", ".hidden", "graph-metadata", "x" * 121, None, 3])
def test_a_slug_that_is_no_file_name_is_refused_and_nothing_is_written(tmp_path, slug):
    with pytest.raises(UsageError, match="slug is no file name"):
        write_graph(tmp_path / "graphs", graph(slug))
    assert not (tmp_path / "graphs").exists()


def test_what_is_not_finite_leaves_the_folder_as_it_was(tmp_path):
    write_graph(tmp_path, graph("a"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="JSON"):
        write_graph(tmp_path, graph("a", threshold=float("nan")))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("text", ["{", "[]", '{"graphs": {}}', '{"graphs": [3]}'])
def test_a_damaged_list_is_refused_before_anything_is_written(tmp_path, text):
    (tmp_path / LIST_NAME).write_text(text)
    with pytest.raises(ArtifactError, match="list of graphs is damaged"):
        write_graph(tmp_path, graph("a"))
    assert not (tmp_path / "a.json").exists()


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="graph cannot be read"):
        read_graph(tmp_path / "none.json")
