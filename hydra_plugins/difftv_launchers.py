"""Our launchers where Hydra looks for them; it takes launchers from this package only, and names them by it."""

from hydra.core.config_store import ConfigStore

from difftv.lab.runs.launchers.basic import BasicLauncher
from difftv.lab.runs.launchers.local import LocalLauncher
from difftv.lab.runs.launchers.ray import RayLauncher
from difftv.lab.runs.launchers.slurm import SlurmLauncher


class Basic(BasicLauncher):
    pass


# In the place of Hydra's own, whose plugin is loaded before these: `hydra/launcher=basic` is the default.
ConfigStore.instance().store(
    group="hydra/launcher", name="basic", node={"_target_": "hydra_plugins.difftv_launchers.Basic"}, provider="difftv"
)


class Local(LocalLauncher):
    pass


class Slurm(SlurmLauncher):
    pass


class Ray(RayLauncher):
    pass
