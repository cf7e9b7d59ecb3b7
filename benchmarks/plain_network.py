"""What the convex model is compared with: the same U-Net with the same budget, which predicts the image itself.

No optimisation, no certificate, no map to look at; what it is better or worse by is what the convex model costs.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from difftv.lab.data import CleanImages, Folder, TrainingPatches, open_images
from difftv.lab.losses import Psnr
from difftv.lab.rundir.checkpoint import CheckpointStore
from difftv.noise import noise_std_per_image
from difftv.predictors import UNet
from difftv.types import Image


class PlainNetwork(nn.Module):
    """noisy - U-Net(noisy, noise level), as DnCNN (Zhang et al. 2017) predicts the noise.

    Args:
        width, levels: as for `UNet`.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.network = UNet(num_maps=1, width=width, levels=levels, sigma_input=True)

    def forward(self, noisy: Image, sigma: float | Tensor) -> Image:
        """The denoised images, (batch, 1, height, width), nominally in [0, 1]; sigma in 8-bit units."""
        level = noise_std_per_image(sigma, noisy).view(-1, 1, 1, 1).expand_as(noisy)
        return noisy - self.network.raw_map(torch.cat([noisy, level], dim=1))


@dataclass(frozen=True)
class Budget:
    """What a run of the ablation was trained with, so that this network gets the same.

    Attributes:
        root: the training images, with validation_fraction of them held out.
        sigma, patch_size, crops_per_image, seed, epochs, batch_size, grad_clip, lr: as in the configuration of a run.
        width, levels: width and levels of the U-Net.
    """

    root: str
    validation_fraction: float
    sigma: Any
    patch_size: int
    crops_per_image: int
    seed: int
    epochs: int
    batch_size: int
    grad_clip: float
    lr: float
    width: int
    levels: int

    @classmethod
    def of_run(cls, config: Mapping[str, Any]) -> "Budget":
        """From the resolved configuration of a run on a folder of images whose predictor is a U-Net.

        Raises:
            ValueError: it is another configuration; the message names the key that is missing.
        """
        data, trainer, predictor = config["data"], config["trainer"], config["predictor"]
        try:
            return cls(
                **{name: data[name] for name in ("root", "validation_fraction", "crops_per_image")},
                **{name: trainer[name] for name in ("epochs", "batch_size", "grad_clip")},
                **{name: predictor[name] for name in ("width", "levels")},
                **{name: config[name] for name in ("sigma", "patch_size", "seed")},
                lr=config["optimizer"]["lr"],
            )
        except KeyError as error:
            raise ValueError(
                f"The configuration of the run has no {error}: give the runs of experiment=ablation/..., of which one "
                "has a U-Net."
            ) from error

    def training_images(self, cache_dir: Path | None) -> CleanImages:
        """The images of `root` without those that are held out.

        Raises:
            DataError: they are not there.
        """
        splits = Folder(root=self.root, validation_fraction=self.validation_fraction).files()
        return open_images(splits.train, cache_dir, splits.roots)

    @property
    def digest(self) -> str:
        """Of everything: a network that was trained with another budget is trained again."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def trained(budget: Budget, directory: Path, images: CleanImages) -> PlainNetwork:
    """The network after the last epoch, from `directory` where it was trained before; an unfinished training goes on.

    Args:
        budget: budget of the training.
        directory: where its checkpoint is kept, after every epoch.
        images: `budget.training_images`.

    Raises:
        CheckpointError: the directory holds the checkpoint of another training, or it cannot be written.
        DataError: none of the images is as large as a patch.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(budget.seed)
        network = PlainNetwork(budget.width, budget.levels)
    optimizer = torch.optim.Adam(network.parameters(), lr=budget.lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=budget.epochs)
    parts: dict[str, Any] = {"network": network, "optimizer": optimizer, "scheduler": scheduler}
    directory.mkdir(parents=True, exist_ok=True)
    store = CheckpointStore(directory, budget.digest)
    saved = store.load()
    done = 0 if saved is None else saved["epoch"]
    if saved is not None:
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    if done < budget.epochs:
        patches = TrainingPatches(
            images,
            patch_size=budget.patch_size,
            sigma=budget.sigma,
            seed=budget.seed,
            crops_per_image=budget.crops_per_image,
        )
        total = patches.num_batches(budget.batch_size)
        with tqdm(
            total=budget.epochs * total, initial=done * total, desc="plain U-Net", unit="step", disable=None
        ) as bar:
            for epoch in range(done, budget.epochs):
                _train(network, optimizer, patches, epoch, budget, bar.update)
                scheduler.step()
                store.save({**{name: part.state_dict() for name, part in parts.items()}, "epoch": epoch + 1})
    return network.eval()


def _train(
    network: PlainNetwork,
    optimizer: torch.optim.Optimizer,
    patches: TrainingPatches,
    epoch: int,
    budget: Budget,
    on_step: Callable[[], object],
) -> None:
    loss_of = Psnr()
    for batch in patches.batches(epoch, budget.batch_size):
        optimizer.zero_grad()
        loss_of(network(batch.noisy, batch.sigma), batch.clean).backward()
        nn.utils.clip_grad_norm_(network.parameters(), budget.grad_clip)
        optimizer.step()
        on_step()
