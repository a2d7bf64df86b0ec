"""What `mechlab observe` is made of."""
