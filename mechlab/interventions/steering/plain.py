"""What all parts of a steering spec are: plain frozen data whose mistakes are told in one line as they are made."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError, model_validator

from mechlab.core.config import Config, explained


class Plain(Config):
    """A config that raises a ConfigError where it is made, unknown keys and numbers that are not finite included."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, make: Callable[[Any], Any]) -> Any:
        try:
            return make(values)
        except ValidationError as error:
            raise explained(cls, error) from None
