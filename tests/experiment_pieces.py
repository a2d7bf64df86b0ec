"""An experiment's modules, which stand beside one another in its folder and in no package."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@contextmanager
def pieces_of(experiment: str, *names: str) -> Iterator[SimpleNamespace]:
    """Give the named modules of an experiment, and forget them: another one may have modules of the same names."""
    place = str(EXPERIMENTS / experiment)
    sys.path.insert(0, place)
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path[:] = [entry for entry in sys.path if entry != place]  # run.py puts its folder there, too
        for name in names:
            sys.modules.pop(name, None)
