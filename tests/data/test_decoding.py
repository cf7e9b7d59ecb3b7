"""Every kind of image file becomes gray at its own precision, or is refused with a reason."""

import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from difftv.errors import DataError
from difftv.lab.data import Div2k
from difftv.lab.data.decoding import decode_gray, full_scale
from difftv.lab.imagefiles.formats import MAX_PIXELS

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)


def luma(rgb: np.ndarray) -> np.ndarray:
    return rgb @ np.array([0.299, 0.587, 0.114])


def png(width: int, height: int, bit_depth: int, colour_type: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def test_gray_is_taken_as_it_is(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "gray.png")
    decoded = decode_gray(tmp_path / "gray.png")
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, GRAY)


def test_colour_becomes_rec_601_luma(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "colour.png")
    np.testing.assert_allclose(decode_gray(tmp_path / "colour.png"), luma(COLOUR), atol=0.51)


def test_transparency_is_ignored(tmp_path):
    alpha = RNG.integers(0, 256, (5, 7, 1), dtype=np.uint8)
    alpha[0, 0] = 0
    Image.fromarray(np.concatenate([COLOUR, alpha], axis=2)).save(tmp_path / "rgba.png")
    np.testing.assert_allclose(decode_gray(tmp_path / "rgba.png"), luma(COLOUR), atol=0.51)
    Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(alpha[..., 0])]).save(tmp_path / "la.png")
    np.testing.assert_array_equal(decode_gray(tmp_path / "la.png"), GRAY)


def test_palette_is_looked_up(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 0]], dtype=np.uint8)).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 10, 20, 30])
    image.save(tmp_path / "palette.png", transparency=1)
    assert decode_gray(tmp_path / "palette.png").tolist() == [[76, 150], [18, 76]]


def test_two_levels_become_black_and_white(tmp_path):
    Image.fromarray(GRAY > 100).save(tmp_path / "binary.png")
    np.testing.assert_array_equal(decode_gray(tmp_path / "binary.png"), np.where(GRAY > 100, 255, 0))


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bit_gray_keeps_every_level(tmp_path, suffix):
    pixels = np.array([[0, 1, 255], [256, 40_000, 65_535]], dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / f"deep.{suffix}")
    decoded = decode_gray(tmp_path / f"deep.{suffix}")
    assert decoded.dtype == np.uint16
    assert full_scale(decoded) == 65_535
    np.testing.assert_array_equal(decoded, pixels)


def test_big_endian_tiff_is_not_byte_swapped(tmp_path):
    pixels = np.array([[1, 258], [40_000, 65_535]], dtype=">u2")
    Image.frombytes("I;16B", (2, 2), pixels.tobytes()).save(tmp_path / "big.tif")
    np.testing.assert_array_equal(decode_gray(tmp_path / "big.tif"), pixels.astype(np.uint16))


def test_sixteen_bit_colour_keeps_its_depth(tmp_path):
    pixels = np.array([[[65_535] * 3, [0x8001, 0x8001, 0x8001], [65_535, 0, 300]]], dtype=">u2")
    (tmp_path / "deep.png").write_bytes(png(3, 1, 16, 2, b"\0" + pixels.tobytes()))
    assert decode_gray(tmp_path / "deep.png").tolist() == [[65_535, 0x8001, round(0.299 * 65_535 + 0.114 * 300)]]


def test_eight_bit_luma_is_pillows_to_the_last_bit(tmp_path):
    colours = RNG.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "colour.png")
    np.testing.assert_array_equal(decode_gray(tmp_path / "colour.png"), np.array(Image.fromarray(colours).convert("L")))


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_sixteen_bit_colour_tiff_in_either_layout(tmp_path, planarconfig):
    pixels = RNG.integers(0, 65_536, (5, 7, 3)).astype(np.uint16)
    laid_out = pixels if planarconfig == "contig" else np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(tmp_path / "deep.tif", laid_out, photometric="rgb", planarconfig=planarconfig)
    np.testing.assert_allclose(decode_gray(tmp_path / "deep.tif"), luma(pixels), atol=1)


def test_white_is_zero_in_sixteen_bit(tmp_path):
    pixels = RNG.integers(0, 65_536, (5, 7)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "negative.tif", 65_535 - pixels, photometric="miniswhite")
    np.testing.assert_array_equal(decode_gray(tmp_path / "negative.tif"), pixels)


