"""What a reader of a table must know before comparing its numbers."""

import math
from collections.abc import Sequence

from difftv.axes import KINDS, by_size
from difftv.lab.report.settings import EVALUATED_ON, MISSING, NUM_IMAGES, Settings, confounded, lookup, show
from difftv.lab.report.sweep import Run


def protocol(all_settings: Sequence[Settings]) -> str:
    """`Evaluated on test (12 crops of 64x64 pixels)`; every kind, where the runs differ."""
    return "Evaluated on " + "; ".join(sorted({evaluation(settings) for settings in all_settings}))


def evaluation(settings: Settings) -> str:
    """`test (12 crops of 64x64 pixels)`: what one run was evaluated on."""
    number, side = show(settings[NUM_IMAGES]), lookup(settings, "data.eval_patch_size")
    axes = lookup(settings, "data.axes")
    kind = KINDS[axes if axes in KINDS else 2]  # type: ignore[index]
    if side == MISSING:
        images = kind.removesuffix("s") if number == "1" else kind
    elif side is None:
        images = f"whole {kind}"
    else:
        crops = "crop" if number == "1" else "crops"
        sides = show(side).strip("[]").split(", ") if isinstance(side, str) else [show(side)] * int(axes)  # type: ignore[arg-type]
        images = f"{crops} of {by_size(sides)} {'voxels' if axes == 3 else 'pixels'}"
    clipped = ", noise clipped to [0, 1]" if lookup(settings, "data.clip_noise") == "true" else ""
    return f"{show(settings[EVALUATED_ON])} ({number} {images}{_noise(settings)}{clipped})"


def _noise(settings: Settings) -> str:
    """`, noise poisson_gaussian (gain 0.02)`; nothing of white noise, whose sigma stands beside the numbers."""
    kind = show(lookup(settings, "noise"))
    if kind == "gaussian":
        return ""
    values = {key.removeprefix("noise."): value for key, value in settings.items() if key.startswith("noise.")}
    stated = ", ".join(f"{name} {show(value)}" for name, value in values.items() if name != "_target_" and value != 0)
    return f", noise {kind}" + (f" ({stated})" if stated else "")


def key_remarks(all_settings: Sequence[Settings], shown: Sequence[str], *, added: Sequence[str]) -> list[str]:
    """Which keys became rows unasked, and which ones change along with those that are shown."""
    remarks = []
    by_sure = [lookup(settings, "evaluation.scalar") == "sure" for settings in all_settings]
    if any(by_sure):
        remarks.append(
            "Scalar lambda: chosen for every image by Stein's risk estimate, without a clean image "
            "(evaluation.scalar=sure)" + ("." if all(by_sure) else "; of the other runs by the PSNR on training crops.")
        )
    if added:
        remarks.append(f"The runs also differ in {', '.join(added)}: added as rows, not averaged over.")
    hidden = confounded(all_settings, shown)
    if hidden:
        remarks.append(f"Changes along with the rows or columns: {', '.join(hidden)}.")
    return remarks


def metric_remarks(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Which runs hold something else than a number under one of these names, and which lack their rows per image."""
    blind = [run.name for run in runs if lookup(run.settings, "data.clean") in (False, "false")]
    said = (
        f"{', '.join(blind)}: no clean images, so no metric that needs them; estimated_mse trusts in the noise that "
        "was given or estimated, and in its independence from pixel to pixel."
    )
    remarks = [said] if blind else []
    remarks += [f"{run.name}: per_image.csv is missing or unreadable." for run in runs if not run.images]
    remarks += [
        f"{run.name}: config.yaml was changed after the run ({', '.join(run.edited)}); shown is what the run had."
        for run in runs
        if run.edited
    ]
    for run in runs:
        broken = [name for name in names if math.isnan(run.metrics.get(name, 0.0))]
        if broken:
            remarks.append(f"{run.name}: not a number: {', '.join(broken)}.")
    return remarks
