"""What a SLURM cluster is asked before the first job, and what becomes of cancelled jobs."""
