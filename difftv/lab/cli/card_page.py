"""The card of a model as a page to read, NAME.md."""

from collections.abc import Sequence

from difftv.axes import KINDS
from difftv.lab.report.markdown import escape, grid
from difftv.models.card import Card, Measured

COLUMNS = {
    "psnr": ("PSNR (dB)", 2),
    "ssim": ("SSIM", 4),
    "tuned/psnr": ("scalar, tuned on training crops: PSNR", 2),
    "tuned/ssim": ("SSIM", 4),
    "set_oracle/psnr": ("best scalar for these images: PSNR", 2),
    "set_oracle/ssim": ("SSIM", 4),
    "noisy/psnr": ("noisy: PSNR", 2),
    "noisy/ssim": ("SSIM", 4),
}
"""Metric -> head of its column and digits, in this order; others are shown under their own names after these."""


def card_page(card: Card) -> str:
    """The card as Markdown."""
    parts = [
        f"# {card.name}",
        _use(card),
        _what(card),
        "## Numbers",
        _numbers(card.numbers),
        *(
            ["With `--ensemble` (eight times the time in the network):", _numbers(card.ensemble)]
            if card.ensemble
            else []
        ),
        card.protocol,
        _reference(card),
        "## Training",
        _training(card),
    ]
    return "\n\n".join(parts) + "\n"


def _use(card: Card) -> str:
    file, example = f"{card.name}.safetensors", "photo.png" if card.axes == 2 else "stack.tif --axes 3"
    if card.forward is None:
        return f'`Denoiser.load("{file}")`, or `difftv-denoise --model {file} {example}`.'
    return f'`Reconstructor.load("{file}")(y, operator=A)`: it takes measurements and their operator, no noisy images.'


def _what(card: Card) -> str:
    lines = ["- images: RGB, the three channels together; a gray one as three equal channels"] if card.colour else []
    lines += [f"- data: {KINDS[card.axes]}"] if card.axes != 2 else []
    if card.forward is not None:
        lines.append(f"- measurements: {escape(card.forward)}")
    units = "sigma in 8-bit units" if "noise" in card.config else "8-bit units"
    lines += [f"- noise: {card.noise} ({units})", f"- weights: {card.weights:,}, float32"]
    for group in ("predictor", "regularizer"):
        node = card.config[group]
        settings = ", ".join(f"{key} = {value}" for key, value in node.items() if key != "name")
        lines.append(f"- {group}: `{node['name']}`{f' ({escape(settings)})' if settings else ''}")
    lines.append(f"- trained through: `{card.config['solver']['name']}`")
    return "\n".join(lines)


def _numbers(measured: Sequence[Measured]) -> str:
    if not measured:
        return "Nothing was measured on a set of images."
    known = [name for name in COLUMNS if any(name in row.metrics for row in measured)]
    others = sorted({name for row in measured for name in row.metrics} - set(COLUMNS))
    heads = [
        "set",
        "noise" if any(row.noise for row in measured) else "sigma",
        "images",
        "solver",
        *(COLUMNS[name][0] for name in known),
        *others,
    ]
    rows = [_row(row, [*known, *others]) for row in measured]
    parts = [grid([list(map(escape, heads)), *rows], left=1)]
    late = [f"{row.set}{_level(row)}: {', '.join(row.not_converged)}" for row in measured if row.not_converged]
    if late:
        parts.append(f"NOT CONVERGED: {escape('; '.join(late))}.")
    return "\n\n".join(parts)


def _level(row: Measured) -> str:
    return "" if row.level is None else f" at {row.level}"


def _row(row: Measured, names: list[str]) -> list[str]:
    cells = [
        escape(row.set),
        "as measured" if row.sigma is None else row.noise or f"{row.sigma:g}",
        str(row.images),
        escape(row.solver),
    ]
    for name in names:
        value, digits = row.metrics.get(name), COLUMNS.get(name, ("", 4))[1]
        cells.append("" if value is None else f"{value:.{digits}f}")
    return cells


def _reference(card: Card) -> str:
    found = card.reference
    axes = len(found.crop) // 2
    names = ("slices", "rows", "columns")[-axes:]
    parts = zip(names, found.crop[:axes], found.crop[axes:], strict=True)
    piece = ", ".join(f"{name} {first} to {first + length}" for name, first, length in parts)
    on = "a photograph that ships with scikit-image" if axes == 2 else "a generated volume (data=phantoms)"
    return (
        f"Reference, on {on}: `{escape(found.image)}`, {piece}, {found.level}, {_reference_protocol(card)}: "
        f"{found.psnr:.2f} dB{'' if found.converged else ' (NOT CONVERGED)'}."
    )


def _reference_protocol(card: Card) -> str:
    return "the same protocol" if card.forward is None else "measurements simulated with seed 0, not rounded"


def _training(card: Card) -> str:
    it = card.training
    lines = [
        f"- images: {escape(it.images)}",
        f"- their terms: {escape(it.terms)}",
        f"- command: `{it.command}`" if it.command else "- command: not recorded",
        f"- commit: {escape(it.commit)}" if it.commit else "- commit: not recorded",
        f"- seed {it.seed}; {it.epochs} epochs, weights of epoch {it.best_epoch} (the best on validation images)",
    ]
    if it.scalars:
        constants = ", ".join(f"{name} = {value:.4g}" for name, value in it.scalars.items())
        lines.append(f"- best constants on the training crops: {escape(constants)}")
    versions = ", ".join(f"{name} {version}" for name, version in it.versions.items())
    lines.append(f"- versions: {escape(versions) or 'not recorded'}")
    return "\n".join(lines)
