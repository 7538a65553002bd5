"""Models and data from the Hugging Face hub: list, fetch, verify and find them again."""
