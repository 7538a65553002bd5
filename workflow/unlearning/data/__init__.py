"""Reading TOFU-format tables, prompts, token ids, and the order in which rows are drawn."""
