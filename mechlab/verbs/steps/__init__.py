"""What verbs have in common: opening a subject, fitting a dictionary, judging it, filling its report."""
