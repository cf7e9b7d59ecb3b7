"""The parts of `solver=admm`: transforms, the linear step, the dual step and its derivative, the loop, a self-test."""
