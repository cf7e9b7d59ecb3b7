"""Only numbers that were measured on the same images, crops, noise and clipping are averaged or compared."""

import json
from pathlib import Path

import pytest
import torch

from difftv.lab.data import EvaluationItem
from difftv.lab.report import Table, build_table, read_sweep, to_markdown
from difftv.lab.report.notation import best_entries, caption
from difftv.lab.report.page import to_html
from difftv.lab.report.paired import Difference, paired_difference
from difftv.lab.report.seeds import Estimate
from difftv.lab.training.evaluation import evaluated_set
from tests.report.conftest import Writer


def measured(run: Path, **result: object) -> Path:
    """A run that has recorded more than the synthetic ones do: `images_identity` or `evaluated_set`."""
    content = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(content | result))
    return run


def seeds(table: Table) -> set[int]:
    return {entry.n for line in table.lines for cell in line.cells for entry in cell if isinstance(entry, Estimate)}


def differences(table: Table) -> list[Difference]:
    return [entry for line in table.lines for cell in line.cells for entry in cell if isinstance(entry, Difference)]


@pytest.mark.parametrize("key", ["images_identity", "evaluated_set"])
def test_one_configuration_on_other_images_is_no_second_seed(key: str, write_run: Writer, sweep: Path) -> None:
    measured(write_run("a", {"seed": 0}), **{key: "1111"})
    measured(write_run("b", {"seed": 1}, metrics={"psnr": 31.0}), **{key: "2222"})
    table = build_table(read_sweep(sweep))
    assert seeds(table) == {1}
    assert table.row_keys == ("evaluated set",)
    (note,) = (note for note in table.notes if "different sets" in note)
    assert "A = validation (4 images)" in note
    assert "not compared" in note
    measured(sweep / "b", **{key: "1111"})
    table = build_table(read_sweep(sweep))
    assert (seeds(table), table.row_keys, table.notes) == ({2}, ("solver",), ())


def test_other_training_images_are_no_second_seed_though_the_crops_are_the_same(write_run: Writer, sweep: Path) -> None:
    for name, images in (("a", "1111"), ("b", "2222")):
        measured(write_run(name, {"seed": ord(name)}), images_identity=images, evaluated_set="same")
    table = build_table(read_sweep(sweep))
    assert (seeds(table), table.row_keys) == ({1}, ("set of images",))
    assert table.notes == ("The images that the runs were trained on differ: set of images A = 1111, B = 2222.",)


def test_runs_on_the_same_crops_are_compared_whatever_they_were_trained_on(write_run: Writer, sweep: Path) -> None:
    for name, images, psnr in (("a", "1111", 29.0), ("b", "2222", 30.0)):
        settings = {"choices.data": "folder", "data.root": f"/{name}"}
        measured(write_run(name, settings, metrics={"psnr": psnr}), images_identity=images, evaluated_set="same")
    table = build_table(read_sweep(sweep), reference="/a", metrics=["psnr"])
    (found,) = differences(table)
    assert found.mean == pytest.approx(1.0)
    assert {table.lines[line].row for line, _, _ in best_entries(table)} == {("/b",)}


CROPS = ({"patch_size": 32, "data.eval_patch_size": 32}, {"patch_size": 48, "data.eval_patch_size": 48})


def test_other_crops_are_not_paired_and_share_no_bold_type(write_run: Writer, sweep: Path) -> None:
    for name, settings, psnr in zip("ab", CROPS, (29.0, 30.0), strict=True):
        measured(write_run(name, settings, metrics={"psnr": psnr}), images_identity="same")
    table = build_table(read_sweep(sweep), reference="48", metrics=["psnr"])
    assert differences(table) == []
    assert "No difference of 32 to 48, measured on other data: evaluated set A against B." in table.notes
    bold = {(table.lines[line].row, table.lines[line].method) for line, _, _ in best_entries(table)}
    assert bold == {((32,), "learned map"), ((48,), "learned map")}
    assert "Best of each column and each evaluated set in bold." in caption(table)
    assert "not compared" in to_markdown(table)


def test_the_figures_of_the_page_say_so_too(write_run: Writer, sweep: Path) -> None:
    stairs = {"stair/plateau_excess": 0.1}
    for name, settings in zip("ab", CROPS, strict=True):
        measured(write_run(name, settings, metrics=stairs), images_identity="same")
    read = read_sweep(sweep)
    assert "Staircasing against PSNR: not all on the same images" in to_html(read, build_table(read))
    for name in "ab":
        measured(sweep / name, evaluated_set="same")
    read = read_sweep(sweep)
    assert "not all on the same images" not in to_html(read, build_table(read))


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ({"sigma": 15}, {"sigma": 25}, "sigma 15 against 25"),
        ({"data.clip_noise": True}, {"data.clip_noise": False}, "data.clip_noise true against false"),
    ],
)
def test_other_noise_is_not_paired(ours: dict, theirs: dict, words: str, write_run: Writer, sweep: Path) -> None:
    key = next(iter(ours)).removeprefix("choices.")
    write_run("a", ours, metrics={"psnr": 25.0})
    write_run("b", theirs)
    table = build_table(read_sweep(sweep), rows=[key], columns=[], reference=str(theirs[key]).lower(), metrics=["psnr"])
    assert differences(table) == []
    assert any(note.endswith(f"measured on other data: {words}.") for note in table.notes)
    assert len({table.lines[line].row for line, _, _ in best_entries(table)}) == 2


def test_other_folders_with_equal_names_are_not_paired(write_run: Writer, sweep: Path) -> None:
    """Runs of the earliest versions have recorded neither images nor crops, only their path."""
    for name in "ab":
        write_run(name, {"choices.data": "folder", "data.root": f"/{name}"})
    table = build_table(read_sweep(sweep), reference="/a")
    assert differences(table) == []
    assert any("evaluated set A against B" in note or "evaluated set B against A" in note for note in table.notes)
    first, second = read_sweep(sweep).runs
    assert paired_difference([first], "psnr", [second], "psnr") is None
    assert paired_difference([first], "psnr", [first], "psnr") is not None


def test_runs_of_all_versions_stand_in_one_table(write_run: Writer, sweep: Path) -> None:
    """A sweep that goes on after an update: what all of its runs have recorded decides."""
    write_run("a", {"seed": 0})
    measured(write_run("b", {"seed": 1}), images_identity="1111")
    table = build_table(read_sweep(sweep))
    assert seeds(table) == {2}
    assert any("told apart by their path" in note for note in table.notes)
    measured(sweep / "a", images_identity="1111")
    measured(sweep / "b", evaluated_set="abcd")
    table = build_table(read_sweep(sweep))
    assert (seeds(table), table.notes) == ({2}, ())


def test_a_missing_file_does_not_tell_seeds_apart(write_run: Writer, sweep: Path) -> None:
    for seed in (0, 1):
        measured(write_run(f"{seed}", {"seed": seed}), images=4)
    (sweep / "1" / "per_image.csv").unlink()
    assert seeds(build_table(read_sweep(sweep))) == {2}


def item(name: str = "a", size: int = 4, value: float = 0.5) -> EvaluationItem:
    clean = torch.full((1, 1, size, size), value)
    return EvaluationItem(name, clean, clean, sigma=25)


def test_the_digest_of_crops() -> None:
    assert evaluated_set([item()]) == evaluated_set([item()])
    others = [[item("b")], [item(size=5)], [item(value=0.25)], [item(), item()], []]
    assert len({evaluated_set(items) for items in [[item()], *others]}) == 1 + len(others)
