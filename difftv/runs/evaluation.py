"""The final numbers of a run: the learned map beside the noisy images, scalar lambdas and non-local means."""

from dataclasses import dataclass

from difftv.baselines import GridSearch, nonlocal_means, scalar_denoiser, search_per_image, search_per_set
from difftv.noise import middle_of
from difftv.runs.build import Images
from difftv.runs.options import RunOptions
from difftv.training.evaluation import Evaluated, Row, evaluate, evaluate_group, evaluate_plain
from difftv.training.loop import Learner


@dataclass(frozen=True)
class Measured:
    """What an evaluation found.

    Attributes:
        names: of the images.
        methods: prefixes of the metrics: one way of denoising each, the learned map under the empty one.
        rows: one per image, the metrics of every method.
        learned: the images through the learned map.
        baseline: the images through the scalar lambda of `search`.
        search: for one scalar, on training crops.
        oracle: for one scalar per image, on that image; None where the configuration leaves it out.
    """

    names: list[str]
    methods: list[str]
    rows: list[Row]
    learned: list[Evaluated]
    baseline: list[Evaluated]
    search: GridSearch
    oracle: GridSearch | None


class FinalEvaluation:
    """Measures what a run has learned on its evaluation images.

    Args:
        learner: with the weights of the best epoch.
        images: of the run.
        options: of the run.
    """

    def __init__(self, learner: Learner, images: Images, options: RunOptions) -> None:
        self.learner = learner
        self.images = images
        self.options = options
        self.solver = learner.denoiser.solver

    def measure(self) -> Measured:
        """All of it, with progress bars; the searches take the longest."""
        items, sigma = self.images.evaluation, middle_of(self.options.top.sigma)
        learned = self._learned()
        search = search_per_set(
            self.solver,
            self.images.search,
            batch_size=self.options.training.batch_size,
            refinements=self.options.evaluation.refinements,
            label="search lambda",
        )
        baseline = evaluate(
            scalar_denoiser(self.solver, search.lam[0]),
            items,
            batch_size=self.options.training.batch_size,
            label="evaluate scalar",
        )
        columns = {
            "": [entry.row for entry in learned],
            "baseline": [entry.row for entry in baseline],
            "noisy": evaluate_plain(lambda noisy: noisy, items),
            "nonlocal_means": evaluate_plain(lambda noisy: nonlocal_means(noisy, sigma), items),
        }
        oracle = self._oracle() if self.options.evaluation.oracle else None
        if oracle is not None:
            columns["oracle"] = self._oracle_rows(oracle)
        rows = [
            {f"{prefix}/{name}" if prefix else name: value for prefix, row in zip(columns, kinds, strict=True)
             for name, value in row.items()}
            for kinds in zip(*columns.values(), strict=True)
        ]  # fmt: skip
        return Measured([item.name for item in items], list(columns), rows, learned, baseline, search, oracle)

    def _learned(self) -> list[Evaluated]:
        return evaluate(
            self.learner.denoiser.eval(),
            self.images.evaluation,
            batch_size=self.options.training.batch_size,
            device=self.learner.device,
            label="evaluate learned",
        )

    def _oracle(self) -> GridSearch:
        return search_per_image(
            self.solver,
            self.images.evaluation,
            batch_size=self.options.training.batch_size,
            refinements=self.options.evaluation.refinements,
            label="search lambda per image",
        )

    def _oracle_rows(self, oracle: GridSearch) -> list[Row]:
        return [
            {**evaluate_group(scalar_denoiser(self.solver, lam), [item])[0].row, "lam": lam}
            for item, lam in zip(self.images.evaluation, oracle.lam, strict=True)
        ]
