"""Image files come out as they went in, but for their pixels; what cannot is refused by name."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from difftv.errors import DataError
from difftv.lab.imagefiles import decode, encode_like, not_copied, read_image
from tests.denoise.image_files import (
    EXIF,
    ORIENTATION,
    PHOTOGRAPH,
    again,
    as_samples,
    bytes_of,
    chunks_of,
    packed_tiff,
    raw_png,
    samples,
    saved,
    shallow_png,
    tagged,
    tiff_of,
    turned_tiff,
)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_png_of_every_depth_and_colour(count: int, dtype: type, tmp_path: Path) -> None:
    pixels = samples(count, dtype)
    path = tmp_path / "image.png"
    path.write_bytes(raw_png(pixels))
    image = read_image(path)
    np.testing.assert_array_equal(as_samples(image), pixels)
    assert image.channels.dtype == dtype
    back = again(image, path, image.channels[:, ::-1])
    np.testing.assert_array_equal(back.channels, image.channels[:, ::-1])
    if image.alpha is not None:
        np.testing.assert_array_equal(back.alpha, image.alpha)
    assert back.content[24:26] == path.read_bytes()[24:26]
    # Another decoder, which sees the high bytes of 16-bit colour.
    if count == 3:
        high = pixels[::-1] >> (8 if dtype is np.uint16 else 0)
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(back.content))), high)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "lzw", "predictor": True},
        {"byteorder": ">"},
        {"planarconfig": "separate"},
        {"bigtiff": True},
    ],
    ids=str,
)
def test_tiff_of_every_depth_and_colour(options: dict[str, Any], count: int, dtype: type, tmp_path: Path) -> None:
    pixels = samples(count, dtype)
    path = tmp_path / "image.tif"
    separate = options.get("planarconfig") == "separate" and count > 1
    tifffile.imwrite(
        path,
        np.moveaxis(pixels, -1, 0) if separate else pixels.squeeze(-1) if count == 1 else pixels,
        photometric="rgb" if count > 2 else "minisblack",
        extrasamples=["unassalpha"] if count in (2, 4) else None,
        **(options if separate or "planarconfig" not in options else {}),
    )
    image = read_image(path)
    np.testing.assert_array_equal(as_samples(image), pixels)
    back = again(image, path)
    np.testing.assert_array_equal(as_samples(back), pixels)
    assert back.channels.dtype == dtype
    with tifffile.TiffFile(io.BytesIO(back.content)) as file:
        assert (file.pages[0].compression == tifffile.COMPRESSION.NONE) == ("compression" not in options)
        assert file.byteorder == options.get("byteorder", "<")
        assert file.is_bigtiff == options.get("bigtiff", False)


@pytest.mark.parametrize(("name", "options", "count"), [
    ("image.bmp", {}, 1), ("image.bmp", {}, 3), ("image.pgm", {}, 1), ("image.ppm", {}, 3),
    ("image.webp", {"lossless": True}, 3), ("image.webp", {"lossless": True, "exact": True}, 4),
])  # fmt: skip
def test_other_lossless_formats(name: str, options: dict[str, Any], count: int, tmp_path: Path) -> None:
    path = saved(tmp_path / name, samples(count, np.uint8), **options)
    image = read_image(path)
    np.testing.assert_array_equal(as_samples(image), samples(count, np.uint8))
    back = again(image, path)
    np.testing.assert_array_equal(as_samples(back), samples(count, np.uint8))
    assert back.kind == image.kind


def test_a_16_bit_pgm(tmp_path: Path) -> None:
    pixels = samples(1, np.uint16)
    path = tmp_path / "image.pgm"
    path.write_bytes(b"P5\n31 37\n65535\n" + pixels.astype(">u2").tobytes())
    image = read_image(path)
    np.testing.assert_array_equal(as_samples(image), pixels)
    np.testing.assert_array_equal(as_samples(again(image, path)), pixels)


@pytest.mark.parametrize("count", [1, 3])
def test_a_jpeg_loses_next_to_nothing(count: int, tmp_path: Path) -> None:
    path = saved(tmp_path / "image.jpg", samples(count, np.uint8), quality=90)
    image = read_image(path)
    back = again(image, path)
    assert back.kind == "JPEG"
    error = back.channels.astype(float) - image.channels
    assert 0 < np.sqrt(np.mean(error**2)) < 2.0


def test_a_white_is_zero_tiff_is_turned_round(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, 65535 - samples(1, np.uint16).squeeze(-1), photometric="miniswhite")
    image = read_image(path)
    np.testing.assert_array_equal(as_samples(image), samples(1, np.uint16))
    np.testing.assert_array_equal(as_samples(again(image, path)), samples(1, np.uint16))


def test_premultiplied_alpha_stays_premultiplied(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, samples(4, np.uint16), photometric="rgb", extrasamples=["assocalpha"])
    back = again(read_image(path), path)
    with tifffile.TiffFile(io.BytesIO(back.content)) as file:
        assert file.pages[0].extrasamples == (tifffile.EXTRASAMPLE.ASSOCALPHA,)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_palettes_become_rgb(suffix: str, tmp_path: Path) -> None:
    picture = Image.fromarray(PHOTOGRAPH).quantize(32)
    path = saved(tmp_path / f"image{suffix}", picture)
    image = read_image(path)
    np.testing.assert_array_equal(as_samples(image), np.array(picture.convert("RGB")))
    np.testing.assert_array_equal(as_samples(again(image, path)), as_samples(image))


def test_a_palette_with_transparency_becomes_rgb_and_alpha(tmp_path: Path) -> None:
    picture = Image.fromarray(PHOTOGRAPH).quantize(32)
    path = saved(tmp_path / "image.png", picture, transparency=3)
    image = read_image(path)
    np.testing.assert_array_equal(image.alpha == 0, np.array(picture) == 3)
    np.testing.assert_array_equal(as_samples(again(image, path)), as_samples(image))


@pytest.mark.parametrize(("count", "dtype"), [(1, np.uint8), (3, np.uint8), (1, np.uint16), (3, np.uint16)])
def test_a_transparent_colour_becomes_alpha(count: int, dtype: type, tmp_path: Path) -> None:
    pixels = samples(count, dtype)
    colour = pixels[5, 7]
    path = tmp_path / "image.png"
    path.write_bytes(raw_png(pixels, (b"tRNS", b"".join(struct.pack(">H", int(value)) for value in colour))))
    image = read_image(path)
    np.testing.assert_array_equal(image.alpha == 0, (pixels == colour).all(axis=-1))
    assert image.alpha is not None
    assert image.alpha.max() == np.iinfo(dtype).max
    np.testing.assert_array_equal(as_samples(again(image, path)), as_samples(image))


def test_one_bit_becomes_eight(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.png", Image.fromarray(PHOTOGRAPH).convert("1"))
    image = read_image(path)
    assert set(np.unique(image.channels)) == {0, 255}
    np.testing.assert_array_equal(again(image, path).channels, image.channels)


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_keeps_what_is_not_pixels(dtype: type, tmp_path: Path) -> None:
    kept = [
        (b"gAMA", struct.pack(">I", 45455)),
        (b"iCCP", b"profile\0\0" + zlib.compress(PROFILE)),
        (b"pHYs", struct.pack(">IIB", 5000, 5000, 1)),
        (b"eXIf", EXIF.tobytes()[6:]),
    ]
    dropped = [(b"bKGD", b"\0\0\0\0\0\0"), (b"tIME", b"\x07\xea\1\1\1\1\1"), (b"tEXt", b"Author\0somebody")]
    path = tmp_path / "image.png"
    path.write_bytes(raw_png(samples(3, dtype), *kept, *dropped))
    image = again(read_image(path), path)
    chunks = chunks_of(image.content)
    names = [name for name, _ in chunks]
    assert names[0] == b"IHDR"
    assert names[-1] == b"IEND"
    assert chunks[1 : 1 + len(kept)] == kept
    assert set(names[1 + len(kept) : -1]) == {b"IDAT"}
    with Image.open(io.BytesIO(image.content)) as picture:
        assert picture.getexif()[ORIENTATION] == 6
        assert picture.info["icc_profile"] == PROFILE


@pytest.mark.parametrize(("suffix", "options"), [(".jpg", {"dpi": (300, 300)}), (".webp", {"lossless": True})])
def test_jpeg_and_webp_keep_profile_and_orientation(suffix: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path / f"image{suffix}", PHOTOGRAPH, exif=EXIF.tobytes(), icc_profile=PROFILE, **options)
    image = again(read_image(path), path)
    assert image.channels.shape == (3, 37, 31)
    with Image.open(io.BytesIO(image.content)) as picture:
        assert picture.getexif()[ORIENTATION] == 6
        assert picture.info["icc_profile"] == PROFILE
        assert picture.info.get("dpi") == options.get("dpi")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_keeps_profile_resolution_orientation_and_description(dtype: type, tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tags = [(ORIENTATION, 3, 1, 6, True), (315, 2, 0, "somebody", True)]
    tifffile.imwrite(
        path, samples(3, dtype), photometric="rgb", iccprofile=PROFILE, resolution=(300, 200), resolutionunit="INCH",
        description="a scan", metadata=None, software="a scanner", extratags=tags,
    )  # fmt: skip
    image = again(read_image(path), path)
    with tifffile.TiffFile(io.BytesIO(image.content)) as file:
        page = file.pages[0]
        assert page.iccprofile == PROFILE
        assert page.resolution == (300, 200)
        assert (page.tags[ORIENTATION].value, page.tags[270].value) == (6, "a scan")
        assert 305 not in page.tags
        assert 315 not in page.tags


def test_a_telephone_jpeg_with_a_preview_is_its_photograph(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    preview = Image.fromarray(PHOTOGRAPH[::4, ::4])
    saved(path, Image.fromarray(PHOTOGRAPH), format="MPO", save_all=True, append_images=[preview])
    image = read_image(path)
    assert str(image) == "31x37 RGB, 8 bit JPEG"
    assert again(image, path).channels.shape == image.channels.shape


RGB = Image.fromarray(PHOTOGRAPH)
GRAY = PHOTOGRAPH[..., 0]
# One pixel of 32 bit, with a mask for each of red, green, blue and alpha.
MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
BMP_HEADER = struct.pack("<IiiHHIIIIII4I", 56, 1, 1, 1, 32, 3, 4, 0, 0, 0, 0, *MASKS)
TRANSPARENT_BMP = b"BM" + struct.pack("<III", 74, 0, 70) + BMP_HEADER + bytes(4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"no image at all", "not an image in one of the formats PNG, TIFF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in one of the formats"),
        (bytes_of(RGB.quantize(16), "GIF"), "GIF holds 256 colours at most: convert"),
        (bytes_of(RGB.convert("CMYK"), "JPEG"), "kind CMYK are not supported: convert"),
        (bytes_of(RGB.convert("CMYK"), "TIFF"), "kind CMYK are not supported: convert"),
        (b"P6\n2 1\n65535\n" + bytes(12), "PPM with more than 8 bit per colour"),
        (b"P3\n2 1\n1023\n1 2 3 4 5 6\n", "PPM with more than 8 bit per colour"),
        (b"Pf\n2 1\n-1.0\n" + bytes(8), "floating-point"),
        (tiff_of(GRAY.astype(np.float32)), "float32"),
        (tiff_of(GRAY.astype(np.int32)), "int32"),
        (tiff_of(GRAY.astype(np.int16)), "int16"),
        (tiff_of(np.stack([GRAY, GRAY]), photometric="minisblack"), "holds 2 pages: split it"),
        (tiff_of(np.zeros((4, 4, 5), np.uint16), photometric="rgb", planarconfig="contig"), "holds 5 samples"),
        (bytes_of(RGB, "PNG", save_all=True, append_images=[RGB.rotate(90)]), "holds 2 frames or pages: split it"),
        (raw_png(samples(3, np.uint16), size=(60000, 60000)), "bomb"),
        (raw_png(samples(3, np.uint8), size=(10000, 10000)), "bomb"),
        (tiff_of(GRAY).replace(struct.pack("<HHII", 257, 4, 1, 37), struct.pack("<HHII", 257, 4, 1, 37 << 20)), "bomb"),
        (TRANSPARENT_BMP, "BMP with transparency"),
        (raw_png(samples(3, np.uint8))[:-700], "cannot be decoded"),
        (raw_png(samples(3, np.uint16))[:-700], "cannot be decoded"),
        (bytes_of(RGB, "JPEG")[:-300], "cannot be decoded"),
        (tiff_of(samples(3, np.uint16), photometric="rgb")[:-900], "cannot be decoded"),
        (tiff_of(samples(3, np.uint16), photometric="rgb")[:60], "cannot be decoded"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_written_again_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_image(path)


def test_missing_files_and_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"not a file: give .*\*\.png"):
        read_image(tmp_path)


def test_channels_of_another_shape_or_depth_are_refused(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "image.png", PHOTOGRAPH))
    for channels in (image.channels[:1], image.channels.astype(np.uint16), image.channels[:, 1:]):
        with pytest.raises(ValueError, match="as in the original"):
            encode_like(image, channels)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (raw_png(samples(3, np.uint8))[:60], "PNG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "JPEG"),
        (b"GIF89a\0", "GIF"),
        (b"II*\0" + bytes(2), "TIFF"),
    ],
)
def test_a_damaged_file_is_not_called_another_kind_of_file(content: bytes, kind: str) -> None:
    with pytest.raises(DataError, match=f"{kind}.*damaged") as caught:
        decode(content)
    assert "not an image" not in str(caught.value)


# --- where imageio alone would lose something: the reason for each other decoder


@pytest.mark.parametrize("count", [2, 3, 4])
def test_imageio_loses_the_depth_of_16_bit_colour_png(count: int) -> None:
    pixels = samples(count, np.uint16)
    content = raw_png(pixels)
    assert iio.imread(content, plugin="pillow").dtype == np.uint8
    np.testing.assert_array_equal(decode(content).samples, pixels)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_transparent_gray_of_few_bits_becomes_alpha(bits: int, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 2**bits, (6, 16), dtype=np.uint8)
    transparent = 2**bits - 2
    content = shallow_png(bits, levels, transparent)
    path = tmp_path / "image.png"
    path.write_bytes(content)
    image = read_image(path)
    np.testing.assert_array_equal(image.channels[0], levels * (255 // (2**bits - 1)))
    assert image.alpha is not None
    np.testing.assert_array_equal(image.alpha, np.where(levels == transparent, 0, 255))
    np.testing.assert_array_equal(as_samples(again(image, path)), as_samples(image))
    if bits > 1:  # imageio compares the level of the file with levels that it has scaled to 8 bit
        assert (iio.imread(content, plugin="pillow", mode="LA")[..., 1] == 255).all()


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_pillow_does_not_read_16_bit_colour_tiff(planarconfig: str) -> None:
    pixels = samples(3, np.uint16)
    laid_out = pixels if planarconfig == "contig" else np.moveaxis(pixels, -1, 0)
    content = tiff_of(laid_out, photometric="rgb", planarconfig=planarconfig)
    by_pillow = iio.imread(content, plugin="pillow")
    assert by_pillow.dtype == np.uint8
    assert ((by_pillow == pixels >> 8).all()) == (planarconfig == "contig")
    np.testing.assert_array_equal(decode(content).samples, pixels)


# --- orientation


@pytest.mark.parametrize(
    "picture",
    [RGB, RGB.convert("L"), RGB.quantize(32), RGB.quantize(3), RGB.convert("1"), RGB.convert("YCbCr")],
    ids=["RGB", "gray", "palette", "small palette", "1 bit", "YCbCr"],
)
def test_a_tiff_is_read_as_stored_and_tagged_once(picture: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(turned_tiff(picture))
    image = read_image(path)
    with Image.open(io.BytesIO(bytes_of(picture, "TIFF", compression="tiff_lzw"))) as untagged:
        stored = np.atleast_3d(np.array(untagged.convert("L" if picture.mode in "1L" else "RGB")))
    np.testing.assert_array_equal(as_samples(image), stored)
    back = again(image, path)
    np.testing.assert_array_equal(as_samples(back), stored)
    with tifffile.TiffFile(io.BytesIO(back.content)) as file:
        assert file.pages[0].tags[ORIENTATION].value == 6
    # What a viewer shows is what it showed before.
    with Image.open(path) as before, Image.open(io.BytesIO(back.content)) as after:
        before.load()
        after.load()
        assert before.size == after.size == (37, 31)
        assert before.convert("RGB").tobytes() == after.convert("RGB").tobytes()


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_an_orientation_in_any_kind_of_tiff(order: str, big: bool, tmp_path: Path) -> None:
    bilevel = np.array(RGB.convert("1"))
    path = tmp_path / "image.tif"
    tags = [(ORIENTATION, 3, 1, 8, True)]
    tifffile.imwrite(path, bilevel, photometric="minisblack", byteorder=order, bigtiff=big, extratags=tags)
    np.testing.assert_array_equal(read_image(path).channels[0], 255 * bilevel)


# --- depth


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_odd_depths_reach_from_black_to_white(bits: int, tmp_path: Path) -> None:
    levels = np.linspace(0, 2**bits - 1, 64).astype(np.uint16).reshape(8, 8)
    path = tmp_path / "image.tif"
    path.write_bytes(packed_tiff(levels, bits))
    image = read_image(path)
    assert image.channels.dtype == np.uint16
    np.testing.assert_allclose(image.channels[0] / image.full_scale, levels / (2**bits - 1), atol=1e-5)
    np.testing.assert_array_equal(again(image, path).channels, image.channels)


# --- several planes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"imagej": True}, "holds 3 pages"),
        ({"imagej": True, "truncate": True}, "a stack of 3 planes"),
        ({"photometric": "minisblack", "truncate": True}, "a stack of 3 planes"),
        ({"photometric": "minisblack", "volumetric": True}, "a volume of 3 planes"),
    ],
    ids=str,
)
def test_one_plane_does_not_stand_for_a_stack(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 65535, (3, 9, 7), dtype=np.uint16)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, stack, **options)
    with pytest.raises(DataError, match=message):
        read_image(path)


def test_the_unit_of_a_micrograph_stays(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path, samples(1, np.uint16).squeeze(-1), imagej=True, resolution=(5.0, 5.0), metadata={"unit": "um"}
    )
    back = again(read_image(path), path)
    with tifffile.TiffFile(io.BytesIO(back.content)) as file:
        assert file.imagej_metadata is not None
        assert file.imagej_metadata["unit"] == "um"
        assert file.pages[0].resolution == (5.0, 5.0)


# --- metadata that no library writes


def test_a_description_in_other_letters_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(tiff_of(GRAY, description="5 µm".encode(), metadata=None))
    image = read_image(path)
    assert not_copied(image) == ()
    with tifffile.TiffFile(io.BytesIO(again(image, path).content)) as file:
        assert file.pages[0].description == "5 µm"


@pytest.mark.parametrize(("code", "form", "value"), [(296, "H", (0,)), (282, "II", (300, 0)), (282, "II", (0, 0))])
def test_a_resolution_that_cannot_be_written_does_not_cost_the_image(
    code: int, form: str, value: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "image.tif"
    path.write_bytes(tagged(tiff_of(GRAY, resolution=(300, 300), resolutionunit="INCH"), code, form, *value))
    image = read_image(path)
    np.testing.assert_array_equal(again(image, path).channels[0], GRAY)
    assert not_copied(image) in ((), ("resolution",))
    with tifffile.TiffFile(io.BytesIO(again(image, path).content)) as file:
        page = file.pages[0]
        if not_copied(image):
            assert (page.resolution, page.resolutionunit) == ((1, 1), tifffile.RESUNIT.NONE)
        else:
            assert page.tags[282].value == (value if code == 282 else (300, 1))


def test_an_orientation_of_two_values_does_not_cost_the_image(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, GRAY, extratags=[(ORIENTATION, 3, 2, (6, 6), True)])
    image = read_image(path)
    np.testing.assert_array_equal(image.channels[0], GRAY)
    assert not_copied(image) == ("orientation",)
    np.testing.assert_array_equal(again(image, path).channels[0], GRAY)


def test_a_description_that_contradicts_itself_does_not_cost_the_image(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    for text in ("ImageJ=1.11a\nimages=x\n", '{"shape": [3', "<?xml version='1.0'?><OME><Image></OME>"):
        path.write_bytes(tiff_of(GRAY, description=text, metadata=None))
        np.testing.assert_array_equal(read_image(path).channels[0], GRAY)


def test_exif_data_longer_than_a_jpeg_takes_leave_the_orientation(tmp_path: Path) -> None:
    path = saved(tmp_path / "image.jpg", PHOTOGRAPH, exif=EXIF.tobytes(), icc_profile=PROFILE)
    content = path.read_bytes()
    more = b"\xff\xe1" + struct.pack(">H", 2 + 6 + 60_000) + b"Exif\0\0" + bytes(60_000)
    at = content.index(b"\xff\xe1")
    end = at + 2 + struct.unpack_from(">H", content, at + 2)[0]
    path.write_bytes(content[:end] + 2 * more + content[end:])
    image = read_image(path)
    assert not_copied(image) == ("EXIF data",)
    with Image.open(io.BytesIO(again(image, path).content)) as picture:
        assert picture.getexif()[ORIENTATION] == 6
        assert picture.info["icc_profile"] == PROFILE


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_damaged_exif_data_do_not_cost_the_image(suffix: str, tmp_path: Path) -> None:
    lossless = {".webp": {"lossless": True}, ".png": {}, ".jpg": {"quality": 95}}[suffix]
    path = saved(tmp_path / f"image{suffix}", PHOTOGRAPH, exif=b"Exif\0\0nonsense", **lossless)
    image = read_image(path)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(as_samples(image), np.array(picture))
    assert again(image, path).channels.shape == image.channels.shape
