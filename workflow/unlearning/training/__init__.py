"""One training loop for pre-training, fine-tuning, unlearning and relearning."""
