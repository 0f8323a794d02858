"""Limits of a submission: for each of its processes, and for the memory of all together."""

import resource
from pathlib import Path

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


def apply(limits):
    """Set limits on this process; one that it may not set stays as it is."""
    for name, limit in limits.items():
        kind = getattr(resource, f"RLIMIT_{name.upper()}")
        try:
            resource.setrlimit(kind, (limit, limit))
        except (ValueError, OSError):
            continue


def fields(path):
    return dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)


def processes(chosen):
    """Return the processes whose fields of /proc/N/status fulfil `chosen`, as {number: fields}."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = fields(process / "status")
            if chosen(seen):
                found[int(process.name)] = seen
        except (OSError, ValueError):  # it has ended meanwhile
            continue
    return found


def of_user(user):
    """Return a user's processes. The owner of /proc/N is no help: root may own it."""
    return processes(lambda seen: int(seen["Uid"].split()[0]) == user)


def descendants(ancestor):
    """Return the processes that this one has started, directly or not."""
    every, found = processes(lambda seen: True), {}
    parents = {number: int(seen["PPid"]) for number, seen in every.items()}
    for number, seen in every.items():
        at = number
        while at in parents and at != ancestor:
            at = parents[at]
        if at == ancestor and number != ancestor:
            found[number] = seen
    return found


def memory_of(found, shared_once=False):
    """Return the bytes of memory of some processes, file pages excluded.

    shared_once: count shared pages once, which is slower.
    """
    held = 0
    for number, seen in found.items():
        try:
            kinds = ("RssAnon", "RssShmem")
            if shared_once:
                seen = fields(Path(f"/proc/{number}/smaps_rollup"))
                kinds = ("Pss_Anon", "Pss_Shmem")
            held += 1024 * sum(int(seen[kind].split()[0]) for kind in kinds)
        except (OSError, KeyError, ValueError):  # it has ended meanwhile
            continue
    return held


def too_much(found):
    """Return a sentence if some processes exceed the memory limit together, or None."""
    if memory_of(found) > MEMORY and memory_of(found, shared_once=True) > MEMORY:
        return f"The submission used more than {MEMORY // GB} GB of memory."
    return None


def machine_is_full():
    """Return a sentence if less than 5 % of the machine's memory is available, or None."""
    seen = fields(Path("/proc/meminfo"))
    available, total = (int(seen[key].split()[0]) for key in ("MemAvailable", "MemTotal"))
    return "The machine ran out of memory." if available < total / 20 else None
