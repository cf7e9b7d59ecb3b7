"""Configuration -> objects -> one run on disk; the only part that knows Hydra."""
