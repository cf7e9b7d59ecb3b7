"""Our launchers where Hydra looks for them; it takes launchers from this package only, and names them by it."""

from difftv.lab.runs.launchers.local import LocalLauncher
from difftv.lab.runs.launchers.ray import RayLauncher
from difftv.lab.runs.launchers.slurm import SlurmLauncher


class Local(LocalLauncher):
    pass


class Slurm(SlurmLauncher):
    pass


class Ray(RayLauncher):
    pass
