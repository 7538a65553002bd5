"""What each rule runs: `python -m unlearning STAGE`, one module per stage."""
