"""What `mechlab trace` is made of, and graphs held against interventions."""
