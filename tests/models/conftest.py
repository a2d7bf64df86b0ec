"""Models the tests of this room share: tiny random ones of each family, and a small trained one."""

from pathlib import Path

import pytest
from oracles.tiny_models import tiny

from mechlab.models.huggingface import HuggingFaceModel
from mechlab.models.loaders import load

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"


@pytest.fixture(scope="session")
def stories_folder() -> Path:
    if not STORIES.exists():
        pytest.skip("stories260K is not in ../shared/models")
    return STORIES


@pytest.fixture(scope="session")
def stories(stories_folder: Path) -> HuggingFaceModel:
    model = load(stories_folder, device="cpu")
    assert isinstance(model, HuggingFaceModel)
    return model


@pytest.fixture
def gpt2() -> HuggingFaceModel:
    return HuggingFaceModel(tiny("gpt2"))


@pytest.fixture
def llama() -> HuggingFaceModel:
    return HuggingFaceModel(tiny("llama"))


@pytest.fixture(
    params=["gpt2", "neox_parallel", "neox_sequential", "llama", "mistral", "qwen2", "qwen3", "gemma2", "stories"]
)
def any_model(request: pytest.FixtureRequest) -> HuggingFaceModel:
    """Every family in turn, and the trained model."""
    return request.getfixturevalue("stories") if request.param == "stories" else HuggingFaceModel(tiny(request.param))
