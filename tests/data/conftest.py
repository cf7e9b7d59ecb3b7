"""Images made by the tests, and where the real ones are."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def div2k_root() -> Path:
    root = Path(os.environ.get("DIFFTV_TEST_DATA", PROJECT.parent / "shared" / "data")) / "DIV2K"
    if not root.is_dir():
        pytest.skip(f"no DIV2K images in {root}; set DIFFTV_TEST_DATA to the directory that holds DIV2K")
    return root


@pytest.fixture
def write_png(tmp_path: Path) -> Callable[..., Path]:
    """Write a gray PNG of random pixels: write_png("a.png", height=8, width=6)."""

    def write(name: str, height: int = 8, width: int = 6, seed: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write
