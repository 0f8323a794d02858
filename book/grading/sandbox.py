"""The safe room for a submission: namespaces of its own (Linux, as root).

It has its own mount, process, network and IPC namespaces: an empty file system with the system's
programs, this Python and vaelib mounted read-only; no network; no foreign processes. The kernel
runs there as a user without an account or privileges, under resource limits. rooms.py starts it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from limits import DISK, LIMITS, machine_is_full, of_user, too_much

ROOT = Path(__file__).resolve().parents[2]
HOME = "/home/student"
TOOLS = ("unshare", "mount", "umount", "pivot_root", "setpriv", "prlimit")
VISIBLE = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime",
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/sys/devices/system/cpu",
)  # fmt: skip
NO_RIGHTS = ("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")


def python():
    """Return the folders of this Python and of vaelib, which a kernel needs next to /usr."""
    return [sys.base_prefix, os.path.realpath(sys.base_prefix), sys.prefix, str(ROOT / "vaelib"),
            str(ROOT / "book" / "receipts")]  # fmt: skip


def environment_of(home):
    """Return the environment of a submission; nothing of the grader's is in it."""
    return {
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def unprivileged(user):
    """Return the start of a command that takes away all rights and becomes another user."""
    limits = [f"--{name}={limit}" for name, limit in LIMITS.items()]
    identity = [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return ["prlimit", *limits, "setpriv", *identity, *NO_RIGHTS]


def inside(spec):
    """Set up the file system, drop all privileges, run the command; as process 1, as root."""

    def run(*command):
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    def show(path, options="ro,nosuid"):
        """Mount one file or folder of the machine at the same place in the sandbox."""
        there = Path(root + path)
        if os.path.islink(path) and path.count("/") == 1:  # /lib -> usr/lib
            there.symlink_to(os.readlink(path))
        elif os.path.exists(path):
            there.parent.mkdir(parents=True, exist_ok=True)
            if os.path.isdir(path):
                there.mkdir(exist_ok=True)
            else:
                there.touch()
            run("mount", "-o", f"bind,{options}", path, str(there))

    root, user = spec["root"], spec["user"]
    run(
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={DISK},nr_inodes=20000,mode=755,nosuid,nodev",
        "root",
        root,
    )
    for folder, mode in {
        "tmp": 0o1777,
        "dev/shm": 0o1777,
        "proc": 0o755,
        "etc": 0o755,
        "old": 0o700,
    }.items():
        os.makedirs(f"{root}/{folder}")
        os.chmod(f"{root}/{folder}", mode)
    for path in dict.fromkeys([*VISIBLE, *python()]):
        if not any(path.startswith(f"{other}/") for other in ("/usr", sys.prefix)):
            show(path)
    if spec["sockets"]:
        show(spec["sockets"], "rw,nosuid,nodev,noexec")
    os.makedirs(root + HOME)
    Path(root, "etc/passwd").write_text(f"student:x:{user}:{user}::{HOME}:/bin/sh\n")
    Path(root, "etc/group").write_text(f"student:x:{user}:\n")
    for name, content in spec["files"].items():
        Path(root + HOME, name).write_text(content)
        os.chown(root + HOME + "/" + name, user, user)
    os.chown(root + HOME, user, user)
    os.chdir(root)
    run("pivot_root", ".", "old")
    os.chdir("/")
    run("mount", "-t", "proc", "-o", "nosuid,nodev,noexec", "proc", "/proc")
    run("umount", "--lazy", "/old")
    for name in ("shmmni", "msgmni"):  # memory that no per-process limit counts
        Path("/proc/sys/kernel", name).write_text("0")
    socket.sethostname("grading")
    os.chdir(HOME)
    # Interrupts are for the kernel, which is in the same process group.
    signal.signal(signal.SIGINT, lambda *_: None)
    kernel = subprocess.Popen(
        [*unprivileged(user), *spec["command"]], env=spec["environment"], stdin=subprocess.DEVNULL
    )
    while True:  # process 1 inherits orphans; when it ends, the system kills all others
        pid, status = os.wait()
        if pid == kernel.pid:
            return os.waitstatus_to_exitcode(status) & 255


def launch(command, files=None, sockets=None, environment=None, stopped=None):
    """Run a command in a new sandbox until it ends or is killed; returns its exit status.

    files: {name: content} of its home folder; sockets: a folder that is shared and writable;
    stopped: the file to which the reason is written if the command is killed.
    """
    # A user id of no account and of no other sandbox at this time.
    user, parent = 3_000_000 + os.getpid(), os.getppid()
    if sockets:
        os.chown(sockets, user, user)
    environment = environment_of(HOME) | (environment or {})
    root = "/run/vae-root"  # an empty folder; mounts there are visible only inside
    os.makedirs(root, 0o700, exist_ok=True)
    spec = {
        "root": root,
        "user": user,
        "command": command,
        "files": files or {},
        "sockets": sockets,
        "environment": environment,
    }
    namespaces = [
        f"--{kind}" for kind in ("mount", "pid", "net", "ipc", "uts", "fork", "kill-child")
    ]
    enter = ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces]  # ends with this process
    signal.signal(signal.SIGINT, lambda *_: None)
    process = subprocess.Popen([*enter, sys.executable, "-Es", __file__], stdin=subprocess.PIPE)
    try:
        # On stdin: a process's arguments can be read by every user.
        process.stdin.write(json.dumps(spec).encode())
        process.stdin.close()
        while process.poll() is None:
            reason = too_much(of_user(user)) or machine_is_full()
            if reason:
                if stopped:
                    Path(stopped).write_text(reason)
                process.kill()
            if os.getppid() != parent:  # the caller has ended
                process.kill()
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    return process.returncode


if __name__ == "__main__":
    sys.exit(inside(json.load(sys.stdin)))
