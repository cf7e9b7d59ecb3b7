"""How accurate must a solver be? Cone solvers against the exact layer: image, gradients, time, and what training sees.

python experiments/gradient_accuracy.py
python experiments/gradient_accuracy.py --eps 1e-3 1e-5 --batch 4 --epochs 10 --output outputs/my_study

Natural patches, sigma 25, a smooth random map: SCS and exact at several tolerances, ECOS and Clarabel against the
exact solution with its closed-form gradient. Then experiment=demo is trained through exact and through SCS from
the same seed. Prints the tables and writes study.md, .csv, .json, gradient_accuracy.png and training.png.
"""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.accuracy import REFERENCE_TOL, AccuracyRow, accuracy_table, measure_accuracy, to_csv
from benchmarks.inputs import Inputs, natural_patches
from benchmarks.markdown import Table, three_digits, to_markdown
from difftv.arguments import path_argument, positive, positive_int
from difftv.errors import DataError, DiffTVError, MissingDependencyError
from difftv.files import check_writable, write_atomically
from difftv.lab.data import Sample, default_cache_dir
from difftv.lab.data.base import image_files
from difftv.lab.figures import AccuracyPoint, gradient_accuracy, save_figure, training_comparison
from difftv.lab.report import read_history, read_sweep
from difftv.lab.rundir.provenance import git_commit, versions
from difftv.lab.cli.command import command
from difftv.printing import print_safely
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Clarabel, Ecos, Exact, Scs, Solver

EXACT = "exact"
LOOSE = (1e-4, 1e-5, 1e-6)
"""Tolerances of exact at which it gives up exactness for speed; its default is exact."""

TRAINED = (EXACT, "scs")
TRAINING = (
    "experiment=demo",
    "tracker=none",
    "evaluation.test_images=1",
    "evaluation.search_images=1",
    "evaluation.refinements=1",
)
"""Only the epochs are looked at, so the evaluation at the end of a run is kept short."""

