"""A model with codebooks out of a run or a folder: its files are checked before they are read."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mechlab.core.config import build
from mechlab.core.errors import ArtifactError
from mechlab.dictionaries.codebook import Codebook, CodebookConfig
from mechlab.interventions.codebook_model import CodebookModel
from mechlab.models.loaders import load
from mechlab.store.codebook_folder import read_codebooks
from mechlab.store.manifest import MANIFEST_NAME
from mechlab.store.run import open_run


def open_codebook_model(path: str | Path, *, device: str = "auto") -> CodebookModel:
    """Return the model that `train codebook` made.

    Args:
        path: the run's folder, or the folder of the model inside it.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        ArtifactError: there is none, or its files are not as they were stored.
    """
    folder = Path(path)
    if (folder / MANIFEST_NAME).exists():
        folder = open_run(folder).model_folder()
    configs, tensors = read_codebooks(folder)
    model = load(folder, device=device)
    books = {site: _codebook(site, config, tensors[site]) for site, config in configs.items()}
    return CodebookModel(model, {site: book.to(model.device) for site, book in books.items()})


def _codebook(site: str, config: Mapping[str, object], tensors: Mapping[str, Tensor]) -> Codebook:
    book = Codebook(build(CodebookConfig, config))
    found, wanted = ({name: list(tensor.shape) for name, tensor in own.items()} for own in (tensors, book.state_dict()))
    if found != wanted:
        raise ArtifactError(f"codes of {site} do not fit their config", value=found, remedy=f"They should be {wanted}.")
    book.load_state_dict(dict(tensors))
    return book
