"""What `mechlab features` is made of."""
