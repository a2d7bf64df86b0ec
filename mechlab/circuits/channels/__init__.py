"""Channels between heads: which singular component of one head which later head reads, from the weights alone."""
