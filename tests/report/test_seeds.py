"""Seeds of one setting: joined in tables and figures, apart on demand."""

import re
from pathlib import Path

import pytest

from difftv.lab.cli.report import main as report_main
from difftv.lab.cli.table import main as table_main
from difftv.lab.figures.style import new_figure
from difftv.lab.report import build_table, page, read_sweep
from difftv.lab.report.paired import Difference
from difftv.lab.report.seeds import Estimate, estimate, mean_metrics, seed_groups, seed_keys
from tests.report.conftest import Writer


@pytest.fixture
def seeds(write_run: Writer, sweep: Path) -> Path:
    """Two solvers with three seeds each, and a third with one."""
    for solver, gain in (("scs", 0.0), ("ecos", 0.5)):
        for seed in range(3):
            settings = {"choices.solver": solver, "seed": seed, "data.seed": seed}
            write_run(f"{solver},{seed}", settings, metrics={"psnr": 28.0 + seed + gain, "stair/plateau_excess": 0.1})
    write_run("exact,0", {"choices.solver": "exact"}, metrics={"stair/plateau_excess": 0.1})
    return sweep


def test_groups_and_keys(seeds: Path) -> None:
    runs = read_sweep(seeds).runs
    assert [[run.name for run in group] for group in seed_groups(runs)] == [
        ["ecos,0", "ecos,1", "ecos,2"],
        ["exact,0"],
        ["scs,0", "scs,1", "scs,2"],
    ]
    assert seed_keys([run.settings for run in runs]) == ("seed", "data.seed")  # exact,0 has no data.seed
    assert seed_keys([run.settings for run in runs[:3]]) == ("seed",)
    assert seed_groups([]) == []


def test_mean_standard_deviation_and_number(seeds: Path) -> None:
    group = seed_groups(read_sweep(seeds).runs)[0]
    mean, std = mean_metrics(group)
    assert (mean["psnr"], std["psnr"]) == (29.5, 1.0)
    assert estimate([28.5, 29.5, 30.5]) == Estimate(29.5, 1.0, 3)
    with pytest.raises(ValueError, match="expected one value per seed"):
        estimate([])


def test_paired_differences_count_seeds(seeds: Path) -> None:
    table = build_table(read_sweep(seeds), reference="ecos", metrics=["psnr"])
    found = {line.row[0]: line.cells[0][0] for line in table.lines if isinstance(line.cells[0][0], Difference)}
    assert isinstance(found["scs"], Difference)
    # every seed of scs is 0.5 dB below the same seed of ecos
    assert (found["scs"].low, found["scs"].high) == pytest.approx((-0.5, -0.5))
    assert found["scs"].seeds == 3
    assert isinstance(found["exact"], Difference)
    assert found["exact"].high - found["exact"].low > 0.5  # one seed against three others: nothing cancels


def test_figures_join_seeds_unless_told(seeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def note(groups, **_):
        drawn.append({name: len(histories) for name, histories in groups.items()})
        return new_figure(1, 1)

    monkeypatch.setattr(page, "training_bands", note)
    sweep = read_sweep(seeds)
    page.to_html(sweep, None)
    page.to_html(sweep, None, seeds="each")
    assert drawn[0] == {"solver=ecos (3 seeds)": 3, "solver=exact": 1, "solver=scs (3 seeds)": 3}
    assert len(drawn[1]) == 7
    assert set(drawn[1].values()) == {1}


def test_commands(seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert table_main([str(seeds), "--metric", "psnr"]) == 0
    assert "29.50** ± 1.00 (n=3)" in capsys.readouterr().out
    assert table_main([str(seeds), "--metric", "psnr", "--seeds", "each", "--columns", "seed"]) == 0
    shown = capsys.readouterr().out
    assert "±" not in shown
    assert "seed = 2" in shown
    assert report_main([str(seeds), "--seeds", "each"]) == 0
    assert "one standard deviation" not in (seeds / "report.html").read_text()
    assert report_main([str(seeds)]) == 0
    assert re.search(r"Training; mean of the seeds, with one standard deviation", (seeds / "report.html").read_text())
