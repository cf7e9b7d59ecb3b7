"""What every metric asks of its two images."""

from torch import Tensor


def check_pair(denoised: Tensor, clean: Tensor) -> None:
    """Refuse tensors that are not two batches of gray images of one shape, dtype and device.

    Raises:
        ValueError: with what was expected, what came and what to do.
    """
    for name, tensor in (("denoised", denoised), ("clean", clean)):
        if tensor.ndim != 4 or tensor.shape[1] != 1 or 0 in tensor.shape[2:]:
            raise ValueError(
                f"{name} must have shape (batch, 1, height, width), got {tuple(tensor.shape)}. "
                "A single image goes in as image[None, None]."
            )
        if not tensor.is_floating_point():
            raise ValueError(
                f"{name} must be floating point with intensities in [0, 1], got {tensor.dtype}. "
                "Divide 8-bit images by 255."
            )
    if denoised.shape != clean.shape:
        raise ValueError(
            f"denoised and clean must have one shape, got {tuple(denoised.shape)} and {tuple(clean.shape)}. "
            "Compare each image with its own clean image."
        )
    if denoised.dtype != clean.dtype or denoised.device != clean.device:
        raise ValueError(
            f"denoised and clean must agree in dtype and device, got {denoised.dtype} on {denoised.device} and "
            f"{clean.dtype} on {clean.device}. Convert one with .to(other)."
        )
