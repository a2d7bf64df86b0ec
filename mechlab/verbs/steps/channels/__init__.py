"""What `mechlab channels` and edits of components are made of."""
