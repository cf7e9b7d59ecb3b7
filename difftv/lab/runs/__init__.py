"""Configuration -> objects -> one run on disk; the only part that knows Hydra."""

from difftv.extras import require

require("train", "hydra", "omegaconf", "filelock", by="A run")
