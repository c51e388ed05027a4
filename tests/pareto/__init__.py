"""Cost against something else."""
