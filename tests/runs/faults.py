"""Faults at a stage of a run, through the audit events that the program announces (`sys.audit`).

Every function gives the source of a prelude for `tests.runs.commands.run`.
"""

import textwrap

KILL = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"

_HOOK = """
import sys
def _arm():
    seen = []
    def hook(event, arguments):
        if event == {event!r} and ({where}):
            seen.append(1)
            if len(seen) == {number}:
{action}
    sys.addaudithook(hook)
_arm()
"""


def at(event: str, number: int, action: str, where: str = "True") -> str:
    """Carry out `action` when `event` comes for the `number`-th time with `arguments` for which `where` holds."""
    return _HOOK.format(event=event, number=number, action=textwrap.indent(action, " " * 16), where=where)


def killed_at(event: str, number: int = 1, where: str = "True") -> str:
    """SIGKILL there."""
    return at(event, number, KILL, where)


def fails_at(event: str, number: int = 1, where: str = "True") -> str:
    """An unhandled exception, of two lines."""
    return at(event, number, 'raise ValueError("deliberately broken\\nsecond line")', where)
