"""For eyes: terminal, figures and pages. Computes nothing."""
