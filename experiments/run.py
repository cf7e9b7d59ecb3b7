"""Train and evaluate one Diff-TV-Net, or a sweep of them.

python experiments/run.py                                         # one run on the defaults of conf/
python experiments/run.py -m solver=scs,ecos sigma=15,25,50       # a sweep
python experiments/run.py --help                                  # every group and key
"""

import difftv.lab.cli.entry  # noqa: I001  # first: Ctrl-C ends the command with a line while the rest loads
import difftv.lab.runs  # noqa: F401  # second: it says what to install where Hydra is missing

import sys

import hydra
from omegaconf import DictConfig

from difftv.lab.cli.command import said_version
from difftv.lab.runs.app import refuse_retired, run_from_hydra


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(config: DictConfig) -> float:
    return run_from_hydra(config)


if __name__ == "__main__":
    if not said_version(sys.argv[1:]):
        refuse_retired(sys.argv[1:])
        main()
