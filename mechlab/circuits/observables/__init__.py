"""Observables: weighted sums of logits, and the directions of earlier activations that move them."""