def test_premultiplied_colours_are_divided_by_alpha(tmp_path):
    pixels = RNG.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    pixels[0, 0, 3] = 0
    tifffile.imwrite(tmp_path / "image.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    with Image.open(tmp_path / "image.tif") as image:
        expected = np.array(image.convert("RGB").convert("L"))
    np.testing.assert_array_equal(decode_gray(tmp_path / "image.tif"), expected)


@pytest.mark.parametrize("options", [{"imagej": True}, {"photometric": "minisblack"}], ids=str)
def test_of_several_pages_the_first_is_read(tmp_path, options):
    stack = RNG.integers(0, 65_536, (3, 5, 7)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack, **options)
    np.testing.assert_array_equal(decode_gray(tmp_path / "stack.tif"), stack[0])


@pytest.mark.parametrize("kind", ["CMYK.jpg", "RGB.gif", "RGB.jp2", "CMYK.tif"])
def test_kinds_that_are_read_and_never_written(tmp_path, kind):
    mode, suffix = kind.split(".")
    path = tmp_path / f"image.{suffix}"
    lossless = {"jp2": {"irreversible": False}, "jpg": {"quality": 95}}.get(suffix, {})
    Image.fromarray(COLOUR).convert(mode).save(path, **lossless)
    with Image.open(path) as image:
        np.testing.assert_array_equal(decode_gray(path), np.array(image.convert("RGB").convert("L")))


def test_one_pixel_is_an_image(tmp_path):
    Image.new("L", (1, 1), 7).save(tmp_path / "pixel.png")
    assert decode_gray(tmp_path / "pixel.png").tolist() == [[7]]


def test_orientation_tag_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    for name in ("turned.png", "turned.tif"):
        Image.fromarray(GRAY).save(tmp_path / name, exif=exif)
        np.testing.assert_array_equal(decode_gray(tmp_path / name), GRAY)


def test_unreadable_files_are_refused_with_a_reason(tmp_path):
    whole = tmp_path / "whole.png"
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(whole)
    (tmp_path / "truncated.png").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("this is not an image")
    (tmp_path / "directory.png").mkdir()
    # An EPS file under another name: decoding it would run the PostScript program in it.
    (tmp_path / "program.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print\n%%EOF\n")
    Image.fromarray(np.zeros((2, 2), dtype=np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.zeros((2, 2), dtype=np.int32)).save(tmp_path / "int32.tif")
    for name, reason in {
        "missing.png": "no such file",
        "truncated.png": "truncated",
        "empty.png": "empty",
        "text.png": "not an image",
        "program.png": "not an image",
        "directory.png": "a directory",
        "float.tif": "floating-point",
        "int32.tif": "int32",
    }.items():
        with pytest.raises(DataError, match=reason):
            decode_gray(tmp_path / name)


@pytest.mark.parametrize("factor", [1.01, 1.5, 3.0])
def test_decompression_bombs_are_refused_before_they_unpack(tmp_path: Path, factor):
    side = int((MAX_PIXELS * factor) ** 0.5) + 1
    (tmp_path / "bomb.png").write_bytes(png(side, side, 8, 0, b"\0" * 1000))
    with pytest.raises(DataError, match="decompression bomb"):
        decode_gray(tmp_path / "bomb.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match="decompression bomb"):
            decode_gray(tmp_path / "bomb.png")


@pytest.mark.parametrize("position", range(40, 400, 23))
def test_no_damaged_byte_raises_anything_but_data_error(tmp_path, position):
    path = tmp_path / "damaged.png"
    Image.fromarray(COLOUR).save(path)
    content = bytearray(path.read_bytes() * 3)
    content[position % 120] ^= 0xFF
    path.write_bytes(content)
    # Leaving this block with any other exception fails the test.
    with suppress(DataError):
        assert decode_gray(path).shape == (5, 7)


def test_real_photograph(div2k_root):
    path = Div2k(div2k_root).files().validation[0]
    decoded = decode_gray(path)
    assert max(decoded.shape) == 2040
    with Image.open(path) as image:
        np.testing.assert_allclose(decoded, luma(np.asarray(image)), atol=0.51)
