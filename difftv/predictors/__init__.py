"""Noisy image -> regularization map: one predictor a file."""

from difftv.predictors.base import Predictor
from difftv.predictors.cnn import Cnn
from difftv.predictors.constant import Constant
from difftv.predictors.dncnn import DnCnn
from difftv.predictors.unet import UNet

__all__ = ["Cnn", "Constant", "DnCnn", "Predictor", "UNet"]
