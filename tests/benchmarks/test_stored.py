"""A stored document gives the tables that the benchmark printed; anything else is refused by name."""

import json
from pathlib import Path

import pytest

from benchmarks.stored import ROWS, read
from benchmarks.suite import PARTS, Found, Settings, to_json, to_text
from tests.conftest import PROJECT


@pytest.fixture
def settings() -> Settings:
    return Settings((), Path(), patch_sizes=(8,), batch=2, repeats=3)


def example(kind: type, number: float = 1.5):
    """A row of a kind, with something of the right shape in every field."""
    import dataclasses
    import types
    import typing

    def value(hint):
        if dataclasses.is_dataclass(hint):
            return example(hint)
        if isinstance(hint, types.UnionType):
            return None
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is dict:
            words = ("forward", "backward", "evaluation")
            return {word: value(arguments[1]) for word in words}
        if origin is list:
            return [value(arguments[0])] * 3
        if origin is tuple:
            return tuple(value(argument) for argument in arguments if argument is not Ellipsis)
        return {int: 4, float: number, str: "word", bool: True}[hint]

    return kind(**{name: value(hint) for name, hint in typing.get_type_hints(kind).items()})


def test_every_part_has_its_rows() -> None:
    assert tuple(ROWS) == PARTS


@pytest.mark.parametrize("part", ["exact", "scaling", "batched", "denoise_tv"])
def test_tables_from_the_document_are_those_from_the_measurement(part: str, settings: Settings, tmp_path: Path) -> None:
    found = {part: Found([example(ROWS[part]), example(ROWS[part], 2.5)], ["something: not installed"])}
    path = tmp_path / "benchmark.json"
    path.write_text(to_json(found, settings, {"torch": "2.13.0"}, None))
    stored = read(path)
    assert stored.found == found
    assert stored.tables() == to_text(found)
    assert f"--only {part} --patch-sizes 8 --exact-size 64 --batch 2 --repeats 3 --threads" in stored.where()
    assert "torch 2.13.0" in stored.where()


def test_a_row_of_another_version_is_refused_by_name(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    document = json.loads(to_json({"exact": Found([example(ROWS["exact"])])}, settings, {}, None))
    document["parts"]["exact"]["rows"][0]["accuracy"]["speed"] = 3
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"exact\.accuracy has the entries .*speed"):
        read(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"parts": {"layers": {"rows": [], "notes": []}}}'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "benchmark.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"benchmark\.json"):
        read(path)


DOCUMENTS = [
    path
    for path in sorted((PROJECT / "docs" / "measurements").glob("*.json"))
    if "parts" in json.loads(path.read_text())
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_stored_measurement_is_read(path: Path) -> None:
    assert "|" in read(path).tables()
