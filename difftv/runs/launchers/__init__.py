"""Where the jobs of a sweep run: this machine's cores, a SLURM cluster or a Ray cluster.

One that dies takes no other with it: its job counts as failed, and the same command picks it up again.
"""
