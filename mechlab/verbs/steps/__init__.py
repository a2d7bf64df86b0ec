"""What verbs are made of: a folder for each subject, beside it what several of them share."""
