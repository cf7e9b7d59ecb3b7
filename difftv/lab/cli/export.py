"""A finished run as one file that can be shipped: NAME.safetensors with its weights and its card, and the card NAME.md.

python experiments/export.py outputs/<sweep>/<run> gray --output difftv/models/shipped
python experiments/export.py outputs/<sweep>/<run> mine --images "4,000 of my micrographs" --terms "CC BY 4.0"

The numbers of the card are those that experiments/evaluate.py has left in the run's directory (evaluation-*.json):
measure first. Beside them stands the PSNR of one photograph that ships with scikit-image, which is computed here and
can be checked everywhere. Places of this machine become path/to/... in the card; look at NAME.md before you give it
away.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from difftv.arguments import path_argument
from difftv.denoiser import Denoiser
from difftv.errors import ConfigError, DiffTVError
from difftv.files import check_writable, write_atomically
from difftv.lab.cli.card_from_run import measured, reference_on, training_of
from difftv.lab.cli.card_page import card_page
from difftv.lab.cli.command import command
from difftv.lab.cli.evaluate_measured import AS_THEY_ARE, SCORED
from difftv.lab.models.run import read_run
from difftv.lab.rundir.reading import UnreadableError
from difftv.lab.rundir.status import run_status
from difftv.lab.training.protocol import statement
from difftv.models.card import Card, check_name
from difftv.models.file import SUFFIX, read_file, write_file
from difftv.models.stored import StoredModel
from difftv.printing import print_safely


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=path_argument, help="directory of the run, outputs/<sweep>/<run>")
    parser.add_argument("name", help="of the model: small letters and digits with - between them, such as gray-small")
    parser.add_argument("--output", type=path_argument, default=Path(), help="directory (default: the working one)")
    parser.add_argument("--images", help="what it was trained on (default: from the run's configuration)")
    parser.add_argument("--terms", help="under what terms those images may be used (default: known for common sets)")
    parser.add_argument("--command", help="the command of a run of an earlier version, which did not keep it")
    parser.add_argument("--commit", help="the commit of the code, where the run was made outside a checkout")
    parser.add_argument("--without-numbers", action="store_true", help="of sets of images; the card says so")
    options = parser.parse_args(arguments)
    files = {suffix: options.output / f"{options.name}{suffix}" for suffix in (SUFFIX, ".md")}
    try:
        check_name(options.name, "NAME")
        stored = read_run(options.run)
        card = _card(options, stored)
        for file in files.values():
            check_writable(file)
        write_file(files[SUFFIX], stored.weights, card)
        write_atomically(files[".md"], card_page(card))
        assert read_file(files[SUFFIX]).config == card.config
    except (DiffTVError, UnreadableError, ValueError) as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    except OSError as error:
        print_safely(f"{parser.prog}: {options.output} cannot be written ({error.strerror}): give --output", error=True)
        return 1
    print_safely(str(card))
    print_safely(f"Written: {files[SUFFIX]} ({files[SUFFIX].stat().st_size / 1e6:.2f} MB), {files['.md']}", error=True)
    return 0


def _card(options: argparse.Namespace, stored: StoredModel) -> Card:
    if not stored.finished:
        found = run_status(stored.path)
        why = f": {found.reason}" if found.reason else ""
        raise ConfigError(
            f"{stored.path} has not finished ({found.state}{why}): only a finished run is exported. Run its command "
            "again to continue it."
        )
    numbers = () if options.without_numbers else measured(stored)
    if not numbers and not options.without_numbers:
        raise ConfigError(
            f"{stored.path} holds no evaluation-*.json: nothing was measured. Run: python experiments/evaluate.py "
            f"{shlex.quote(str(stored.path))} "
            + (
                "path/to/Set12 (with --sigma 15, 25 and 50 for a run on a range of levels)"
                if stored.forward is None
                else "path/to/measurements (a folder of .npz files)"
            )
            + ", or export it with --without-numbers."
        )
    config = stored.explicit_config()
    noise = stored.noise
    assert noise is not None  # explicit_config has refused
    denoiser = Denoiser(
        stored.predictor(), stored.whole_image_solver(), stabilise=stored.stabilise, looks=stored.looks
    ).eval()
    content: dict[str, Any] = {
        "name": options.name,
        "config": config,
        "weights": sum(tensor.numel() for tensor in stored.weights.values()),
        "training": training_of(stored, options.images, options.terms, options.command, options.commit),
        "protocol": statement(None, colour=denoiser.colour, axes=denoiser.predictor.axes)
        if stored.forward is None
        else f"{AS_THEY_ARE} {SCORED}",
        "numbers": numbers,
        "ensemble": () if options.without_numbers else measured(stored, ensemble=True),
        "reference": reference_on(denoiser, noise.middle, config.get("forward")),
    }
    return Card.of(Card(**content).plain())


if __name__ == "__main__":
    sys.exit(main())
