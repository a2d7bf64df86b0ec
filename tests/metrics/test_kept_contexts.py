"""What is kept while tokens stream by is what sorting all of them at once would keep, however they are cut."""

import pytest
import torch

from mechlab.metrics.kept_contexts import EMPTY, KeptContexts

N_FEATURES, N_KEPT = 7, 4


def stream(seed: int, n: int = 400) -> dict[str, torch.Tensor]:
    """Return tokens in their order, with many equal priorities and keys."""
    draw = torch.Generator().manual_seed(seed)
    return {
        "feature": torch.randint(0, N_FEATURES - 1, (n,), generator=draw),
        "priority": torch.randint(-30, 30, (n,), generator=draw),
        "place": torch.arange(n) // 2,
        "key": torch.randint(0, 25, (n,), generator=draw),
    }


def kept_of(tokens: dict[str, torch.Tensor], batch: int, *, screened: bool = True) -> KeptContexts:
    kept = KeptContexts(N_FEATURES, N_KEPT)
    for start in range(0, len(tokens["feature"]), batch):
        part = {name: values[start : start + batch] for name, values in tokens.items()}
        some = kept.welcomes(part["feature"], part["priority"]) if screened else torch.arange(len(part["feature"]))
        part = {name: values[some] for name, values in part.items()}
        text = torch.stack([part["priority"], part["key"]], dim=1)
        kept.offer(**part, payload=lambda chosen, text=text: {"text": text[chosen]})
    return kept


def by_sorting(tokens: dict[str, torch.Tensor], feature: int) -> list[tuple[int, int, int]]:
    lines = zip(*(tokens[name].tolist() for name in ("feature", "priority", "place", "key")), strict=True)
    mine = sorted((line[1:] for line in lines if line[0] == feature), key=lambda line: (-line[0], line[1]))
    found, keys = [], set()
    for line in mine:
        if line[2] not in keys:
            found.append(line)
            keys.add(line[2])
    return found[:N_KEPT]


@pytest.mark.parametrize("batch", [1, 3, 50, 400])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_kept_is_what_sorting_would_keep(seed, batch):
    tokens = stream(seed)
    tokens["feature"], tokens["place"] = tokens["feature"], torch.arange(400)
    kept = kept_of(tokens, batch)
    for feature in range(N_FEATURES):
        mine = by_sorting(tokens, feature)
        there = kept.filled[feature]
        assert (
            list(
                zip(
                    *(getattr(kept, name)[feature][there].tolist() for name in ("priority", "place", "key")),
                    strict=True,
                )
            )
            == mine
        )
        assert kept.payload["text"][feature][there].tolist() == [[line[0], line[2]] for line in mine]


def test_a_feature_without_tokens_keeps_nothing():
    kept = kept_of(stream(0), 50)
    assert not kept.filled[-1].any() and (kept.place[-1] == -1).all() and (kept.priority[-1] == EMPTY).all()


def test_what_is_not_welcome_would_not_have_stayed():
    mine, theirs = kept_of(stream(1), 20), kept_of(stream(1), 20, screened=False)
    assert torch.equal(mine.priority, theirs.priority) and torch.equal(mine.key, theirs.key)


def test_the_payload_is_asked_only_of_those_that_stay():
    asked = []
    kept = KeptContexts(1, 2)

    def payload(chosen: torch.Tensor) -> dict[str, torch.Tensor]:
        asked.extend(chosen.tolist())
        return {"x": torch.zeros(len(chosen))}

    six = torch.arange(6)
    kept.offer(torch.zeros(6, dtype=torch.long), torch.tensor([3, 9, 1, 9, 2, 0]), six, six, payload)
    assert sorted(asked) == [1, 3]
