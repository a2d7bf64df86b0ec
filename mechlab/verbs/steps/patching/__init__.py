"""What `mechlab patch` is made of."""
