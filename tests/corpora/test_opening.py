"""One name, one corpus: generators, paths, hub names, and nothing else."""

from pathlib import Path

import pytest

from mechlab.core.errors import UnknownName, UsageError
from mechlab.corpora import CORPORA
from mechlab.corpora.hub import HubCorpus
from mechlab.corpora.opening import open_corpus
from mechlab.corpora.text_files import TextFiles


@pytest.mark.parametrize("name", CORPORA)
def test_a_generator_is_opened_by_name_and_the_seed_decides_it(name: str):
    corpus = open_corpus(name, seed=3)
    assert corpus.name == name
    assert next(corpus.documents()) == next(open_corpus(name, seed=3).documents())
    assert corpus.fingerprint != open_corpus(name, seed=4).fingerprint


def test_a_path_that_exists_is_a_file_corpus_even_if_it_looks_like_a_hub_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "owner").mkdir()
    (tmp_path / "owner" / "stories").mkdir()
    (tmp_path / "owner" / "stories" / "a.jsonl").write_text('{"story": "one"}\n')
    monkeypatch.chdir(tmp_path)
    corpus = open_corpus("owner/stories", text_column="story")
    assert isinstance(corpus, TextFiles)
    assert [document.text for document in corpus.documents()] == ["one"]


def test_owner_and_name_is_a_hub_data_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(HubCorpus, "revision", "abc")
    corpus = open_corpus("owner/stories:small", text_column="story")
    assert isinstance(corpus, HubCorpus)
    assert (corpus.repository, corpus.subset, corpus.text_column) == ("owner/stories", "small", "story")


@pytest.mark.parametrize("name", ["absent.txt", "data/absent.parquet"])
def test_a_path_that_does_not_exist_says_so(name: str):
    with pytest.raises(UsageError, match="no such file or folder"):
        open_corpus(name)


@pytest.mark.parametrize("name", ["tails", "", "a/b/c", "https://x.org/y"])
def test_an_unknown_name_lists_what_is_known(name: str):
    with pytest.raises(UnknownName, match=r"Known: .*tales.*owner/name"):
        open_corpus(name)
