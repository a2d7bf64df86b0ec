"""Edits of a forward pass: splice a dictionary in, add a direction."""
