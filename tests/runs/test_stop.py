import signal

import pytest

from difftv.lab.runs.claim import termination_as_exit
from difftv.lab.training.stop import deferred_stop


def stopped(number, done):
    with deferred_stop():
        signal.raise_signal(number)
        done.append("block")
    done.append("after")


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_stop_waits_for_the_end_of_the_block(number, error):
    done = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts without it
    try:
        with termination_as_exit(), pytest.raises(error):
            stopped(number, done)
        assert done == ["block"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
