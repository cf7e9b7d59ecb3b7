"""Which regularizer draws a slope without stairs? A ramp with a disk, each regularizer with its best constants.

python experiments/ramp.py
python experiments/ramp.py --only isotropic tvpwl --output outputs/my_ramp
python experiments/ramp.py --only isotropic --model gray

96x96, sigma 25, one draw of the noise. Every regularizer is tuned on a small grid of constants by PSNR. Prints the
table and writes ramp.md and ramp.png (clean, noisy, TV, TVpwL, TGV, models, and their profiles through the middle).
"""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.markdown import to_markdown
from benchmarks.ramp import CANDIDATES, SIZE, RampRow, measure_model, measure_ramp, ramp_problem, ramp_table
from difftv.arguments import path_argument
from difftv.errors import DiffTVError
from difftv.files import check_writable, write_atomically
from difftv.lab.figures import line_profiles, save_figure
from difftv.lab.models.place import find_model
from difftv.lab.models.reading import read_gray_model
from difftv.metrics import psnr
from difftv.lab.cli.command import command
from difftv.printing import print_safely

DRAWN = {"isotropic": "TV (isotropic)", "tvpwl": "TVpwL", "tgv": "TGV"}
"""In the figure, by the name of the regularizer; of several widths the one with the best PSNR."""


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(dict.fromkeys(candidate.regularizer.name for candidate in CANDIDATES))
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--model", nargs="+", default=[], metavar="NAME", help="trained models: a name, a file or a run"
    )
    parser.add_argument(
        "--output", type=path_argument, default=Path("outputs/ramp"), help="directory (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        stored = {word: read_gray_model(find_model(word)) for word in options.model}
        models = {word: model.denoiser() for word, model in stored.items()}
        check_writable(options.output / "ramp.md")
    except DiffTVError as error:
        parser.error(f"--model: {error}")
    except OSError as error:
        parser.error(f"--output {options.output} cannot be written to ({error.strerror})")
    torch.set_num_threads(1)  # more gain nothing at this size, and cost seconds on a busy machine
    clean, noisy = ramp_problem()
    chosen = [candidate for candidate in CANDIDATES if candidate.regularizer.name in options.only]
    rows: list[RampRow] = []
    drawn: dict[str, RampRow] = {}
    with tqdm(total=sum(len(candidate.grid[0]) for candidate in chosen), unit="batch", disable=None) as bar:
        for candidate in chosen:
            bar.set_description(candidate.label)
            for best in measure_ramp(candidate, clean, noisy):
                row = best
                bar.update()
            rows.append(row)
            name = DRAWN.get(candidate.regularizer.name)
            if name and (name not in drawn or row.psnr > drawn[name].psnr):
                drawn[name] = row
    for word, model in models.items():
        name = Path(word).stem
        rows.append(measure_model(name, model, clean, noisy))
        drawn[f"model {name}"] = rows[-1]
    text = to_markdown(ramp_table(rows, float(psnr(noisy, clean)))) + "\n"
    write_atomically(options.output / "ramp.md", text)
    if drawn:
        pictures = {name: row.denoised for name, row in drawn.items()}
        save_figure(line_profiles(clean, noisy, pictures, row=SIZE // 2), options.output / "ramp.png")
    print_safely(text.rstrip())
    print_safely(f"Written: {options.output}", error=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
