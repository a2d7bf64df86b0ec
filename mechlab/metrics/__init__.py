"""Scores of a dictionary, each with its interval and its null predictors."""
