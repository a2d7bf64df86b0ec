"""What `mechlab train codebook` and `mechlab codes` are made of."""
