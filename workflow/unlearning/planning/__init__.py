"""What an experiment will cost, before it runs: jobs, memory, GPU-hours, disk. No torch."""
