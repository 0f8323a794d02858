"""The sandbox that executes a submission: launches a Jupyter kernel in it (Linux, as root).

    python sandbox.py CONNECTION_FILE [kernel arguments]     # grading.py starts this as the kernel
    python sandbox.py                                        # check the sandbox from inside

The sandbox has its own mount, process, network and IPC namespaces: an empty file system with the
system's programs, this Python and vaelib mounted read-only; no network; no foreign processes. The
kernel runs there as a user without an account or privileges, under resource limits. `check`
verifies all this before the first submission is opened. There is no weaker fallback: if anything is
missing, grading stops with an error.
"""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = "/home/student"
TOOLS = ("unshare", "mount", "umount", "pivot_root", "setpriv", "prlimit")
GB = 1 << 30
# Per submission: memory of all its processes together, and space on its file system.
MEMORY, DISK = 3 * GB, GB // 4
# Per process: private memory, address space (a torch with CUDA maps several GB of code), file size,
# open files; nproc counts processes and threads together.
LIMITS = {
    "data": 2 * GB,
    "as": 16 * GB,
    "fsize": GB // 16,
    "nofile": 512,
    "nproc": 96,
    "core": 0,
    "cpu": 1800,
}
for name, limit in LIMITS.items():  # not even root may exceed the limits of this process
    given = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
    LIMITS[name] = limit if given == resource.RLIM_INFINITY else min(limit, given)
VISIBLE = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime",
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/sys/devices/system/cpu",
)  # fmt: skip


def python():
    """Return the folders of this Python and of vaelib, which a kernel needs next to /usr."""
    return [sys.base_prefix, os.path.realpath(sys.base_prefix), sys.prefix, str(ROOT / "vaelib"),
            str(ROOT / "book" / "receipts")]  # fmt: skip


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
    limits = [f"--{name}={limit}" for name, limit in LIMITS.items()]
    rights = [
        f"--reuid={user}",
        f"--regid={user}",
        "--clear-groups",
        "--no-new-privs",
        "--inh-caps=-all",
    ]
    lock = ["prlimit", *limits, "setpriv", *rights, "--bounding-set=-all"]
    # Interrupts are for the kernel, which is in the same process group.
    signal.signal(signal.SIGINT, lambda *_: None)
    kernel = subprocess.Popen(
        [*lock, *spec["command"]], env=spec["environment"], stdin=subprocess.DEVNULL
    )
    while True:  # process 1 inherits orphans; when it ends, the system kills all others
        pid, status = os.wait()
        if pid == kernel.pid:
            return os.waitstatus_to_exitcode(status) & 255


def fields(path):
    return dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)


def memory_of(user, shared_once=False):
    """Return the bytes of memory of a user's processes, file pages excluded.

    shared_once: count shared pages once, which is slower.
    """
    held = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # The owner of /proc/N is no help: a process can make root own it.
            seen, kinds = fields(process / "status"), ("RssAnon", "RssShmem")
            if int(seen["Uid"].split()[0]) == user:
                if shared_once:
                    seen, kinds = fields(process / "smaps_rollup"), ("Pss_Anon", "Pss_Shmem")
                held += 1024 * sum(int(seen[kind].split()[0]) for kind in kinds)
        except (OSError, KeyError, ValueError):  # it has ended meanwhile
            continue
    return held


def too_much(user):
    """Return a sentence if the user's processes exceed the memory limit, or None."""
    if memory_of(user) > MEMORY and memory_of(user, shared_once=True) > MEMORY:
        return f"The submission used more than {MEMORY // GB} GB of memory."
    return None


def machine_is_full():
    """Return a sentence if less than 5 % of the machine's memory is available, or None."""
    seen = fields(Path("/proc/meminfo"))
    available, total = (int(seen[key].split()[0]) for key in ("MemAvailable", "MemTotal"))
    return "The machine ran out of memory." if available < total / 20 else None


