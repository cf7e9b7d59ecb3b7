"""The numbers of README and docs, drawn from the documents in docs/measurements/: none of them is typed.

A page holds blocks, `<!-- measured: NAME -->...<!-- /measured -->`; what stands between is written by `redraw`, and a
test compares. A block whose part no document holds yet says which command measures it.
"""

import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.clock import spread, total
from benchmarks.deblurring import deblurring_table
from benchmarks.denoisers import ANISOTROPIC, COUPLED, ISOTROPIC
from benchmarks.drop_in import DropInRow
from benchmarks.hand_written import NAME as BY_HAND
from benchmarks.knee import knee_table
from benchmarks.learned_volumes import learned_volumes_table
from benchmarks.losses import loss_gradients_table, losses_table
from benchmarks.markdown import Table, between, milliseconds, three_digits
from benchmarks.models import ModelRow
from benchmarks.operators import gradients_table, operators_table
from benchmarks.optimizers import optimizers_table
from benchmarks.regularizers import regularizers_table
from benchmarks.steps import StepRow
from benchmarks.stored import STUDIES, read
from benchmarks.volumes import volumes_text
from difftv.lab.report.markdown import grid

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENTS = PROJECT / "docs" / "measurements"

SPEED = DOCUMENTS / "speed.json"
"""What `python experiments/benchmark.py --publish` writes."""

SPEED_PARTS = ("exact", "batched", "models")
"""Parts of it: those whose numbers the pages quote, in some eight minutes on two cores."""

PAGES = ("README.md", "docs/benchmarks.md", "docs/models.md", "docs/results.md")

COMMAND = "python experiments/benchmark.py --publish"

_BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n?)(.*?)(<!-- /measured -->)", re.DOTALL)

_SHOWN = {
    "clarabel": "Clarabel",
    "ecos": "ECOS",
    "scs": "SCS",
    "taut_string": "exact",
    "taut_string, tol=1e-10": "exact",
}
"""Names in documents of earlier versions, and of solvers in a sentence."""

Rows = Mapping[str, Sequence[Any]]


