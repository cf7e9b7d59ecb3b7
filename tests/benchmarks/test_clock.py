"""Turns and ratios: what is compared was measured in the same round."""

import pytest
import torch

from benchmarks.clock import Spread, paired_ratio, take_turns, threads, total


def test_a_ratio_is_taken_round_by_round():
    # Both sides twice as slow in the second round: the ratio is 2 in either, where the ratio of the minima is 4.
    assert paired_ratio([2.0, 8.0, 4.0], [1.0, 4.0, 2.0]) == Spread(2.0, 2.0, 2.0)
    # Medians are 3 and 3; paired, ours is slower in two rounds of three.
    assert paired_ratio([3.0, 6.0, 2.0], [1.0, 3.0, 4.0]) == Spread(2.0, 0.5, 3.0)


def test_unpaired_runs_are_refused():
    with pytest.raises(ValueError, match="got 2 and 1"):
        paired_ratio([1.0, 2.0], [1.0])


def test_every_round_holds_every_contestant_and_the_order_alternates():
    calls: list[str] = []

    def contestant(name):
        def run():
            calls.append(name)
            return {"forward": float(len(calls)), "backward": 0.5}

        return run

    seconds = take_turns({name: contestant(name) for name in "ab"}, 3)
    assert calls == ["a", "b", *"ab", *"ba", *"ab"]
    # the warm-up took calls 1 and 2 and is not counted
    assert seconds == {
        "a": {"forward": [3.0, 6.0, 7.0], "backward": [0.5] * 3},
        "b": {"forward": [4.0, 5.0, 8.0], "backward": [0.5] * 3},
    }
    assert total(seconds["a"]) == [3.5, 6.5, 7.5]


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize("repeats", [0, -1, 1.5])
def test_rounds_are_counted(repeats):
    with pytest.raises(ValueError, match="repeats"):
        take_turns({"a": dict}, repeats)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="repeats"), threads(before + 1):
        take_turns({"a": dict}, 0 if torch.get_num_threads() == before + 1 else 1)
    assert torch.get_num_threads() == before
