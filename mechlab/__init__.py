"""mechlab: a mechanistic-interpretability workbench for language transformers."""

__version__ = "0.1.0"
