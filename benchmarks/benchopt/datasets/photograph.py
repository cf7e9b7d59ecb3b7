"""A piece of a photograph that ships with scikit-image, with white Gaussian noise: A is the identity."""

import numpy as np
from benchopt import BaseDataset
from scipy.sparse.linalg import aslinearoperator
from skimage.data import camera

TOP, LEFT = 60, 150


class Dataset(BaseDataset):
    """`camera`, side x side pixels of it, intensities in [0, 1], noise of `sigma` in 8-bit units from seed 0."""

    name = "Photograph"
    parameters = {"side": [128], "sigma": [25]}  # noqa: RUF012

    def get_data(self):
        clean = camera()[TOP : TOP + self.side, LEFT : LEFT + self.side] / 255
        noise = np.random.default_rng(0).standard_normal(clean.shape)
        return {"A": aslinearoperator(np.eye(self.side)), "y": clean + self.sigma / 255 * noise}
