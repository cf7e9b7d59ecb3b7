"""The numbers of README and docs are those of the stored documents."""

from pathlib import Path

import pytest

from benchmarks.published import BLOCKS, PAGES, SPEED, SPEED_PARTS, drawn, redraw
from benchmarks.stored import ROWS, STUDIES, read
from benchmarks.suite import PARTS, Found, Settings, to_json
from tests.benchmarks.test_stored import example
from tests.conftest import PROJECT


@pytest.mark.parametrize("page", PAGES)
def test_no_number_of_a_page_is_typed(page: str) -> None:
    text = (PROJECT / page).read_text(encoding="utf-8")
    assert "<!-- measured: " in text
    assert drawn(text) == text, "python experiments/benchmark.py --redraw"


def test_every_block_stands_on_a_page_and_shows_a_part() -> None:
    text = "".join((PROJECT / page).read_text(encoding="utf-8") for page in PAGES)
    for name, (part, _) in BLOCKS.items():
        assert f"<!-- measured: {name} -->" in text
        assert part in {*PARTS, *STUDIES}
    assert set(SPEED_PARTS) <= set(PARTS)


def test_an_unknown_block_is_named() -> None:
    with pytest.raises(ValueError, match="'fast'"):
        drawn("<!-- measured: fast --><!-- /measured -->")


def test_the_readme_quotes_the_document() -> None:
    exact, *others = (row for row in read(SPEED).found["exact"].rows if row.regularizer == "anisotropic")
    step = sorted(sum(both) for both in zip(*exact.seconds.values(), strict=True))
    assert f"The exact layer takes {1e3 * step[len(step) // 2]:.0f}" in (PROJECT / "README.md").read_text()
    slowest = max(row.over_first.median for row in others)
    assert f" {slowest:.0f} times as long" in " ".join((PROJECT / "README.md").read_text().split())


def test_a_part_that_is_measured_later_appears_and_another_document_changes_the_page(tmp_path: Path) -> None:
    text = "seconds: <!-- measured: models -->old<!-- /measured -->."
    assert "Not measured yet" in drawn(text, tmp_path)
    row = ROWS["models"](**{**vars(example(ROWS["models"])), "model": "gray", "height": 1000, "width": 1000})
    (tmp_path / "speed.json").write_text(to_json({"models": Found([row])}, Settings((), Path()), {}, None))
    assert "`gray` 1.50." in drawn(text, tmp_path)
    (tmp_path / "page.md").write_text("<!-- measured: drop_in -->old<!-- /measured -->")
    assert redraw(["page.md"], tmp_path) == ["page.md"]
    assert redraw(["page.md"], tmp_path) == []
    assert "`denoise_tv_chambolle`" in (tmp_path / "page.md").read_text()
