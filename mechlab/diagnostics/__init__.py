"""Descriptions of a model that need no dictionary."""
