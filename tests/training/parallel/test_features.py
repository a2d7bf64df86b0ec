"""Features are dealt in stretches; what is summed over them is the whole, and what all have is counted once."""

import pytest
import torch
from oracles.thread_group import together

from mechlab.core.errors import UsageError
from mechlab.dictionaries.tiles import Tiles
from mechlab.dictionaries.topk import TopKConfig, TopKDictionary
from mechlab.training.parallel.features import FeatureCrew, FeaturePeers
from mechlab.training.state import TrainingState


def test_a_sum_over_features_gives_each_the_gradient_of_the_whole() -> None:
    def own(group: object) -> tuple[torch.Tensor, torch.Tensor]:
        partial = torch.full((2,), group.rank + 1.0, requires_grad=True)  # type: ignore[attr-defined]
        total = FeaturePeers(group).over_features(partial)  # type: ignore[arg-type]
        (total * torch.tensor([3.0, 5.0])).sum().backward()
        return total.detach(), partial.grad

    for total, gradient in together(3, own):
        assert total.tolist() == [6, 6]
        assert gradient.tolist() == [3, 5]


def test_what_all_compute_alike_is_counted_once() -> None:
    def own(group: object) -> torch.Tensor:
        crew = FeatureCrew(group)  # type: ignore[arg-type]
        dictionary = TopKDictionary(TopKConfig(d_in=4, d_sae=6, k=2))
        crew.peers.joined(torch.zeros(5, 4, requires_grad=True), dictionary.b_dec).sum().backward()
        crew.reduce_gradients(dictionary)
        return dictionary.b_dec.grad

    assert [gradient.tolist() for gradient in together(3, own)] == [[5.0] * 4] * 3


def test_codes_are_chosen_among_everybodys() -> None:
    values = torch.randn(7, 12, generator=torch.Generator().manual_seed(0))

    def own(group: object) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        peers, here = FeaturePeers(group), values[:, group.rank * 4 : group.rank * 4 + 4]  # type: ignore
        tiles, masks = Tiles(here, torch.eye(4), torch.zeros(4), None), torch.zeros(2, 7, 4)
        for mask, chosen in zip(masks, (peers.best_of_row(tiles, 5), peers.best_of_batch(tiles, 1.5)), strict=True):
            assert torch.equal(chosen.kept.gather(here), chosen.contributions)
            mask[chosen.kept.rows, chosen.kept.columns] = 1.0
        return masks[0], peers.mask_of_best(here, 5), masks[1]

    by_row, mask, by_batch = (torch.cat(parts, dim=1) for parts in zip(*together(3, own), strict=True))
    wanted = torch.zeros(7, 12).scatter_(1, values.topk(5).indices, 1.0)
    assert torch.equal(by_row, wanted) and torch.equal(mask, wanted)
    assert torch.equal(by_batch, (values >= values.flatten().topk(10).values[-1]).float())


def test_the_norm_of_the_gradient_counts_every_feature_and_the_bias_once() -> None:
    whole = TopKDictionary(TopKConfig(d_in=4, d_sae=6, k=2))
    for parameter in whole.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(parameter)))

    def own(group: object) -> torch.Tensor:
        crew = FeatureCrew(group)  # type: ignore[arg-type]
        part = crew.part(whole)
        for name, parameter in part.named_parameters():
            gradient = whole.get_parameter(name).grad
            parameter.grad = gradient if name == "b_dec" else gradient[group.rank * 2 : group.rank * 2 + 2]  # type: ignore
        return crew.gradient_norm(part)

    wanted = torch.nn.utils.get_total_norm([parameter.grad for parameter in whole.parameters()])
    for norm in together(3, own):
        torch.testing.assert_close(norm, wanted)


def test_features_that_do_not_divide_are_refused() -> None:
    def ask(group: object) -> None:
        crew = FeatureCrew(group)  # type: ignore[arg-type]
        crew.refuse(d_sae=9, batch_size=1)
        with pytest.raises(
            UsageError, match=r"features do not divide among 3 processes: 10. Give a number of --features"
        ):
            crew.refuse(d_sae=10, batch_size=3)

    together(3, ask)


def test_the_dead_are_counted_everywhere_and_each_stores_its_own() -> None:
    def own(group: object) -> tuple[float, set[str], bool]:
        crew = FeatureCrew(group)  # type: ignore[arg-type]
        dictionary = TopKDictionary(TopKConfig(d_in=4, d_sae=6, k=2))
        state = TrainingState({"dictionary/W_dec": torch.zeros(3, 4), "dictionary/b_dec": torch.zeros(4)}, {})
        dead = torch.tensor([group.rank == 1, True, False, False])  # type: ignore[attr-defined]
        return crew.dead_share(dead), crew.own_tensors(state, dictionary), crew.saves

    assert together(2, own) == [(3 / 8, {"dictionary/W_dec"}, True)] * 2
