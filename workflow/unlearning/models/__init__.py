"""Model folders: build from scratch, load, save."""
