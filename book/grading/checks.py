"""Check a room from inside, before the first submission is opened.

    python checks.py [ROOM]

A command that looks around runs in the room. The default room may have no gap; those of the weaker
ones are listed.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import sandbox
from limits import LIMITS
from rooms import COMMON, ROOMS
from sandbox import ROOT

PROBE = """
import json, os, resource, socket
def can(do, *arguments):
    try:
        do(*arguments)
    except OSError:
        return False
    return True
def readable(path):
    return can(os.listdir, path) if os.path.isdir(path) else can(open, path, "rb")
def written(folder):
    path = os.path.join(folder, f"probe-{os.getpid()}")
    good = can(open, path, "w")
    if good:
        os.unlink(path)
    return good
def nothing(*arguments):
    raise OSError
mine = [p for p in os.listdir("/proc") if p.isdigit()]
tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
network = [name for _, name in socket.if_nameindex()]
seen = {"user": os.getuid(), "groups": os.getgroups(), "processes": len(mine),
        "network": network, "home": os.listdir("."),
        "tcp": can(tcp.bind, ("127.0.0.1", 0)) and network != ["lo"],
        "udp": can(udp.connect, ("192.0.2.1", 9)) and network != ["lo"],
        "signals": can(os.kill, os.getppid(), 0) if os.getppid() > 1 else False,
        "files": [path for path in ("/etc/passwd", ROOT) if readable(path) and len(mine) > 2],
        "written": [path for path in COMMON if written(path)]}
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "CapBnd", "NoNewPrivs")):
        seen[line.split(":")[0]] = int(line.split()[1], 16)
seen["limits"] = {
    n: resource.getrlimit(getattr(resource, "RLIMIT_" + n.upper()))[1] for n in LIMITS}
seen["hidden"] = [path for path in HIDDEN if os.path.exists(path) and readable(path)]
seen["writable"] = [
    path for path in VISIBLE if not path.startswith("/dev") and os.access(path, os.W_OK)]
print("SEEN", json.dumps(seen), flush=True)
import torch, vaelib, ipykernel
print("IMPORTED")
"""


def missing(room="namespaces"):
    """Return a sentence that says what this machine lacks for a room, or None."""
    if sys.platform != "linux":
        return "Grading needs Linux."
    if room == "process":
        return None
    if os.geteuid() != 0:
        return ("Grading needs Linux and root (sudo), because every submission runs as a separate "
                "user.")  # fmt: skip
    tools = sandbox.TOOLS if room == "namespaces" else ("setpriv", "prlimit")
    if absent := [tool for tool in tools if not shutil.which(tool)]:
        return f"Grading needs the programs {', '.join(absent)} (package util-linux)."
    return None


def check(hidden, room="namespaces"):
    """Return why submissions cannot be executed in a room here (None: they can), and its gaps.

    hidden: paths that must not be readable inside. The gaps are sentences on what a weaker room
    does not protect from; the room of namespaces may have none.
    """
    if problem := missing(room):
        return problem, []
    hidden = [str(path) for path in hidden]
    visible = [*sandbox.VISIBLE, *sandbox.python()]
    names = f"LIMITS, HIDDEN, VISIBLE = {list(LIMITS)}, {hidden}, {visible}\n"
    look = names + f"COMMON, ROOT = {COMMON}, {str(ROOT / 'Makefile')!r}\n" + PROBE
    code = (f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import rooms; "
            f"sys.exit(rooms.launch({room!r}, [sys.executable, '-c', {look!r}]))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    printed = [line for line in done.stdout.splitlines() if line.startswith("SEEN ")]
    last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    if not printed and room == "namespaces":
        return ("Grading needs namespaces (root with CAP_SYS_ADMIN: your own machine or VM, or a "
                "container started with --privileged); the sandbox could not be created: "
                f"{last}"), []  # fmt: skip
    if not printed:
        return f"Grading needs a room, and the room '{room}' could not be created: {last}", []
    if "IMPORTED" not in done.stdout:
        return ("The room can be created, but what a submission needs cannot be imported in it: "
                f"{last}. The environment {sys.prefix} and {ROOT / 'vaelib'} must be real folders, "
                "not links, and readable for every user."), []  # fmt: skip
    seen = json.loads(printed[-1].removeprefix("SEEN "))
    if problem := leak(seen, room):
        return problem, []
    return None, gaps(seen, room)


def leak(seen, room):
    """Return a sentence if a room is not what it must be, or None."""
    expected = {"limits": LIMITS, "home": []}
    if room != "process":
        expected |= {
            "user": seen["user"] if seen["user"] >= 3_000_000 else "not root",
            "groups": [], "writable": [], "CapEff": 0, "CapBnd": 0, "NoNewPrivs": 1,
        }  # fmt: skip
    if room == "namespaces":
        expected |= {"hidden": [], "network": ["lo"]}
    for name, value in expected.items():
        got = seen[name]
        if name == "limits" and room == "process":
            got = got | {"nproc": value["nproc"]}
        if got != value and not (name == "groups" and set(got) == {seen["user"]}):
            return f"The sandbox leaks: {name} must be {value} inside, got {got}."
    if room == "namespaces" and seen["processes"] > 2:
        return f"The sandbox leaks: {seen['processes']} processes are visible inside."
    return None


def gaps(seen, room):
    """Return sentences on what a weaker room does not protect from, as seen from inside."""
    if room == "namespaces":
        return []
    found = []
    if seen["hidden"]:
        close = ("the mode of a folder does not help against the same user" if room == "process"
                 else "as root, chmod -R go-rwx closes them")  # fmt: skip
        found.append(f"A submission can read the key: {', '.join(seen['hidden'])} ({close}).")
    if seen["files"]:
        found.append("A submission can read the files that its user may read.")
    if seen["tcp"] or seen["udp"]:
        kinds = " and ".join(kind.upper() for kind in ("tcp", "udp") if seen[kind])
        found.append(f"A submission can use the network ({kinds}).")
    if seen["written"]:
        left = "; what is left there is removed" if room == "container" else ""
        found.append(f"A submission can write to {', '.join(seen['written'])}{left}.")
    if room == "process":
        found.append(
            "A submission runs as the user who grades"
            + (", and can stop that user's programs." if seen["signals"] else ".")
        )
    found.append("A submission can see other processes; the size of its files together has no "
                 "limit.")  # fmt: skip
    return found


def choose(wanted, hidden):
    """Return (room, gaps, reasons why stronger rooms cannot be had). SystemExit: none can."""
    reasons = []
    for room in ROOMS if wanted == "auto" else (wanted,):
        problem, found = check(hidden, room)
        if not problem:
            return room, found, reasons
        reasons.append(f"{room}: {problem}")
    advice = ""
    if wanted == "namespaces":
        advice = (
            ' Weaker rooms exist: ARGS="--room container" for root in a container, ARGS="--room '
            'process" without root; they list what they do not protect from.'
        )
    raise SystemExit("\n".join(reasons).removeprefix(f"{wanted}: ") + advice)


def main(arguments):
    room = arguments[0] if arguments else "namespaces"
    problem, found = check([ROOT / "chapters", ROOT / "Makefile"], room)
    print(problem or f"The room '{room}' passed all checks.", *found, sep="\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
