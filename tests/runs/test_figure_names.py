"""The names of figures, whatever the images are called."""

import pytest

from difftv.lab.runs.run_writer import LONGEST_NAME, figure_name


@pytest.mark.parametrize("name", ["camera", "0801", "a-b_c.1"])
def test_an_ordinary_name_is_kept(name: str) -> None:
    assert figure_name(name) == name


@pytest.mark.parametrize("name", ["x" * 255, "\udce9" * 120, "ü" * 120, "x" * 254 + "y"])
def test_a_long_name_fits_with_what_stands_before_and_after_it(name: str) -> None:
    assert len(f".lam_over_edges_{figure_name(name)}.png".encode()) < 143  # eCryptfs, the shortest in use
    assert figure_name(name) != figure_name(name[:-1] + "z")


def test_names_that_become_equal_are_told_apart() -> None:
    assert figure_name("a b") == figure_name("a_b") == "a_b"
    assert figure_name("a b", hashed=True) != figure_name("a_b", hashed=True)
    assert len(figure_name("a b", hashed=True)) < LONGEST_NAME
