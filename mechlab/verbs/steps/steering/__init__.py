"""What `mechlab steer` is made of."""
