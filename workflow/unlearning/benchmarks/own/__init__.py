"""Your own rows: files of what to forget and what to keep, and your model as it is."""
