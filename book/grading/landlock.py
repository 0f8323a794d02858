"""Landlock: a process of Linux gives up rights for itself and for all that it starts, without root.

Linux 5.13 and newer have it for files, 6.7 for TCP, 6.12 for signals; the kernel must have been
built and started with it. Containers usually allow it.
"""

import ctypes
import os
import struct

CREATE, ADD, RESTRICT = 444, 445, 446  # numbers of the system calls, the same on all machines
READ = 0b1101  # execute, read a file, read a folder
WRITE_FILE, TRUNCATE, DEVICES = 1 << 1, 1 << 14, 1 << 15
TCP, SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals
NO_NEW_PRIVILEGES = 38


def call(number, *arguments):
    library = ctypes.CDLL(None, use_errno=True)
    result = library.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def version():
    """Return the version of Landlock of this kernel, 0 if it has none."""
    try:
        return call(CREATE, None, ctypes.c_size_t(0), 1)
    except OSError:
        return 0


def restrict(readable, writable):
    """Restrict this process, for good: files to those below the given paths, no TCP, no signals.

    readable: may be read and executed. writable: may be read, written, created and removed.
    Returns the version of Landlock; with 0 nothing was restricted.
    """
    found = version()
    if not found:
        return 0
    every = (1 << 13) - 1  # the rights of version 1
    every |= (1 << 13) * (found >= 2) | TRUNCATE * (found >= 3) | DEVICES * (found >= 5)
    sizes = 8 + 8 * (found >= 4) + 8 * (found >= 6)
    handled = struct.pack("=QQQ", every, TCP * (found >= 4), SCOPES * (found >= 6))[:sizes]
    rules = call(CREATE, handled, ctypes.c_size_t(sizes), 0)
    of_files = READ & ~8 | WRITE_FILE | (TRUNCATE | DEVICES) & every
    for paths, allowed in ((readable, READ), (writable, every)):
        for path in paths:
            try:
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            rights = allowed if os.path.isdir(path) else allowed & of_files
            call(ADD, rules, 1, struct.pack("=Qi", rights, place), 0)
            os.close(place)
    ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    call(RESTRICT, rules, 0)
    os.close(rules)
    return found
