"""What a command does before it imports anything that takes seconds: `import difftv.lab.cli.entry` stands first.

Ctrl-C ends it with a line, also while libraries are loaded; a name that the terminal cannot show is shown as escapes;
and a log that cannot be written to a full or closed output is no error of its own.
"""

import logging
import sys
from types import TracebackType

from difftv.printing import print_safely

_earlier = sys.excepthook


def _without_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print_safely("interrupted", error=True)  # Python then ends as SIGINT does, which shells take for 130
    else:
        _earlier(kind, error, trace)


sys.excepthook = _without_traceback
# The same lines are in run.log; on the console Python would print a traceback for each of them.
logging.raiseExceptions = False
if hasattr(sys.stdout, "reconfigure"):
    sys.stdout.reconfigure(errors="backslashreplace")
