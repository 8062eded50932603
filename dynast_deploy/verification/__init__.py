"""Whether an engine draws what the file it was made from draws."""
