"""Registries: interchangeable kinds by name, each a `module:attribute` that is imported only when asked for."""

import difflib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from mechlab.core.errors import UnknownName


class Registry(Mapping[str, Any]):
    """Kinds of one room by name. Listing names imports nothing; `registry[name]` imports that one kind.

    Adding a kind is one line: `"name": "mechlab.room.module:Attribute"`.
    """

    def __init__(self, noun: str, places: Mapping[str, str]) -> None:
        self.noun = noun
        self._places = dict(places)

    def __getitem__(self, name: str) -> Any:
        """Return the kind called `name`.

        Raises:
            UnknownName: no such kind; the message lists the known ones, the closest first.
        """
        self.check(name)
        module, _, attribute = self._places[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def check(self, name: str) -> None:
        """Refuse a name that is not known, importing nothing.

        Raises:
            UnknownName: no such kind; the message lists the known ones, the closest first.
        """
        if name not in self._places:
            raise UnknownName(f"unknown {self.noun}", value=name, remedy=f"Known: {', '.join(self._nearest(name))}.")

    def get(self, key: str, default: Any = None) -> Any:
        """Return the kind called `key`, or the default if there is none."""
        if key not in self:
            return default
        return self[key]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def _nearest(self, name: str) -> list[str]:
        close = difflib.get_close_matches(name, self._places, n=3, cutoff=0.5)
        return close + [other for other in self._places if other not in close]
