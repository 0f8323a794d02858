"""The room in which a submission runs: launches a Jupyter kernel in it.

    python rooms.py CONNECTION_FILE [kernel arguments]     # execute.py starts this as the kernel

    namespaces   the default: sandbox.py; needs root and the right to make namespaces
    container    for root in a container without this right: a separate user, limits
    process      for a plain user: a process of the same user, limits

The two weaker rooms use Landlock where the kernel has it. What they do not protect from, checks.py
finds out from inside; grading prints it and writes it into each record.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import landlock
import sandbox
from limits import LIMITS, apply, descendants, machine_is_full, of_user, too_much

ROOMS = ("namespaces", "container", "process")
SUBREAPER = 36
HERE = "@HOME@"  # stands for the home folder in a command
# Folders that every user may write to; what a submission leaves there is removed.
COMMON = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")


def launch(room, command, files=None, sockets=None, environment=None, stopped=None):
    """Run a command in a new room until it ends or is killed; returns its exit status.

    files: {name: content} of its home folder; HERE in the command stands for it; sockets:
    a folder that is shared and writable; stopped: the file to which the reason is written if the
    command is killed.
    """
    if room not in ROOMS:
        raise ValueError(f"room must be one of {', '.join(ROOMS)}, got {room!r}.")
    if room == "namespaces":
        command = [word.replace(HERE, sandbox.HOME) for word in command]
        return sandbox.launch(command, files, sockets, environment, stopped)
    user = 3_000_000 + os.getpid() if room == "container" else None
    spec = {"room": room, "user": user, "command": command, "files": files or {},
            "sockets": sockets, "environment": environment or {},
            "stopped": str(stopped) if stopped else None}  # fmt: skip
    # The warden outlives this process, which may be killed, and then ends all that was started.
    warden = subprocess.Popen([sys.executable, "-Es", __file__, "--warden"], stdin=subprocess.PIPE,
                              start_new_session=True)  # fmt: skip
    signal.signal(signal.SIGINT, lambda *_: warden.send_signal(signal.SIGINT))
    warden.stdin.write(json.dumps(spec).encode() + b"\n")
    warden.stdin.flush()  # it stays open: its end tells the warden that this process has ended
    parent = os.getppid()
    while warden.poll() is None:
        if os.getppid() != parent and not warden.stdin.closed:  # the caller has ended
            warden.stdin.close()
        time.sleep(0.1)
    return warden.returncode


def warden(spec):
    """Start a command in a weaker room; in the end, end all processes and remove all files."""
    user, room = spec["user"], spec["room"]
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)  # orphans become children of this process
    home = tempfile.mkdtemp(prefix="vae-home-", dir="/tmp")
    for name, content in spec["files"].items():
        Path(home, name).write_text(content)
    owned = [home, *map(str, Path(home).iterdir()), *filter(None, [spec["sockets"]])]
    command = [word.replace(HERE, home) for word in spec["command"]]
    if room == "container":
        for path in owned:
            os.chown(path, user, user)
        command = [*sandbox.unprivileged(user), *command]
    elif os.geteuid() == 0 and shutil.which("setpriv"):  # root, but without root's rights
        command = ["setpriv", *sandbox.NO_RIGHTS, *command]
    # This counts all processes of the user, those of other programs too.
    threads = LIMITS["nproc"] + sum(int(p.get("Threads", 1)) for p in of_user(os.getuid()).values())
    readable = [*sandbox.VISIBLE, *sandbox.python(), "/proc"]
    writable = [home, "/dev/null", *filter(None, [spec["sockets"]])]

    def confine():
        landlock.restrict(readable, writable)
        if room == "process":
            apply(LIMITS | {"nproc": threads})

    environment = sandbox.environment_of(home) | {"TMPDIR": home} | spec["environment"]
    kernel = subprocess.Popen(command, env=environment, cwd=home, stdin=subprocess.DEVNULL,
                              preexec_fn=confine, process_group=0)  # fmt: skip
    signal.signal(signal.SIGINT, lambda *_: kernel.send_signal(signal.SIGINT))
    reason, code = None, None
    while code is None and not reason:
        reason = too_much(descendants(os.getpid())) or machine_is_full()
        if select.select([sys.stdin], [], [], 0)[0] and not sys.stdin.readline():
            break  # whoever started this has ended
        code = reap(kernel.pid, code)
        time.sleep(0.1)
    if reason and spec["stopped"]:
        Path(spec["stopped"]).write_text(reason)
    for _ in range(200):
        left = descendants(os.getpid()) | (of_user(user) if user else {})
        for number in left:
            try:
                os.kill(number, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        code = reap(kernel.pid, code)
        if not left:
            break
        time.sleep(0.02)
    shutil.rmtree(home, ignore_errors=True)
    if user:
        remove_files_of(user)
    return 137 if code is None else code


def reap(wanted, code):
    """Take note of ended children; returns the exit status of the wanted one once it has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == wanted:
            code = os.waitstatus_to_exitcode(status) & 255


def remove_files_of(user):
    """Remove what a user has left in the folders that everybody may write to."""
    for place in COMMON:
        for folder, inner, files in os.walk(place, topdown=False):
            for name in (*files, *inner):
                path = os.path.join(folder, name)
                try:
                    if os.lstat(path).st_uid == user:
                        is_folder = os.path.isdir(path) and not os.path.islink(path)
                        (os.rmdir if is_folder else os.unlink)(path)
                except OSError:
                    continue


def main(arguments):
    if arguments[:1] == ["--warden"]:
        return warden(json.loads(sys.stdin.readline()))
    connection, *rest = arguments
    where = Path(connection).parent
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", f"{HERE}/kernel.json", *rest]
    chosen = {name: os.environ[name] for name in ("VAELIB_PROFILE",) if name in os.environ}
    files = {"kernel.json": Path(connection).read_text()}
    room = os.environ.get("GRADING_ROOM", "namespaces")
    return launch(room, command, files, str(where / "sockets"), {"TQDM_DISABLE": "1", **chosen},
                  where / "stopped")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