def launch(command, files=None, sockets=None, environment=None, stopped=None):
    """Run a command in a new sandbox until it ends or is killed; returns its exit status.

    files: {name: content} of its home folder; sockets: a folder that is shared and writable;
    stopped: the file to which the reason is written if the command is killed.
    """
    # A user id of no account and of no other sandbox at this time.
    user, parent = 3_000_000 + os.getpid(), os.getppid()
    if sockets:
        os.chown(sockets, user, user)
    environment = {
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        "HOME": HOME,
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **(environment or {}),
    }
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
    process = subprocess.Popen(
        [*enter, sys.executable, "-I", __file__, "--inside"], stdin=subprocess.PIPE
    )
    try:
        # On stdin: a process's arguments can be read by every user.
        process.stdin.write(json.dumps(spec).encode())
        process.stdin.close()
        while process.poll() is None:
            reason = too_much(user) or machine_is_full()
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


PROBE = """
import json, os, resource, socket, sys
seen = {"user": os.getuid(), "groups": os.getgroups(),
        "processes": [p for p in os.listdir("/proc") if p.isdigit()],
        "network": [name for _, name in socket.if_nameindex()],
        "home": os.listdir("."), "root": os.listdir("/")}
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "CapBnd", "NoNewPrivs")):
        seen[line.split(":")[0]] = int(line.split()[1], 16)
seen["limits"] = {
    n: resource.getrlimit(getattr(resource, "RLIMIT_" + n.upper()))[1] for n in LIMITS}
seen["hidden"] = [path for path in HIDDEN if os.path.exists(path)]
seen["writable"] = [
    path for path in VISIBLE if not path.startswith("/dev") and os.access(path, os.W_OK)]
import torch, vaelib, ipykernel
print(json.dumps(seen))
"""


def missing():
    """Return a sentence that says what this machine lacks for a sandbox, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return (
            "Grading needs Linux and root (sudo), because every submission runs as a separate user."
        )
    if absent := [tool for tool in TOOLS if not shutil.which(tool)]:
        return f"Grading needs the programs {', '.join(absent)} (package util-linux)."
    return None


def check(hidden):
    """Return a sentence that says why submissions cannot be executed safely here, or None.

    hidden: paths that must not be visible inside.
    """
    if problem := missing():
        return problem
    hidden = [str(path) for path in hidden]
    look = f"LIMITS, HIDDEN, VISIBLE = {list(LIMITS)}, {hidden}, {[*VISIBLE, *python()]}" + PROBE
    code = (f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import sandbox; "
            f"sys.exit(sandbox.launch([sys.executable, '-c', {look!r}]))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return (
            "Grading needs namespaces (root with CAP_SYS_ADMIN: your own machine or VM, "
            f"or a container started with --privileged); the sandbox could not be created: {last}"
        )
    seen = json.loads(done.stdout.splitlines()[-1])
    expected = {
        "user": seen["user"] if seen["user"] >= 3_000_000 else "not root",
        "groups": [],
        "hidden": [],
        "network": ["lo"],
        "home": [],
        "writable": [],
        "CapEff": 0,
        "CapBnd": 0,
        "NoNewPrivs": 1,
        "limits": LIMITS,
    }
    for name, value in expected.items():
        if seen[name] != value and not (name == "groups" and set(seen[name]) == {seen["user"]}):
            return f"The sandbox leaks: {name} must be {value} inside, got {seen[name]}."
    if len(seen["processes"]) > 2:
        return f"The sandbox leaks: processes {seen['processes']} are visible inside."
    return None


def main(arguments):
    if arguments[:1] == ["--inside"]:
        return inside(json.load(sys.stdin))
    if not arguments:
        problem = check([ROOT / "chapters", ROOT / "Makefile"])
        print(
            problem
            or "The sandbox passed all checks: no network, no foreign processes, "
            "no files of the course."
        )
        return 1 if problem else 0
    connection, *rest = arguments
    where = Path(connection).parent
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", f"{HOME}/kernel.json", *rest]
    chosen = {name: os.environ[name] for name in ("VAELIB_PROFILE",) if name in os.environ}
    files = {"kernel.json": Path(connection).read_text()}
    return launch(
        command, files, str(where / "sockets"), {"TQDM_DISABLE": "1", **chosen}, where / "stopped"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
