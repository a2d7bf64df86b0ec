"""The table of a run's features: read from its file, after checking that it is as it was stored."""

from pathlib import Path
from typing import Any

from mechlab.metrics.feature_objects import feature_objects
from mechlab.metrics.feature_table import FeatureTable
from mechlab.store.feature_table import read_features
from mechlab.store.run import FEATURES_NAME, Run, open_run


def stored_features(run: Run) -> FeatureTable:
    """Return the table of a finished run.

    Raises:
        ArtifactError: the run has none, or its file is not as it was stored.
    """
    return FeatureTable.restored(*read_features(run.file(FEATURES_NAME)))


def open_features(folder: str | Path) -> FeatureTable:
    """Return what `mechlab features` found, by the folder of its run.

    Raises:
        ArtifactError: the folder is no finished run, has no table of features, or was changed.
    """
    return stored_features(open_run(Path(folder)))


def stored_objects(run: Run, features: tuple[int, ...] | range) -> list[dict[str, Any]]:
    """Return some features of a run as the objects viewers read; they call the dictionary by the run's id.

    Raises:
        ArtifactError: the run has no table of features, or was changed.
        UsageError: there is no such feature.
    """
    return feature_objects(stored_features(run), features, transcoder_id(run))


def transcoder_id(run: Run) -> str:
    """Return what objects call a run's dictionary: the run that trained it, and where it stands."""
    return f"{run.manifest.parents[0][:12]}-{run.manifest.config['site']}"
