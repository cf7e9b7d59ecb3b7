from pathlib import Path

import psutil
import pytest

from difftv.memory import available_memory

MIB = 2**20
STAT = f"anon 5\n{{cached}} {30 * MIB}\nslab 7\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_without_control_groups_it_is_what_the_machine_has_free(tmp_path: Path) -> None:
    assert available_memory(tmp_path) == pytest.approx(psutil.virtual_memory().available, rel=0.5)


@pytest.mark.parametrize("place", ["job/task", "job", "."])
def test_version_2_takes_the_tightest_group_around_the_process(place: str, tmp_path: Path) -> None:
    groups = {
        f"sys/fs/cgroup/{group}/{name}": content
        for group in ("job/task", "job", ".")
        for name, content in {
            "memory.max": str(100 * MIB) if group == place else "max",
            "memory.current": str(70 * MIB),
            "memory.stat": STAT.format(cached="inactive_file"),
        }.items()
    }
    root = write(tmp_path, {"proc/self/cgroup": "0::/job/task\n", **groups})
    assert available_memory(root) == 60 * MIB


@pytest.mark.parametrize("path", ["/docker/0123", "/"])
def test_version_1_finds_its_group_inside_a_container_too(path: str, tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": f"5:cpu,cpuacct:{path}\n4:memory:{path}\n1:name=systemd:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(100 * MIB),
            "sys/fs/cgroup/memory/memory.usage_in_bytes": str(120 * MIB),
            "sys/fs/cgroup/memory/memory.stat": STAT.format(cached="total_inactive_file"),
        },
    )
    assert available_memory(root) == 10 * MIB


def test_nothing_left_is_zero(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "10",
            "sys/fs/cgroup/memory.current": "20",
            "sys/fs/cgroup/memory.stat": "",
        },
    )
    assert available_memory(root) == 0
