"""Readers give the codes of every kind where they are on, writers what a code adds."""

import pytest
import torch

from mechlab.core.config import build
from mechlab.dictionaries import KINDS
from mechlab.dictionaries.code_units import code_units, readers, writers

LINEAR = {
    "relu": {},
    "jumprelu": {},
    "topk": {"k": 5},
    "batchtopk": {"k": 5},
    "matryoshka": {"k": 5, "widths": [8, 20]},
}


@pytest.mark.parametrize("d_out", [None, 6])
@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("kind", LINEAR)
def test_rows_give_the_codes_and_directions_the_reconstruction(kind, rescale, d_out):
    of_kind, options = KINDS[kind], dict(LINEAR[kind])
    if "rescale_acts_by_decoder_norm" in of_kind.Config.model_fields:
        options["rescale_acts_by_decoder_norm"] = rescale
    options = {name: value for name, value in options.items() if name in of_kind.Config.model_fields}
    dictionary = of_kind(build(of_kind.Config, {"d_in": 7, "d_sae": 20, "d_out": d_out, **options})).eval()
    with torch.no_grad():
        for parameter in dictionary.parameters():
            parameter.add_(
                torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())).abs() * 0.3
            )
        x = torch.randn(30, 7, generator=torch.Generator().manual_seed(0))
        codes, every = dictionary.encode(x), torch.arange(20)
        rows, bias = readers(dictionary, every)
        given = x @ rows.T + bias
        assert (codes != 0).sum() > 30 and torch.allclose(codes[codes != 0], given[codes != 0], atol=1e-5)
        rebuilt = codes @ writers(dictionary, every) + dictionary.b_dec
        assert torch.allclose(rebuilt, dictionary.decode(codes), atol=1e-5)
        some = torch.tensor([4, 17])
        assert torch.equal(readers(dictionary, some)[0], rows[some]) and len(code_units(dictionary, some)) == 2
