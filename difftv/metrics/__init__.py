"""What a result is judged by: pure functions (denoised, clean) -> one number per image."""

from difftv.metrics.fidelity import psnr, quantize, ssim

__all__ = ["psnr", "quantize", "ssim"]
