"""How fast, how exact and how large: our layers beside the bare CvxpyLayer, and the rest of a training step.

python experiments/benchmark.py
python experiments/benchmark.py --only layer exact --patch-sizes 16 32 --repeats 3

python experiments/benchmark.py --publish          # on an idle machine: the numbers of README and docs, some 8 minutes
python experiments/benchmark.py --redraw           # those pages again from the stored documents, nothing is measured

Prints Markdown tables and writes benchmark.json (every timing, the machine, the versions) and benchmark.md.
"""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.peers import peer_versions
from benchmarks.published import SPEED, SPEED_PARTS, redraw
from benchmarks.suite import PARTS, Found, Settings, jobs, run, to_json, to_text
from difftv.arguments import path_argument, positive_int
from difftv.files import check_writable, write_atomically
from difftv.lab.data import Sample, default_cache_dir
from difftv.lab.data.base import image_files
from difftv.lab.rundir.provenance import git_commit, versions
from difftv.lab.cli.command import command
from difftv.printing import print_safely


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--patch-sizes", nargs="+", type=int, default=[16, 32, 64], help="px (default: 16 32 64)")
    parser.add_argument("--exact-size", type=int, default=64, help="px, of the patches of exact (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="patches per step (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds in turns (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(default: torch's, %(default)s)")
    parser.add_argument("--full", action="store_true", help="compile 64x64 programs too: up to 3 GiB of memory")
    parser.add_argument("--data", type=path_argument, help="directory of images (default: photographs of scikit-image)")
    parser.add_argument(
        "--output", type=path_argument, default=Path("outputs/benchmark"), help="directory (default: %(default)s)"
    )
    parser.add_argument(
        "--publish", action="store_true", help="what README and docs quote, at its own settings, and redraw them"
    )
    parser.add_argument("--redraw", action="store_true", help="redraw README and docs from the stored documents")
    options = parser.parse_args(arguments)
    if options.redraw:
        print_safely(f"Changed: {', '.join(redraw()) or 'nothing'}")
        return 0
    if options.publish:
        options.only, options.repeats, options.threads = SPEED_PARTS, 3, 2
    try:
        for name in ("exact_size", "batch", "repeats", "threads"):
            positive_int(f"--{name.replace('_', '-')}", getattr(options, name))
        patch_sizes = tuple(positive_int("--patch-sizes", size) for size in options.patch_sizes)
    except ValueError as error:
        parser.error(str(error))
    photographs = tuple(image_files(options.data)) if options.data else Sample().files().test + Sample().files().train
    if not photographs:
        parser.error(f"no image below {options.data}")
    try:
        check_writable(options.output / "benchmark.json")
    except OSError as error:
        parser.error(f"--output {options.output} cannot be written to ({error.strerror})")
    torch.set_num_threads(options.threads)
    settings = Settings(
        photographs,
        default_cache_dir(),
        patch_sizes=patch_sizes,
        batch=options.batch,
        repeats=options.repeats,
        exact_size=options.exact_size,
        build_sizes=(16, 32, 48, 64) if options.full else (16, 32, 48),
    )
    found: dict[str, Found] = {}
    origin = versions() | peer_versions(), git_commit()
    with tqdm(jobs(options.only, settings), unit="job") as bar:
        for job in bar:
            bar.set_description(job.label)
            run(job, found)
            # after every job: what has been measured survives an interruption
            write_atomically(options.output / "benchmark.json", to_json(found, settings, *origin))
    if options.publish:
        write_atomically(SPEED, to_json(found, settings, *origin))
        print_safely(f"Changed: {', '.join(redraw()) or 'nothing'}")
    text = to_text(found)
    write_atomically(options.output / "benchmark.md", text + "\n")
    print_safely(text)
    print_safely(f"Written: {options.output / 'benchmark.json'}", error=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
