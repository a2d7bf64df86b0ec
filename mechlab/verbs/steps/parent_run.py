"""A run that looks again at a trained one: its subject, but for what the user changed, on the same model."""

from mechlab.core.config import Config, build
from mechlab.core.errors import ArtifactError, UsageError
from mechlab.store.run import Run
from mechlab.verbs.steps.opening import Subject
from mechlab.verbs.subject import SubjectConfig


def parent_config(config: Config, parent: Run) -> SubjectConfig:
    """Return the subject a run was made on, with those of its options that the user gave another value.

    Raises:
        UsageError: the run has no dictionary.
    """
    stored = {key: value for key, value in parent.manifest.config.items() if key in SubjectConfig.model_fields}
    changed = config.model_dump(include={*SubjectConfig.model_fields}, exclude_none=True)
    if "model" not in stored:
        raise UsageError("run has no dictionary to judge", value=str(parent.folder), remedy="Give a run of `train`.")
    return build(SubjectConfig, {**stored, **changed})


def refuse_other_model(parent: Run, subject: Subject) -> None:
    """Pass if the subject's model is the one the run was made on.

    Raises:
        ArtifactError: it is another one.
    """
    recorded = parent.manifest.model
    if recorded is not None and recorded.fingerprint != subject.model.fingerprint:
        remedy = f"The run was made on {recorded.fingerprint[:16]}; this is {subject.model.fingerprint[:16]}."
        raise ArtifactError("model is not the one the run was made on", value=subject.config.model, remedy=remedy)
