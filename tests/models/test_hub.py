"""A hub name becomes a folder: from the hub, from the cache where the hub is out of reach, or a reason in one line."""

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors as hub_errors

from mechlab.core.errors import UnknownName, UsageError
from mechlab.models import hub


class Hub:
    """A hub that answers as it is told, and remembers what it was asked to download."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Exception | None, cached: bool = True) -> None:
        self.answer, self.cached, self.asked = answer, cached, []
        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", self.model_info)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.snapshot_download)

    def model_info(self, name: str, timeout: float) -> None:
        if self.answer is not None:
            raise self.answer

    def snapshot_download(self, name: str, **options: Any) -> str:
        self.asked.append((name, options))
        if options["local_files_only"] and not self.cached:
            raise hub_errors.LocalEntryNotFoundError("not in the cache")
        return "cache/" + name


def refusal(kind: type[hub_errors.HfHubHTTPError], status: int) -> hub_errors.HfHubHTTPError:
    import httpx

    return kind("refused", response=httpx.Response(status, request=httpx.Request("GET", "https://hub")))


def test_a_model_on_the_hub_is_downloaded_without_pickles(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Hub(monkeypatch, None)
    assert hub.hub_folder("owner/name") == Path("cache/owner/name")
    (name, options), *others = fake.asked
    assert name == "owner/name"
    assert not others
    assert not options["local_files_only"]
    assert "*.safetensors" in options["allow_patterns"]
    assert not any(pattern.endswith((".bin", ".pt")) for pattern in options["allow_patterns"])


def test_out_of_reach_the_cache_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Hub(monkeypatch, ConnectionError("no route"))
    assert hub.hub_folder("owner/name") == Path("cache/owner/name")
    assert fake.asked[0][1]["local_files_only"]


def test_out_of_reach_and_not_in_the_cache_there_is_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    Hub(monkeypatch, ConnectionError("no route"), cached=False)
    with pytest.raises(UsageError, match=r"no network .*'owner/name'. Built in: .*connect to the network"):
        hub.hub_folder("owner/name")


def test_a_name_the_hub_does_not_know_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    Hub(monkeypatch, refusal(hub_errors.RepositoryNotFoundError, 404))
    with pytest.raises(UnknownName, match=r"unknown model: .*'owner/nmae'. Built in: .*tales"):
        hub.hub_folder("owner/nmae")


def test_a_model_behind_a_licence_says_to_check_access(monkeypatch: pytest.MonkeyPatch) -> None:
    Hub(monkeypatch, refusal(hub_errors.GatedRepoError, 403))
    with pytest.raises(UsageError, match=r"cannot be downloaded: 'owner/name'. The hub answered 403; check access"):
        hub.hub_folder("owner/name")


def test_offline_mode_asks_nobody_and_fails_at_once() -> None:
    with pytest.raises(UsageError, match="no network"):
        hub.hub_folder("owner/name-nobody-has")
