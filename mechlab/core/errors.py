"""Errors a user can act on: one line that says what was wrong, the value, and the remedy."""


class MechlabError(Exception):
    """Anything mechlab refuses or stops for; the command line prints its one line and exits with `exit_code`."""

    exit_code = 1


class UsageError(MechlabError):
    """A user's mistake: what was wrong, the offending value, and what would be right."""

    exit_code = 2

    def __init__(self, what: str, *, value: object = None, remedy: str = "") -> None:
        self.what, self.value, self.remedy = what, value, remedy
        shown = "" if value is None else f": {value!r}" if isinstance(value, str) else f": {value}"
        super().__init__(" ".join(f"{what}{shown}{'. ' + remedy if remedy else ''}".split()))


class ConfigError(UsageError):
    """A config with an unknown key or a value outside its range."""


class UnknownName(UsageError):
    """A name no registry, model or site knows; the message lists the right ones."""


class ArtifactError(UsageError):
    """A stored artifact that is missing, truncated, changed or written by a newer mechlab."""


class TrainingDiverged(MechlabError):
    """A loss that became NaN or exploded; the last good checkpoint is left in place."""
