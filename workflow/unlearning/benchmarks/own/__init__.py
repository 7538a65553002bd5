"""Your own data: files of rows to forget and rows to retain, and your model as it is."""
