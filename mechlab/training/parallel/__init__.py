"""Training in several processes: who holds what, and what they tell one another."""
