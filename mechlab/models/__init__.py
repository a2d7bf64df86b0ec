"""What we ask of a language model, and the places in it: loading, reading, writing, generating."""
