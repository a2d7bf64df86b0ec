"""Tokens in, rows at a site out: capture, shuffling, shards."""
