"""Language models: one interface, the address book of their sites, the hooks that read and edit them, their loaders."""

from mechlab.core.registry import Registry

MODELS = Registry("built-in model", {"tales": "mechlab.models.builtin:tales"})
