"""Docstrings become reStructuredText that says the same: signs stay signs, code stays code, sections stay sections."""

import inspect

import pytest

import difftv
from tests.docs.extension import extension

plain = extension("plain_docstrings")


def rst(text: str) -> list[str]:
    return "\n".join(plain.to_rst(inspect.cleandoc(text).splitlines())).rstrip().splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("u* = argmin |D u|", r"u\* = argmin \|D u\|"),
        ("the field v_ and lam_v", r"the field v\_ and lam_v"),
        (r"a \ b", r"a \\ b"),
        ("`u*` and ``|x|`` stay", "`u*` and ``|x|`` stay"),
        ("two `Map`s", r"two `Map`\ s"),
        ("2`n`", r"2\ `n`"),
        ("(`n`, `m`)", "(`n`, `m`)"),
    ],
)
def test_signs_outside_backticks_are_signs(line: str, expected: str) -> None:
    assert plain.escaped(line) == expected


def test_an_indented_block_is_literal_and_its_signs_are_left_alone() -> None:
    found = rst("""
        The problem:

            u* = argmin |D u|
            second line

        and more*.
        """)
    assert found == ["The problem:", "", "::", "", "    u* = argmin |D u|", "    second line", "", r"and more\*."]


def test_lists_within_arguments_are_lists_and_deeper_blocks_are_literal() -> None:
    found = rst("""
        Sentence.

        Args:
            lam: of shapes:

                - one, |x|;
                - two,

                as said.
            code: like

                    x = 1
        """)
    assert "        - one, \\|x\\|;" in found
    assert found.count("        ::") == 1
    assert "            x = 1" in found
    assert "Args:" in found
    assert not any(line.strip() == "::" for line in found[: found.index("        as said.")])


def test_an_example_stays_an_example() -> None:
    assert rst("""
        Sentence.

        Example:
            >>> 2 * 3
            6
        """) == ["Sentence.", "", "Example:", "    >>> 2 * 3", "    6"]


def test_a_table_becomes_a_table() -> None:
    found = rst("""
        | image | terms |
        |---|---|
        | coins | CC0* |
        """)
    assert found[0] == ".. list-table::"
    assert [line.strip() for line in found[3:]] == ["* - image", "- terms", "* - coins", r"- CC0\*"]


@pytest.mark.parametrize("name", sorted(difftv.__all__))
def test_no_public_docstring_loses_a_word(name: str) -> None:
    docstring = inspect.getdoc(getattr(difftv, name)) or ""
    converted = "\n".join(plain.to_rst(docstring.splitlines()))
    said = [word for word in docstring.split() if word.isalpha()]
    assert [word for word in converted.split() if word.isalpha()] == said
