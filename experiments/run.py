"""Train and evaluate one Diff-TV-Net, or a sweep of them.

python experiments/run.py                                         # one run on the defaults of conf/
python experiments/run.py -m solver=scs,ecos sigma=15,25,50       # a sweep
python experiments/run.py --help                                  # every group and key
"""

import difftv.lab.runs  # noqa: F401, I001  # first: it says what to install where Hydra is missing

import sys

import hydra
from omegaconf import DictConfig

from difftv.lab.runs.app import refuse_retired, run_from_hydra


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(config: DictConfig) -> float:
    return run_from_hydra(config)


if __name__ == "__main__":
    refuse_retired(sys.argv[1:])
    main()
