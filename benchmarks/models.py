"""How long the shipped models take for a photograph: network and solver together, on one thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.clock import mean_seconds, spread, take_turns, threads
from benchmarks.inputs import SIGMA, natural_colour_image, natural_image
from benchmarks.markdown import Table, three_digits
from difftv.denoiser import Denoiser
from difftv.models.pretrained import list_pretrained
from difftv.types import Image


@dataclass(frozen=True)
class ModelRow:
    """One shipped model on one image.

    Attributes:
        model: its name.
        channels: channels of the image that it takes at once.
        height, width: sides of the image in pixels.
        threads: threads of torch and of the solver.
        seconds: seconds of network and solver, per round.
    """

    model: str
    channels: int
    height: int
    width: int
    threads: int
    seconds: list[float]

    @property
    def per_megapixel(self) -> float:
        """Median seconds per million pixels."""
        return spread(self.seconds).median / (self.height * self.width / 1e6)


def measure_models(photographs: Sequence[Path], side: int, repeats: int) -> list[ModelRow]:
    """Every shipped model on a photograph with noise of sigma 25, in turns."""
    models = {name: Denoiser.pretrained(name) for name, card in list_pretrained().items() if card.forward is None}
    gray, colour = (
        images(photographs).float()
        for images in (
            lambda paths: natural_image(paths[0], side, side).noisy,
            lambda paths: natural_colour_image(paths, side, side).noisy,
        )
    )
    images = {name: colour if model.predictor.channels == 3 else gray for name, model in models.items()}
    with threads(1):
        turns = take_turns({name: partial(_once, model, images[name]) for name, model in models.items()}, repeats)
    return [
        ModelRow(name, images[name].shape[1], side, side, 1, seconds["evaluation"]) for name, seconds in turns.items()
    ]


def models_table(rows: Sequence[ModelRow]) -> Table:
    first = rows[0]
    return Table(
        title="The shipped models",
        remark=f"Batch 1, an image of {first.height}x{first.width} with noise of sigma {SIGMA:g}, network and solver, "
        f"{first.threads} thread(s), {len(first.seconds)} round(s) in turns; median.",
        heads=("model", "channels", "[s]", "[s per megapixel]"),
        rows=[
            (row.model, str(row.channels), three_digits(spread(row.seconds).median), three_digits(row.per_megapixel))
            for row in rows
        ],
    )


def _once(model: Denoiser, noisy: Image) -> dict[str, float]:
    with torch.no_grad():
        return {"evaluation": mean_seconds(lambda: model.denoise(noisy, SIGMA))}
