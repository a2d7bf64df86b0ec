"""The built-in models are folders inside the package."""

from pathlib import Path

import mechlab.models
from mechlab.models import MODELS


def test_every_built_in_name_leads_to_a_folder_inside_the_package() -> None:
    room = Path(mechlab.models.__file__).parent
    for name in MODELS:
        assert MODELS[name]() == room / name
