"""Attribution graphs as files in a folder: one JSON for each, and the list by which viewers find them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.disk import read_json, write_bytes

LIST_NAME = "graph-metadata.json"
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


def write_graph(folder: Path, graph: Mapping[str, Any]) -> Path:
    """Write a graph in the exchange format as `SLUG.json`, put it on the folder's list, and return the file.

    A graph of the same slug is replaced. The file comes first, so that the list names none that is not there.

    Raises:
        UsageError: its slug is no file name, or the disk refuses the write.
        ArtifactError: the folder's list is damaged.
    """
    slug = graph["metadata"]["slug"]
    if not isinstance(slug, str) or not SLUG.fullmatch(slug) or f"{slug}.json" == LIST_NAME:
        remedy = "Take letters, digits, dots, dashes and underscores."
        raise UsageError("slug is no file name", value=str(slug), remedy=remedy)
    listed = [one for one in graph_list_in(folder) if one.get("slug") != slug]
    path = folder / f"{slug}.json"
    write_bytes(path, _compact(graph))
    write_bytes(folder / LIST_NAME, _compact({"graphs": [*listed, graph["metadata"]]}))
    return path


def read_graph(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; whether it is a graph is for `graph_from_json` to say.

    Raises:
        ArtifactError: the file is missing or holds no JSON object.
    """
    return read_json(path, "graph")


def graph_list_in(folder: Path) -> list[dict[str, Any]]:
    """Return the metadata of the graphs on a folder's list; none if it has no list.

    Raises:
        ArtifactError: the list is damaged.
    """
    path = folder / LIST_NAME
    if not path.exists():
        return []
    graphs = read_json(path, "list of graphs").get("graphs")
    if not isinstance(graphs, list) or not all(isinstance(one, dict) for one in graphs):
        raise ArtifactError("list of graphs is damaged", value=str(path), remedy="It holds no list called graphs.")
    return graphs


def _compact(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, separators=(",", ":"), allow_nan=False) + "\n").encode()
