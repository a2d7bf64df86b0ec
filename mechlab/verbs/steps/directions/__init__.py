"""What `mechlab direction` is made of, and files of directions."""
