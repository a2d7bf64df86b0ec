"""Small English stories from a grammar that knows the cause of every word and the price of every choice."""
