"""The final numbers of a run: the learned map beside the noisy images, scalar lambdas and non-local means."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from difftv.denoiser import Denoiser
from difftv.lab.baselines import (
    GridSearch,
    images_at_a_time,
    loosened,
    nonlocal_means,
    numbers_by_sure,
    scalar_denoiser,
    search_per_image,
    search_per_set,
)
from difftv.lab.data import EvaluationItem, EvaluationItems
from difftv.lab.runs.build import Images
from difftv.lab.runs.options import SURE, RunOptions
from difftv.lab.training.evaluation import Evaluated, Row, evaluate, evaluate_group, evaluate_plain
from difftv.lab.training.loop import TrainingSetup
from difftv.lab.training.restoration import best_factor
from difftv.method import Method
from difftv.noise import GaussianNoise, Noise, as_white
from difftv.types import Image


@dataclass(frozen=True)
class Measured:
    """What an evaluation found.

    Attributes:
        names: names of the images.
        map_names: map names of the regularizer.
        methods: prefixes of the metrics: one way of denoising each, the learned map under the empty one.
        rows: one per image, the metrics of every method.
        learned: the images through the learned map.
        baseline: the images through the constant maps of `search`; empty without a search.
        search: for the constant maps, on training crops; None where there are no clean images to search by.
        oracle: for constant maps of every image, on that image; None where the configuration leaves it out.
        spacing: distance of pixels along every axis; None: 1.
    """

    names: list[str]
    map_names: tuple[str, ...]
    methods: list[str]
    rows: list[Row]
    learned: list[Evaluated]
    baseline: list[Evaluated]
    search: GridSearch | None
    oracle: GridSearch | None
    spacing: tuple[float, ...] | None = None


class FinalEvaluation:
    """Measures what a run has learned on its evaluation images.

    Args:
        setup: with the weights of the best epoch.
        images: images of the run.
        options: options of the run.
        stored: a model that is measured on the same images; None for none.
    """

    def __init__(self, setup: TrainingSetup, images: Images, options: RunOptions, stored: Method | None = None) -> None:
        self.setup = setup
        self.images = images
        self.options = options
        self.stored = stored
        self.stabilise = getattr(setup.denoiser, "stabilise", True)
        self.solver = setup.denoiser.solver
        self.device = self.solver.workplace.device_for(setup.device)

    def measure(self) -> Measured:
        """All of it, with progress bars; the searches take the longest."""
        items, clean = self.images.evaluation, self.options.data.clean
        learned = self._learned()
        search, baseline, numbers = None, list[Evaluated](), self._numbers_by_sure()
        start: Sequence[float] = ()
        if numbers:
            baseline, start = self._one_by_one(numbers), numbers[len(numbers) // 2]
        elif clean:
            search = self._search()
            start = search.values[0]
            baseline = evaluate(
                self._scalar(start),
                items,
                batch_size=self.options.training.batch_size,
                device=self.device,
                label="evaluate scalar",
            )
        columns = {
            "": [entry.row for entry in learned],
            **({"baseline": self._named_rows(baseline, numbers)} if baseline else {}),
            "noisy": evaluate_plain(lambda noisy: noisy, items),
        }
        if not items.forward.measures and items.images.axes > 1:
            columns["nonlocal_means"] = [
                row for item in items for row in evaluate_plain(partial(_nonlocal_means, noise=_noise_of(item)), [item])
            ]
        if self.stored is not None:
            columns["model"] = self._stored_rows(self.stored)
        oracle = self._oracle(start) if clean and self.options.evaluation.oracle else None
        if oracle is not None:
            columns["oracle"] = self._named_rows(self._one_by_one(oracle.values), oracle.values)
        rows = [
            {f"{prefix}/{name}" if prefix else name: value for prefix, row in zip(columns, kinds, strict=True)
             for name, value in row.items()}
            for kinds in zip(*columns.values(), strict=True)
        ]  # fmt: skip
        return Measured(
            [item.name for item in items],
            self.setup.map_names,
            list(columns),
            rows,
            learned,
            baseline,
            search,
            oracle,
            self.solver.regularizer.spacing,
        )

    def _search(self) -> GridSearch:
        return search_per_set(
            loosened(self.solver),
            self.images.search,
            batch_size=self._batch_size(self.images.search),
            refinements=self.options.evaluation.refinements,
            label=f"search {', '.join(self.solver.regularizer.parameters)}",
            device=self.setup.device,
            stabilise=self.stabilise,
        )

    def _numbers_by_sure(self) -> list[tuple[float, ...]]:
        """The constants of every image, where they are chosen by Stein's risk estimate; else nothing."""
        if self.options.evaluation.scalar != SURE:
            return []
        return [numbers_by_sure(self.solver, item, self.device, self.stabilise) for item in self.images.evaluation]

    def _one_by_one(self, numbers: Sequence[Sequence[float]]) -> list[Evaluated]:
        """Every image with constants of its own."""
        pairs = zip(self.images.evaluation, numbers, strict=True) if numbers else ()
        return [evaluate_group(self._scalar(own), [item], self.device, loss=self.setup.loss)[0] for item, own in pairs]

    def _named_rows(self, entries: Sequence[Evaluated], numbers: Sequence[Sequence[float]]) -> list[Row]:
        """The rows, with the constants of every image by name where it has its own."""
        names = self.solver.regularizer.parameters
        if not numbers:
            return [entry.row for entry in entries]
        return [
            {**entry.row, **dict(zip(names, own, strict=True))} for entry, own in zip(entries, numbers, strict=True)
        ]

    def _stored_rows(self, stored: Method) -> list[Row]:
        """Behind an operator the model has one factor on its maps, tuned on the crops of the scalar search."""
        batch_size, factor = self.options.training.batch_size, 1.0
        tuned = self.images.evaluation.forward.measures and isinstance(stored, Denoiser)
        if tuned:
            assert isinstance(stored, Denoiser)
            factor = best_factor(stored, self.images.search, batch_size, "cpu")
        found = evaluate(
            stored, self.images.evaluation, batch_size=batch_size, label="evaluate stored model", factor=factor
        )
        return [{**entry.row, "factor": factor} if tuned else entry.row for entry in found]

    def _learned(self) -> list[Evaluated]:
        return evaluate(
            self.setup.denoiser.eval(),
            self.images.evaluation,
            batch_size=self.options.training.batch_size,
            device=self.setup.device,
            label="evaluate learned",
            loss=self.setup.loss,
        )

    def _oracle(self, start: Sequence[float]) -> GridSearch:
        return search_per_image(
            loosened(self.solver),
            self.images.evaluation,
            batch_size=self._batch_size(self.images.evaluation),
            start=start,
            refinements=self.options.evaluation.refinements,
            label=f"search {', '.join(self.solver.regularizer.parameters)} per image",
            device=self.setup.device,
            stabilise=self.stabilise,
        )

    def _batch_size(self, items: EvaluationItems) -> int:
        """Of a search, whose result does not depend on it."""
        space = items[0].noisy.shape[2:] if len(items) else (1,)
        return images_at_a_time(self.solver, self.options.training.batch_size, *space)

    def _scalar(self, numbers: Sequence[float]) -> Denoiser:
        return scalar_denoiser(self.solver, numbers, self.stabilise).to(self.device)


def _noise_of(item: EvaluationItem) -> Noise:
    return GaussianNoise(item.sigma) if item.kind is None else item.kind


def _nonlocal_means(noisy: Image, noise: Noise) -> Image:
    """Through the transform that makes the noise white, where there is one."""
    if isinstance(noise, GaussianNoise):
        return nonlocal_means(noisy, float(noise.sigma))
    white = as_white(noisy, noise)
    return white.restored(nonlocal_means(white.images, float(white.sigma)))
