"""Published numbers, and which of them stand beside ours."""
