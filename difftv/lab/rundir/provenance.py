"""Which code and which libraries made a result."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "difftv",
    "torch",
    "numpy",
    "scipy",
    "cvxpy",
    "cvxpylayers",
    "diffcp",
    "scs",
    "ecos",
    "clarabel",
    "numba",
    "scikit-image",
    "hydra-core",
    "wandb",
)


def versions() -> dict[str, str]:
    """Python and every library that can change a number, by name; those that are not installed are left out."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """The commit of this code, with `-dirty` where the checkout differs from it; None outside a checkout of its own.

    A repository that merely surrounds an installation (a project with its virtual environment inside), and one that the
    environment names (GIT_DIR), say nothing about this code.
    """
    here = Path(__file__).resolve()
    root = here.parents[3]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if git("rev-parse", "--show-prefix"):
            return None
        git("ls-files", "--error-unmatch", "--", str(here.relative_to(root)))
        commit = git("rev-parse", "HEAD")
        return f"{commit}-dirty" if git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None
