"""The training loop, and how a denoiser is evaluated."""
