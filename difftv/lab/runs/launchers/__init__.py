"""Where the jobs of a sweep run: this machine's cores, a SLURM cluster or a Ray cluster.

A process that ends early does not affect the others: its job counts as failed, and the same command picks it up again.
"""
