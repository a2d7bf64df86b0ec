"""What `mechlab train` is made of: a dictionary fitted, judged and reported."""
