"""
An inverse problem, with deepinv
================================

Missing pixels filled in by an algorithm of deepinv whose prior is a regularizer from here, with a weight per pixel.
"""

# %%
# A piece of ``camera`` of which a third of the pixels are seen, with a little noise:
import deepinv
import torch
from matplotlib import pyplot as plt
from skimage.data import camera

from difftv import Admm, AnisotropicTV, Exact, IsotropicTV
from difftv.interop.deepinv import RegularizerPrior

clean = torch.from_numpy(camera()[60:124, 180:244].copy())[None, None].float() / 255
physics = deepinv.physics.Inpainting(
    (1, 64, 64), mask=0.35, noise_model=deepinv.physics.GaussianNoise(0.02), rng=torch.Generator().manual_seed(0)
)
seen = physics(clean)
data_fidelity = deepinv.optim.L2()


def psnr(image):
    return float(-10 * (image - clean).square().mean().log10())


# %%
# The prior takes any solver with its regularizer, and solves every ``prox`` of the algorithm to the end.
prior = RegularizerPrior(Admm(IsotropicTV()))
algorithm = deepinv.optim.PGD(prior=prior, data_fidelity=data_fidelity, lambda_reg=0.02, stepsize=1.0, max_iter=150)
with torch.no_grad():
    filled = algorithm(seen, physics)

# %%
# **A map.** The weight may differ from pixel to pixel. As an ``nn.Parameter`` it is trained through the unfolded
# algorithm: here for this very picture, with the clean one in hand, which shows the gradient and not what is
# achievable.
raw = torch.nn.Parameter(torch.full((64, 64), -3.9))
optimizer = torch.optim.Adam([raw], lr=0.2)
solver = Exact(AnisotropicTV())
start = filled.detach()


def unfolded(steps=3):
    """A few steps of proximal gradient, begun where the algorithm ended."""
    prior = RegularizerPrior(solver, torch.nn.functional.softplus(raw))
    u = start
    for _ in range(steps):
        u = prior.prox(u - data_fidelity.grad(u, seen, physics))
    return u


for _ in range(25):
    optimizer.zero_grad()
    loss = (unfolded() - clean).square().mean()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    with_map = unfolded()

# %%
shown = {"seen": seen, "isotropic TV, one number": filled, "a map, trained on this picture": with_map}
for title, image in shown.items():
    print(f"{title:32} {psnr(image):.2f} dB")
figure, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
for axis, (title, image) in zip(axes, shown.items(), strict=False):
    axis.imshow(image[0, 0], cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"{title}, {psnr(image):.1f} dB", fontsize=8)
drawn = axes[3].imshow(torch.nn.functional.softplus(raw).detach(), cmap="viridis")
axes[3].set_title("the map", fontsize=8)
figure.colorbar(drawn, ax=axes[3], shrink=0.8)
for axis in axes:
    axis.set_axis_off()

# %%
# More of deepinv, and other libraries: :doc:`/interop`.
