"""Vectors to codes and back: sparse dictionaries as maths on tensors, knowing no model."""
