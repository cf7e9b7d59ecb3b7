"""The runs of this directory, made by the version of the working directory; see README.md."""

import os
import runpy
import sys
from pathlib import Path

SHARED = [
    "data=sample",
    "tracker=none",
    "patch_size=8",
    "data.eval_patch_size=16",
    "trainer.epochs=2",
    "trainer.batch_size=3",
    "evaluation.validation_images=2",
    "evaluation.test_images=2",
    "evaluation.search_images=2",
    "evaluation.refinements=1",
    "optimizer.lr=1e-2",
    "scheduler=cosine",
    "trainer.checkpoint_seconds=0",
]
CHECKPOINTS = 4
"""After so many the interrupted run ends: one step into its second epoch."""


def make_run(place: Path, *words: str, interrupted: bool) -> None:
    """`experiments/run.py` of the working directory; `words` besides the shared ones."""
    arguments = [*SHARED, *words]
    place.parent.mkdir(parents=True, exist_ok=True)
    (place.parent / "arguments.txt").write_text("\n".join(arguments) + "\n")
    seen = []

    def hook(event: str, details: tuple) -> None:
        if event == "os.rename" and str(details[1]).endswith("/checkpoint.pt"):
            seen.append(event)
            if len(seen) == CHECKPOINTS + 1:
                raise KeyboardInterrupt

    if interrupted:
        sys.addaudithook(hook)
    script = Path("experiments/run.py").resolve()
    sys.argv = [str(script), *arguments, f"hydra.run.dir={place}"]
    sys.path.insert(0, os.getcwd())
    runpy.run_path(str(script), run_name="__main__")


def make_maps(place: Path) -> None:
    """Maps and denoised image of the finished run, for an image in the file."""
    import torch
    from safetensors.torch import save_file

    sys.path.insert(0, os.getcwd())
    from difftv import Denoiser

    denoiser = Denoiser.load(place / "finished")
    noisy = torch.rand(1, 1, 13, 10, generator=torch.Generator().manual_seed(0))
    sigma = 25.0 if getattr(denoiser, "sigma_input", False) else None
    with torch.no_grad():
        solution = denoiser(noisy) if sigma is None else denoiser(noisy, sigma)
    found = {"noisy": noisy, "maps": solution.lam, "denoised": solution.denoised}
    save_file({name: value.contiguous() for name, value in found.items()}, place / "maps.safetensors")


if __name__ == "__main__":
    what, place, *words = sys.argv[1:]
    if what == "maps":
        make_maps(Path(place))
    else:
        make_run(Path(place, what).resolve(), *words, interrupted=what == "interrupted")