def redraw(pages: Sequence[str] = PAGES, project: Path = PROJECT) -> list[str]:
    """Write the blocks of the pages anew; the pages that changed come back."""
    changed = []
    for page in pages:
        path = project / page
        before = path.read_text(encoding="utf-8")
        after = drawn(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(page)
    return changed


def drawn(text: str, documents: Path = DOCUMENTS) -> str:
    """The text of a page with its blocks drawn from the documents.

    Raises:
        ValueError: a block has a name that is none of `BLOCKS`, or a document cannot be read.
    """
    parts = dict(_parts(documents))

    def one(found: re.Match[str]) -> str:
        begin, name, _, end = found.groups()
        if name not in BLOCKS:
            raise ValueError(f"no block is called {name!r}: {', '.join(BLOCKS)}.")
        part, draw = BLOCKS[name]
        text = draw(parts[part]) if parts.get(part) else f"Not measured yet on an idle machine: `{_command(part)}`."
        return begin + text + ("\n" if begin.endswith("\n") else "") + end

    return _BLOCK.sub(one, text)


def _command(part: str) -> str:
    """What measures a part."""
    return getattr(sys.modules[STUDIES[part][0].__module__], "COMMAND", COMMAND) if part in STUDIES else COMMAND


def _parts(documents: Path) -> Iterator[tuple[str, Sequence[Any]]]:
    for path in sorted(documents.glob("*.json")):
        # Scripts of experiments/ keep documents of their own form there, whose tables have tests of their own.
        if "rows" in json.loads(path.read_text(encoding="utf-8")):
            continue
        for name, found in read(path).found.items():
            yield name, found.rows


def _sentence(rows: Sequence[StepRow]) -> str:
    """Two lines for the README."""
    first, *others = (
        row for row in rows if row.regularizer == "anisotropic" and "tol=1e-06" not in row.accuracy.solver
    )
    slopes, short = [row for row in rows if row.regularizer == "tvpwl"][:2]
    ratios = sorted((row.over_first.median, _SHOWN[row.accuracy.solver]) for row in others)
    listed = ", ".join(f"{name} {ratio:.0f}" for ratio, name in ratios)
    text = (
        f"The exact layer takes {_ms(first)} ms for one batch of {first.batch} patches of "
        f"{first.patch_size}x{first.patch_size}, forward and backward on one thread; {listed} times as long; with "
        f"learned slopes {_ms(slopes)} ms, a batched ADMM {short.over_first.median:.0f} times as long "
        "([how, and more numbers](docs/benchmarks.md))."
    )
    return textwrap.fill(text, 130, break_long_words=False, break_on_hyphens=False)


def _exact(rows: Sequence[StepRow]) -> str:
    kept = [row for row in rows if "tol=1e-06" not in row.accuracy.solver]
    heads = ["regularizer", "solver", "step [ms]", "over `exact`", "largest error [intensity]"]
    heads += ["gradient, relative error: median image", "worst image"]
    return grid([heads, *([row.regularizer, *_step(row)] for row in kept)], 2)


def _batched(rows: Sequence[StepRow]) -> str:
    """The table, and what the layer written by hand takes over `admm`, on every number of threads."""
    heads = ["regularizer, patch [px], batch", "solver", "threads", "step [ms]", "over `admm`"]
    heads += ["largest error [intensity]", "gradient, relative error: median image", "worst image"]
    lines = []
    for row in rows:
        name, *rest = _step(row)
        lines.append(
            [f"{row.regularizer} {row.patch_size}x{row.patch_size}, {row.batch}", name, str(row.threads), *rest]
        )
    words = [
        f"{row.regularizer} {row.over_first.median:.0f} on {row.threads} thread{'s' * (row.threads > 1)}"
        for row in rows
        if row.accuracy.solver == BY_HAND
    ]
    said = f"The layer that is written by hand takes as many times as long as `admm`: {', '.join(words)}."
    return f"{grid([heads, *lines], 2)}\n\n{said}"


def _step(row: StepRow) -> list[str]:
    errors = row.accuracy.lam_errors
    return [
        f"`{_SHOWN.get(row.accuracy.solver, row.accuracy.solver).lower()}`"
        if row.accuracy.solver != BY_HAND
        else BY_HAND,
        _ms(row),
        between(row.over_first),
        f"{row.accuracy.largest_error:.1e}",
        f"{spread(errors).median:.1e}",
        f"{max(errors):.1e}",
    ]


def _ms(row: StepRow) -> str:
    return milliseconds(total(row.seconds)).removesuffix(".0")


def _models(rows: Sequence[ModelRow]) -> str:
    listed = ", ".join(f"`{row.model}` {three_digits(row.per_megapixel)}" for row in rows)
    first = rows[0]
    return (
        f"Seconds per megapixel, network and solver, on {first.threads} thread of a CPU "
        f"({first.height}x{first.width}, sigma 25): {listed}."
    )


def _drop_in(rows: Sequence[DropInRow]) -> str:
    """One line per objective: ratios over `denoise_tv`, gray and colour."""
    lines = []
    for objective, title in ((ISOTROPIC, "Isotropic"), (ANISOTROPIC, "Anisotropic")):
        ratios: dict[str, list[str]] = {}
        for row in rows:
            if row.objective == objective and row.solver != "denoise_tv":
                ratios.setdefault(row.solver, []).append(three_digits(row.over_ours.median))
        listed = ", ".join(f"`{name}` {' and '.join(found)}" for name, found in ratios.items())
        lines.append(f"- **{title}**, over `denoise_tv`: {listed} times.")
    lines += [
        f"- Channels coupled: {three_digits(spread(row.seconds).median)} s."
        for row in rows
        if row.objective == COUPLED and row.solver == "denoise_tv"
    ]
    return "\n".join(lines)


def _drawn_table(table: Callable[[Any], Table]) -> Callable[[Any], str]:
    """The remark and the rows of a table, without its title."""

    def draw(rows: Sequence[Any]) -> str:
        found = table(rows)
        return f"{found.remark}\n\n{grid([list(found.heads), *map(list, found.rows)], found.words)}"

    return draw


BLOCKS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "speed": ("exact", _sentence),
    "exact": ("exact", _exact),
    "batched": ("batched", _batched),
    "models": ("models", _models),
    "drop_in": ("denoise_tv", _drop_in),
    "deblurring": ("deblurring", _drawn_table(deblurring_table)),
    "regularizers": ("regularizers", _drawn_table(regularizers_table)),
    "losses": ("losses", _drawn_table(losses_table)),
    "loss_gradients": ("loss_gradients", _drawn_table(loss_gradients_table)),
    "optimizers": ("optimizers", _drawn_table(optimizers_table)),
    "operators": ("operators", _drawn_table(operators_table)),
    "gradients": ("gradients", _drawn_table(gradients_table)),
    "knee": ("knee", _drawn_table(knee_table)),
    "learned_volumes": ("learned_volumes", _drawn_table(learned_volumes_table)),
    "volumes": ("volumes", volumes_text),
}
"""Name of a block -> the part of a document that it shows, and how."""
