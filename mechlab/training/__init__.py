"""The one training loop every dictionary kind shares."""
