"""Steering: specs of what is changed where and by how much, and the contexts in which a model is so steered."""
