"""Noisy image -> regularization maps: one class makes positive maps of any network's output; one network a file."""

from difftv.predictors.base import Predictor
from difftv.predictors.cnn import Cnn
from difftv.predictors.constant import Constant
from difftv.predictors.dilated import Dilated
from difftv.predictors.dncnn import DnCnn
from difftv.predictors.named import predictor_class
from difftv.predictors.opponent import Opponent
from difftv.predictors.self_ensemble import SelfEnsemble
from difftv.predictors.slices import Slices
from difftv.predictors.unet import UNet

BY_NAME: dict[str, type[Predictor]] = {
    "constant": Constant,
    "cnn": Cnn,
    "dilated": Dilated,
    "dncnn": DnCnn,
    "opponent": Opponent,
    "slices": Slices,
    "unet": UNet,
}
"""By the name on the command line, which stored models use as well."""

__all__ = [
    "BY_NAME",
    "Cnn",
    "Constant",
    "Dilated",
    "DnCnn",
    "Opponent",
    "Predictor",
    "SelfEnsemble",
    "Slices",
    "UNet",
    "predictor_class",
]
