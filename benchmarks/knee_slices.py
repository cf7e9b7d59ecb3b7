"""The public single-coil knee slices as `.npz` files for `evaluate.py`.

    python -m benchmarks.knee_slices path/to/mri/acc_8_cf_0.04/pd/test_images path/to/npz

Reads a folder of slices, each a folder with `y.pt` (masked k-space of the orthonormal FFT without shift) and
`x_crop.pt` (the central part of the real image, a view of the whole slice), as the repository Smooth_Plus_Sparse_Model
of Ducotterd and others has them. The mask is read off the measurements: a column is measured where it is not 0
everywhere. Tensors are loaded as data alone. The terms of fastMRI forbid passing the images on: keep both folders
outside every repository.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


def converted(measurements: Tensor, clean: Tensor) -> dict[str, Any]:
    """The entries of one file.

    Args:
        measurements: complex, (.., height, width) with one coil.
        clean: real, the central part, a view whose storage holds the whole slice; or a whole slice.

    Raises:
        ValueError: the shapes do not fit.
    """
    height, width = measurements.shape[-2:]
    if measurements.numel() != height * width or not measurements.is_complex():
        raise ValueError(f"y must be complex with one coil, got {tuple(measurements.shape)}, {measurements.dtype}.")
    y = measurements.reshape(1, height, width)
    whole = torch.as_strided(clean, (clean.untyped_storage().nbytes() // clean.element_size(),), (1,), 0)
    if whole.numel() == height * width:
        top, left = divmod(int(clean.storage_offset()), width)
        kept = whole.reshape(height, width)
    else:  # the part alone: it is the centre
        kept = clean.reshape(clean.shape[-2:])
        top, left = (height - clean.shape[-2]) // 2, (width - clean.shape[-1]) // 2
    columns = (y[0] != 0).any(dim=0)
    return {
        "measurements": y.to(torch.complex64).numpy(),
        "mask": np.broadcast_to(columns.numpy(), (height, width)).copy(),
        "clean": kept.to(torch.float32).numpy(),
        "crop": np.array([top, left, *clean.shape[-2:]]),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of slices, each a folder with x_crop.pt and y.pt")
    parser.add_argument("target", type=Path, help="folder for the .npz files")
    options = parser.parse_args(arguments)
    slices = sorted(path.parent for path in options.source.glob("*/y.pt"))
    if not slices:
        print(
            f"{parser.prog}: no slice in {options.source}: it must hold folders with y.pt and x_crop.pt",
            file=sys.stderr,
        )
        return 2
    options.target.mkdir(parents=True, exist_ok=True)
    for directory in slices:
        y, clean = (
            torch.load(directory / name, map_location="cpu", weights_only=True) for name in ("y.pt", "x_crop.pt")
        )
        try:
            entries = converted(y, clean)
        except ValueError as error:
            print(f"{parser.prog}: {directory}: {error}", file=sys.stderr)
            return 2
        np.savez(options.target / f"{directory.name}.npz", **entries)
    print(f"{len(slices)} slices in {options.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
