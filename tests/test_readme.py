"""The README's example runs, and what it names exists."""

import re
import subprocess
import sys

from tests.conftest import PROJECT, options_of

README = (PROJECT / "README.md").read_text()


def test_the_library_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    check = "\nassert smooth.shape == noisy.shape and all(p.grad is not None for p in denoiser.parameters())"
    done = subprocess.run([sys.executable, "-c", example + check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_option_of_every_group_is_in_the_table() -> None:
    rows = {line.split("|")[1].strip(" `"): line for line in README.splitlines() if line.startswith("| `")}
    for group in (path.name for path in (PROJECT / "conf").iterdir() if path.is_dir() and path.name != "hydra"):
        for option in options_of(group):
            assert f"`{option}`" in rows[group], f"{group}={option}"


def test_every_link_and_picture_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert (PROJECT / target).exists(), target
