"""Text and where it comes from: files, hub data sets, generators with ground truth, packed into token rows."""
