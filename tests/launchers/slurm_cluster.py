"""A SLURM cluster of one node in one folder, for as long as a block runs: no system service, no root, no accounting."""

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol")

SETTINGS = """
ClusterName=difftv
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
AuthType=auth/munge
# Without the second part a job that is put back in the queue starts two minutes later.
AuthInfo=socket={directory}/munge.socket,cred_expire=5
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
MinJobAge=3600
MaxArraySize={largest_array}
KillWait=3
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=tests Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


LARGEST_ARRAY = 4
"""Tasks of an array; clusters allow a thousand or so."""


class UnavailableError(Exception):
    """There is no SLURM here, or it does not start; the message says why."""


def search_path() -> str:
    """Where the programs are; an ordinary user's path lacks the daemons."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


@contextlib.contextmanager
def slurm_cluster() -> Iterator[Mapping[str, str]]:
    """The environment variables of its clients.

    Raises:
        UnavailableError: a program is not installed, or a daemon does not come up.
    """
    missing = [program for program in PROGRAMS if shutil.which(program, path=search_path()) is None]
    if missing:
        raise UnavailableError(f"not installed: {', '.join(missing)} (Debian: slurmctld slurmd slurm-client munge)")
    # Not pytest's own directories: munged wants its socket where everybody may look, and its path short.
    directory = Path(tempfile.mkdtemp(prefix="slurm-"))
    directory.chmod(0o755)
    environment = {**os.environ, "PATH": search_path(), "SLURM_CONF": str(directory / "slurm.conf")}
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        _write_settings(directory)
        daemons.append(_start(directory, environment, "munged", "--foreground", *_munge_options(directory)))
        _wait(lambda: (directory / "munge.socket").exists(), daemons, directory)
        daemons.append(_start(directory, environment, "slurmctld", "-D", "-c"))
        daemons.append(_start(directory, environment, "slurmd", "-D", "-N", _host()))
        _wait(lambda: _ask(environment, "sinfo", "--noheader", "--format=%T").strip() == "idle", daemons, directory)
        yield {"SLURM_CONF": environment["SLURM_CONF"], "PATH": environment["PATH"]}
    finally:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            _empty_queue(environment)
        for daemon in reversed(daemons):
            _stop(daemon)
        shutil.rmtree(directory, ignore_errors=True)


def _host() -> str:
    return socket.gethostname().partition(".")[0]


def _write_settings(directory: Path) -> None:
    for name in ("state", "spool"):
        (directory / name).mkdir()
    key = directory / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], other.getsockname()[1]
    (directory / "slurm.conf").write_text(
        SETTINGS.format(
            host=_host(),
            controller_port=ports[0],
            node_port=ports[1],
            user=getpass.getuser(),
            directory=directory,
            cpus=os.cpu_count(),
            largest_array=LARGEST_ARRAY,
            memory=psutil.virtual_memory().total * 9 // 10 // 2**20,
        )
    )


def _munge_options(directory: Path) -> list[str]:
    names = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    return [f"--{option}={directory / name}" for option, name in names.items()]


def _start(directory: Path, environment: Mapping[str, str], *command: str) -> subprocess.Popen[bytes]:
    with (directory / f"{command[0]}.log").open("wb") as output:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )


def _wait(up, daemons: list[subprocess.Popen[bytes]], directory: Path, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not up():
        if time.monotonic() > deadline or any(daemon.poll() is not None for daemon in daemons):
            logs = "\n".join(path.read_text(errors="replace")[-500:] for path in sorted(directory.glob("*.log")))
            raise UnavailableError(f"SLURM does not come up:\n{logs}")
        time.sleep(0.1)


def ask(cluster: Mapping[str, str], *command: str) -> str:
    """What a client of the cluster says."""
    environment = {**os.environ, **cluster}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout


def _ask(environment: Mapping[str, str], *command: str) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False).stdout


def _empty_queue(environment: Mapping[str, str]) -> None:
    """End every job: a job outlives the daemons."""
    _ask(environment, "scancel", "--signal=KILL", "--full", f"--user={getpass.getuser()}")
    _ask(environment, "scancel", f"--user={getpass.getuser()}")
    deadline = time.monotonic() + 20
    while _ask(environment, "squeue", "--noheader").strip() and time.monotonic() < deadline:
        time.sleep(0.2)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(timeout=10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