RUN = Path(__file__).with_name("run.py")


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = [5e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8]
    parser.add_argument("--eps", nargs="+", type=float, default=default, help="of SCS (default: 5e-3, 1e-3 to 1e-8)")
    parser.add_argument("--patch-size", type=int, default=32, help="px (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="patches (default: %(default)s)")
    parser.add_argument("--data", type=path_argument, help="directory of images (default: photographs of scikit-image)")
    parser.add_argument("--epochs", type=int, default=6, help="of the training; 0 leaves it out (default: %(default)s)")
    parser.add_argument("--set", nargs="+", default=[], metavar="key=value", help="of the training, as for run.py")
    parser.add_argument(
        "--output", type=path_argument, default=Path("outputs/study"), help="directory (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        for name in ("patch_size", "batch"):
            positive_int(f"--{name.replace('_', '-')}", getattr(options, name))
        tolerances = [positive("--eps", value) for value in options.eps]
        files = image_files(options.data) if options.data else [*Sample().files().test, *Sample().files().train]
        if not files:
            raise DataError(f"--data {options.data} holds no image files. Check the path.")
        check_writable(options.output / "study.json")
        inputs = natural_patches(files, default_cache_dir(), options.patch_size, options.batch)
    except (ValueError, DataError) as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"--output {options.output} cannot be written to ({error.strerror})")
    try:
        return _study(options, _solvers(tolerances), inputs)
    except (DiffTVError, OSError, subprocess.CalledProcessError) as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 1


def _study(options: argparse.Namespace, solvers: Mapping[str, Solver], inputs: Inputs) -> int:
    with tqdm(total=len(solvers), unit="solver", disable=None) as bar:

        def on_solver(name: str) -> None:
            bar.update(name != EXACT)
            bar.set_description(name)

        reference = Exact(AnisotropicTV(), tol=REFERENCE_TOL)
        rows = measure_accuracy(solvers, reference, inputs, on_solver=on_solver)
        bar.update()
    table = accuracy_table(rows, inputs)
    save_figure(_figure(rows, table), options.output / "gradient_accuracy.png")
    origin = {"threads": torch.get_num_threads(), "versions": versions(), "git": {"commit": git_commit()}}
    _write(options.output, to_markdown(table), rows, {}, origin)
    if options.epochs:
        histories = {name: _train(name, options) for name in TRAINED}
        title = f"Trained through the exact layer and through SCS, {options.epochs} epochs, one seed"
        save_figure(training_comparison(histories, title=title), options.output / "training.png")
        text = "\n\n".join(map(to_markdown, (table, _training_table(histories))))
        _write(options.output, text, rows, histories, origin)
    print_safely((options.output / "study.md").read_text(encoding="utf-8"))
    print_safely(f"Written: {options.output}", error=True)
    return 0


def _solvers(tolerances: Sequence[float]) -> dict[str, Solver]:
    """By the name in the table; an optional package that is missing is left out with a word."""
    regularizer = AnisotropicTV()
    solvers: dict[str, Solver] = {EXACT: Exact(regularizer)}
    solvers |= {_named(EXACT, tol): Exact(regularizer, tol=tol) for tol in LOOSE}
    solvers |= {_named("scs", eps): Scs(regularizer, eps=eps) for eps in tolerances}
    solvers["clarabel"] = Clarabel(regularizer)
    try:
        solvers["ecos"] = Ecos(regularizer)
    except MissingDependencyError as error:
        print_safely(f"left out: {error}", error=True)
    return solvers


def _named(solver: str, tolerance: float) -> str:
    return f"{solver} {tolerance:.0e}".replace("e-0", "e-")


def _figure(rows: Sequence[AccuracyRow], table: Table) -> Figure:
    points: dict[str, list[AccuracyPoint]] = {}
    for row in rows:
        name, _, label = row.solver.partition(" ")
        if row.solver != EXACT:
            image, in_lam, in_noisy = map(median, (row.image_errors, row.lam_errors, row.noisy_errors))
            points.setdefault(name, []).append(AccuracyPoint(label, image, in_lam, in_noisy, row.forward, row.backward))
    exact = next((row.forward + row.backward for row in rows if row.solver == EXACT), None)
    return gradient_accuracy(points, exact=None if exact is None else (EXACT, exact), title=f"{table.title}, medians")


def _train(solver: str, options: argparse.Namespace) -> list[dict[str, float]]:
    """The epochs of a run of experiments/run.py; one that is finished is not computed again."""
    settings = [f"trainer.epochs={options.epochs}", *options.set]
    directory = options.output / re.sub(r"[^A-Za-z0-9=.,-]+", "_", ",".join(settings)) / solver
    quoted = str(directory).replace("\\", "\\\\").replace("'", "\\'")  # Hydra's grammar has a use for = and commas
    command = [*TRAINING, f"solver={solver}", *settings, f"hydra.run.dir='{quoted}'"]
    # Its log goes where its progress bar goes: standard output is the table's.
    subprocess.run([sys.executable, str(RUN), *command], stdout=sys.stderr, check=True)
    run = next(run for run in read_sweep(directory.parent).runs if run.name == solver)
    return read_history(run)


def _training_table(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Table:
    exact = histories[EXACT]
    keys = {"train/loss": ".6f", "validation/psnr": ".3f"}
    heads = [
        "epoch",
        *(f"{key}, {name}" for key in keys for name in histories),
        "solver ms/image: " + " / ".join(histories),
    ]
    rows = []
    for epoch in range(len(exact)):
        cells = [f"{histories[name][epoch][key]:{form}}" for key, form in keys.items() for name in histories]
        times = (
            1e3 * (rows[epoch]["solver/forward_seconds"] + rows[epoch]["solver/backward_seconds"])
            for rows in histories.values()
        )
        rows.append((str(epoch + 1), *cells, " / ".join(map(three_digits, times))))
    return Table(
        title="Training through the exact layer and through SCS",
        remark=f"The same seed, patches and noise: experiments/run.py {' '.join(TRAINING)}; SCS at its default eps.",
        heads=tuple(heads),
        rows=rows,
    )


def _write(
    directory: Path,
    text: str,
    rows: Sequence[AccuracyRow],
    histories: Mapping[str, object],
    origin: Mapping[str, object],
) -> None:
    """After each half: what has been measured survives an interruption."""
    document = {"format": 1, "rows": [asdict(row) for row in rows], "training": histories, **origin}
    write_atomically(directory / "study.md", text + "\n")
    write_atomically(directory / "study.csv", to_csv(rows))
    write_atomically(directory / "study.json", json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
