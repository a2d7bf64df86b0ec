"""The hub: a data set is streamed at one revision, and no network is one line."""

import datasets
import huggingface_hub
import pytest
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import DatasetInfo

from mechlab.core.errors import UsageError
from mechlab.corpora.hub import HubCorpus


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Stand in for the network: one data set of two rows at revision `abc`; what was asked of it is listed."""
    calls: list[object] = []

    def load_dataset(*args: object, **options: object) -> datasets.IterableDataset:
        calls.append((args, options))
        return datasets.Dataset.from_list([{"text": "one"}, {"text": "two"}]).to_iterable_dataset()

    def dataset_info(self: object, name: str, timeout: float) -> DatasetInfo:
        return DatasetInfo(id=name, sha="abc", downloads=0, likes=0, private=False, tags=[])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    return calls


def test_a_data_set_is_streamed_at_the_revision_it_had_when_first_asked(asked: list[object]):
    corpus = HubCorpus("owner/stories:small")
    assert [document.text for document in corpus.documents()] == ["one", "two"]
    assert asked == [(("owner/stories", "small"), {"revision": "abc", "split": "train", "streaming": True})]


def test_the_fingerprint_follows_name_subset_revision_and_column(asked: list[object]):
    base = HubCorpus("owner/stories")
    later = HubCorpus("owner/stories")
    later.__dict__["revision"] = "def"
    others = [HubCorpus("owner/stories:small"), HubCorpus("owner/stories", "story"), later]
    assert HubCorpus("owner/stories").fingerprint == base.fingerprint
    assert len({corpus.fingerprint for corpus in [base, *others]}) == 4


def test_a_missing_column_lists_the_columns(asked: list[object]):
    with pytest.raises(UsageError, match=r"owner/stories has no column: 'story'\. Its columns: text\."):
        list(HubCorpus("owner/stories", "story").documents())


def test_without_network_the_message_is_one_line():
    with pytest.raises(
        UsageError, match=r"hub data set cannot be reached: 'owner/stories'\. Check the network"
    ) as caught:
        list(HubCorpus("owner/stories").documents())
    assert "\n" not in str(caught.value)


def test_a_data_set_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch):
    def missing(self: object, name: str, timeout: float) -> None:
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", missing)
    with pytest.raises(UsageError, match="the hub has no such data set: 'owner/stories'"):
        list(HubCorpus("owner/stories").documents())
