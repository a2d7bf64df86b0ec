"""The commands, one file each: a config and a run that reads top to bottom."""
