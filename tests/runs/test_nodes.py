"""The library speaks of its arguments; where the framework constructs, the key is added."""

import ast
import re
from pathlib import Path

import pytest

from difftv import arguments
from difftv.errors import ConfigError, DataError, MissingDependencyError
from difftv.lab.runs.nodes import Node, keyed
from tests.conftest import PROJECT


def refuse(message: str, kind: type[Exception] = ValueError) -> None:
    raise kind(message)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("eps must be a positive finite number, got -1.", "solver.eps must be a positive finite number, got -1."),
        ("eps=-1 is too small", "solver.eps=-1 is too small"),
        ("epsilon must be positive", "solver: epsilon must be positive"),
        ("Give another eps", "solver: Give another eps"),
        ("solver.eps must be positive", "solver.eps must be positive"),
    ],
)
def test_a_message_that_begins_with_an_argument_gets_its_key(message: str, shown: str) -> None:
    with pytest.raises(ConfigError) as raised, keyed("solver", {"eps": "solver.eps"}):
        refuse(message)
    assert str(raised.value) == shown


def test_errors_of_our_own_keep_their_class_and_words() -> None:
    with pytest.raises(DataError, match=r"^data\.root=/x does not exist$"), keyed("data", {"root": "data.root"}):
        refuse("root=/x does not exist", DataError)
    with pytest.raises(MissingDependencyError, match=r"^the package scs is missing$"), keyed("solver", {"eps": "?"}):
        refuse("the package scs is missing", MissingDependencyError)


def test_a_constructor_names_the_key_of_its_argument() -> None:
    node = Node("predictor", {"_target_": "difftv.predictors.DnCnn", "depth": 1, "width": 4})
    node.check()
    with pytest.raises(ConfigError, match=r"^predictor\.depth must be at least 2"):
        node.make(num_maps=1)


class TakesAny:
    """A regularizer of a user, who reads the keys himself."""

    def __init__(self, **options: object) -> None:
        self.options = options


class TakesOne:
    """One that knows no other keys."""

    def __init__(self, num_maps: int = 1) -> None:
        self.num_maps = num_maps


def test_a_class_need_not_know_keys_that_say_nothing_and_is_told_all_where_it_takes_any() -> None:
    values = {"num_maps": 3, "channels": 1, "axes": 2}
    for kind in (TakesAny, TakesOne):
        node = Node("regularizer", {"_target_": f"{__name__}.{kind.__name__}", **values})
        node.check()
        made = node.make()
        assert made.options == values if kind is TakesAny else made.num_maps == 3
    with pytest.raises(ConfigError, match=r"Unknown key regularizer\.axes \(=3\)"):
        Node("regularizer", {"_target_": f"{__name__}.TakesOne", **values, "axes": 3}).check()


def test_an_argument_that_is_stated_elsewhere_is_named_there() -> None:
    values = {"_target_": "difftv.lab.data.Folder", "root": None}
    with pytest.raises(ConfigError, match=r"^data\.root must not be null"):
        Node("data.source", values, outside={"data": ["root"]}).check()
    with pytest.raises(ConfigError, match=r"^data\.source\.root must not be null"):
        Node("data.source", values).check()


KEY = re.compile(
    r"(?<!\.)\b(predictor|regularizer|solver|data|loss|optimizer|scheduler|trainer|evaluation|tracker|hydra)(\.[a-z_]+=?|=)"
)
"""What a message would have to hold to speak of Hydra's keys or groups."""

BELOW = [
    path
    for path in sorted((PROJECT / "difftv").rglob("*.py"))
    if path.relative_to(PROJECT / "difftv").parts[:2] not in {("lab", "runs"), ("lab", "cli")}
]


def is_log(node: ast.AST) -> bool:
    """Whether a node calls `log.warning` or the like."""
    function = node.func if isinstance(node, ast.Call) else None
    owner = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id in ("log", "logger", "warnings")


def is_check(node: ast.AST) -> bool:
    """Whether a node calls one of `difftv.arguments`, with the name of what it checks."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and hasattr(arguments, node.func.id)


def messages(path: Path) -> list[str]:
    """The text of everything that a file raises, logs or warns of, without what is put into it."""
    return [
        "".join(part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) or is_log(node) or is_check(node)
    ]


def test_no_message_below_the_framework_speaks_of_its_keys() -> None:
    assert len(BELOW) > 50
    speaking = {
        f"{path.relative_to(PROJECT)}: {message}" for path in BELOW for message in messages(path) if KEY.search(message)
    }
    assert speaking == set()
