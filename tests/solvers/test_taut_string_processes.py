"""The taut-string solver under threads, forks, pickles and a read-only installation."""

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from difftv.regularizers import AnisotropicTV
from difftv.solvers import taut_string
from difftv.solvers.exact.solver import TautString
from tests.solvers.forks import in_a_fork, needs_fork


def problem(batch=4, size=24):
    random = torch.Generator().manual_seed(batch + size)
    y = torch.rand(batch, 1, size, size + 3, generator=random, dtype=torch.float64)
    return y, 0.2 * torch.rand(batch, 1, size, size + 3, generator=random, dtype=torch.float64)


def solve(y, lam):
    return TautString(AnisotropicTV())(y, lam).denoised


def value_and_gradient(y, lam):
    y, lam = y.clone().requires_grad_(), lam.clone().requires_grad_()
    u = solve(y, lam)
    u.square().sum().backward()
    return u.detach(), y.grad, lam.grad


def test_the_bits_do_not_depend_on_the_run_or_on_the_threads():
    case = problem()
    torch.set_num_threads(1)
    expected = value_and_gradient(*case)
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        for got, want in zip(value_and_gradient(*case), expected, strict=True):
            assert torch.equal(got, want)


def test_one_image_shared_between_threads_has_the_same_bits(monkeypatch):
    case = problem(batch=1, size=90)
    torch.set_num_threads(1)
    expected = solve(*case)
    monkeypatch.setattr(taut_string, "SHARED_FROM", 1)
    for threads in (2, 3, 5):
        torch.set_num_threads(threads)
        assert torch.equal(solve(*case), expected)


def test_many_threads_may_call_one_solver():
    case = problem()
    solver = TautString(AnisotropicTV())
    expected = solver(*case).denoised
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda _: solver(*case).denoised, range(12)):
            assert torch.equal(answer, expected)


@needs_fork
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_after_use_gives_the_same_bits():
    torch.set_num_threads(2)
    case = problem()
    expected = value_and_gradient(*case)
    torch.set_num_threads(1)  # what a DataLoader does in its workers; torch's own pools do not survive a fork
    for mine, want in zip(in_a_fork(value_and_gradient, *case), expected, strict=True):
        assert torch.equal(mine, want)


class _Noisy(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        y, lam = problem()
        return solve(y[index : index + 1], lam[index : index + 1])[0]


def test_it_works_inside_the_workers_of_a_data_loader():
    expected = solve(*problem())
    loader = torch.utils.data.DataLoader(_Noisy(), batch_size=4, num_workers=2)
    assert torch.equal(next(iter(loader)), expected)


def _python(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=240)


def test_numba_is_not_imported_before_the_first_solve():
    done = _python(
        "import sys; from difftv.solvers.exact.solver import TautString; from difftv.functional import tv_denoise\n"
        "from difftv.regularizers import AnisotropicTV; TautString(AnisotropicTV()); sys.exit('numba' in sys.modules)"
    )
    assert done.returncode == 0, done.stderr


_KERNEL = """
from difftv.solvers._compiler import kernel

@kernel
def one(x):
    return x + 1.0

@kernel
def two(x):
    return one(x) + 1.0
"""


def test_a_first_compilation_is_announced_once_and_a_cached_one_is_not(tmp_path, monkeypatch, caplog):
    import numba

    from difftv.solvers import _compiler as compiler

    path = tmp_path / "kernels.py"
    path.write_text(_KERNEL)

    def fresh():
        monkeypatch.setattr(compiler.notice, "given", False)
        caplog.clear()
        spec = importlib.util.spec_from_file_location("difftv.solvers.exact.taut_strings.kernels", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    module = fresh()
    assert numba.njit(lambda x: x + 1.0)(1.0) == 2.0
    assert caplog.messages == []
    assert module.two(1.0) == 3.0
    assert len(caplog.messages) == 1
    assert "compiling" in caplog.messages[0]
    assert fresh().two(1.0) == 3.0
    assert caplog.messages == []


_CALLED = """
from difftv.solvers._compiler import part_of_kernel

@part_of_kernel
def step():
    return {value}
"""

_CALLING = """
from called import step
from difftv.solvers._compiler import kernel

@kernel
def advance(x):
    return x + step()
"""


def test_a_cached_kernel_is_not_used_after_a_file_that_it_calls_has_changed(tmp_path):
    (tmp_path / "calling.py").write_text(_CALLING)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from calling import advance; print(advance(1.0)); "
    code += "print(sum(advance.stats.cache_hits.values()))"
    seen = []
    for value in ("2.0", "2.0", "5.0"):
        (tmp_path / "called.py").write_text(_CALLED.format(value=value))
        done = _python(code)
        assert done.returncode == 0, done.stderr
        seen.append(done.stdout.split())
    assert seen == [["3.0", "0"], ["3.0", "1"], ["6.0", "0"]]


def test_it_works_where_no_cache_can_be_written(monkeypatch):
    from difftv.solvers import _compiler as compiler

    calls = []

    def refuse(**options):
        calls.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(compiler, "njit", refuse)
    assert compiler.kernel(len) is len
    assert [options.get("cache", False) for options in calls] == [True, False]
