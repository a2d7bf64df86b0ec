"""What `mechlab sweep` is made of."""
