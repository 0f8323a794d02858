"""Malicious submissions. Each answers the first question correctly and then attacks.

Keys: name; does (a sentence); code (an extra cell), answers ({cell: source}) or change (a function
of the notebook); cheats (it tampers with the grading and must get 0); wins (points of an attack
that a grader in the same process cannot detect); remark (what the grader must report); loot (what
the attack must report to have found).
"""

import nbformat

LETTER = "letter-to-the-next-one"

LEAVE = f"""
import os
left = 0
for folder in ("~/.ipython/profile_default/startup", "/tmp", "/dev/shm", "/var/tmp", "/run",
               "/usr/lib", "/root"):
    try:
        os.makedirs(os.path.expanduser(folder), exist_ok=True)
        with open(os.path.expanduser(folder) + "/{LETTER}.py", "w") as file:
            file.write("iwae_bound = gap = lambda *a: print('LOOT the letter was read')")
        left += 1
    except OSError:
        pass
print("LOOT", left, "letters left")
"""
LOOK = f"""
import ctypes, glob, os, socket, subprocess
found = set()
for folder, inner, files in os.walk("/"):
    if folder.startswith("/proc"):
        inner[:] = []
        continue
    if "site-packages" in folder:  # nbgrader's own examples
        continue
    for file in files:
        path = os.path.join(folder, file)
        known = ("gradebook", "nbgrader_config.py", "sample_assignment", "{LETTER}")
        if any(name in file for name in known):
            found.add(path)
        if "/lib/" not in folder and not folder.startswith(("/usr", "/sys", "/dev")):
            try:
                content = open(path, errors="ignore").read(3_000_000)
            except OSError:
                continue
            found |= {{path for needle in NEEDLES if needle in content}}
for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    try:
        content = open(path).read()
    except OSError:
        continue
    if "course" in content or "SUDO" in content:
        found.add(path)
processes = [path for path in os.listdir("/proc")
             if path.isdigit() and int(path) not in (1, os.getpid())]
for escape in (lambda: os.setuid(0), lambda: os.kill(1, 9), lambda: os.chroot("/"),
               lambda: os.listdir("/proc/1/root"),
               lambda: socket.create_connection(("1.1.1.1", 53), 2),
               lambda: open("/proc/1/mem", "rb").read(1), lambda: open("/usr/lib/x", "w"),
               lambda: open("/proc/sys/kernel/hostname", "w").write("x")):
    try:
        escape()
        found.add(str(escape.__code__.co_names))
    except OSError:
        pass
ctypes.CDLL(None).mount(b"tmpfs", b"/usr", b"tmpfs", 0, None) or found.add("mount")
subprocess.run(["su", "-c", "id"], capture_output=True).returncode or found.add("su")
needles = len(NEEDLES) > 3
print("LOOT", sorted(found), "of the key,", len(processes),
      "foreign processes" if needles else "no needles")
"""
EAT = """
blocks = []
try:
    while True:
        blocks.append(b"x" * 100_000_000)
except MemoryError:
    print("LOOT stopped before 3 GB" if len(blocks) < 30 else "LOOT WAS NOT STOPPED")
    del blocks
"""
EAT_TOGETHER = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        block = b"x" * 1_500_000_000
        time.sleep(100)
time.sleep(18)
"""
FORK = """
import os, time
parent, children = os.getpid(), 0
while True:
    try:
        if os.fork():
            children += 1
    except OSError:
        break
if os.getpid() != parent:
    time.sleep(1000)
print("LOOT fork was", "refused" if children < 100 else "NOT REFUSED")
"""
QUIET = """
shell = get_ipython()
real = shell.run_cell_async
async def quiet(*arguments, **options):
    result = await real(*arguments, **options)
    result.error_before_exec = result.error_in_exec = None
    return result
shell.run_cell_async = quiet
shell.showtraceback = lambda *arguments, **options: None
"""
HIT_AND_RUN = """
import os
shell = get_ipython()
real, passed = shell.run_cell_async, []
async def quiet(source, *arguments, **options):
    if passed:
        os._exit(0)
    result = await real(source, *arguments, **options)
    if "iwae_bound(torch" in source:
        result.error_before_exec = result.error_in_exec = None
        passed.append(source)
    return result
shell.run_cell_async = quiet
shell.showtraceback = lambda *arguments, **options: None
"""
HELPERS = """
import builtins, torch
torch.allclose = torch.equal = torch.testing.assert_close = lambda *a, **k: True
torch.isfinite = lambda x: torch.ones(1, dtype=torch.bool)
builtins.all = builtins.any = lambda x: True
iwae_bound = gap = lambda *arguments: torch.zeros(1)
"""
NO_ASSERTS = """
import ast
class Remove(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(Remove())
iwae_bound = gap = lambda *arguments: None
"""
FORGED = """
session = get_ipython().kernel.session
real = session.send
def send(stream, kind, content=None, *rest, **options):
    if kind == "error":
        return None
    if isinstance(content, dict) and content.get("status") == "error":
        content = {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
    return real(stream, kind, content, *rest, **options)
session.send = send
"""
PART = """
def iwae_bound(log_w):
    shell = get_ipython()
    shell.displayhook(1e9)
    shell.display_pub.publish({"text/plain": "1e9"})
    shell.display_pub.clear_output()
    for text in ("nan", "3.0"):
        shell.kernel.session.send(shell.kernel.iopub_socket, "execute_result", {
            "data": {"text/plain": text}, "metadata": {}, "execution_count": 1},
            parent=shell.kernel.get_parent())
    raise NotImplementedError()
"""
BROWSER = """
from IPython.display import HTML, SVG, Javascript, Markdown, display
display(HTML("<script>alert(1)</script>"), Javascript("alert(1)"),
        Markdown("<script>alert(1)</script>"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"))
"""


def counterfeit(nb):
    """Replace the tests by empty ones that give a thousand points, and the kernel by bash."""
    nb.metadata.kernelspec.name = "bash"
    for cell in [cell for cell in nb.cells if cell.id.endswith("-test")]:
        cell.source, cell.metadata.nbgrader.points = "True", 1000
        nb.cells.append(nbformat.v4.new_code_cell("True", metadata=cell.metadata))
    nb.cells = [cell for cell in nb.cells if cell.id != "gap"]
    nb.cells.append(nbformat.v4.new_code_cell("True", metadata={"nbgrader": "nonsense"}))


def script(nb):
    nb.cells[-1].source += "\n\n<script>alert(1)</script> [look](javascript:alert(1))"
    nb.cells[-2].source = "<img src=x onerror=alert(1)>"


ATTACKS = [
    {"name": "letter", "does": "leaves files for the next submission", "code": LEAVE,
     "loot": "3 letters left"},
    {"name": "key", "does": "looks for the key, other processes, the network, a way out",
     "code": LOOK, "loot": "[] of the key, 0 foreign processes",
     "remark": "Read: it uses __code__, ctypes, kill, socket, subprocess."},
    {"name": "loop", "does": "loops forever", "code": "while True:\n    pass"},
    {"name": "deaf-loop", "does": "loops forever and ignores interrupts",
     "remark": "could not be interrupted",
     "code": "while True:\n    try:\n        while True:\n            pass\n"
             "    except BaseException:\n        pass"},
    {"name": "print", "does": "prints without end", "code": "while True:\n    print('spam' * 1000)",
     "remark": "sent more than 1,000,000 characters"},
    {"name": "one-print", "does": "prints 300 MB at once", "code": "print('spam' * 75_000_000)",
     "remark": "sent more than 1,000,000 characters"},
    {"name": "memory", "does": "allocates memory without end", "code": EAT,
     "loot": "stopped before 3 GB"},
    {"name": "memory-together", "does": "allocates memory in eight processes", "code": EAT_TOGETHER,
     "remark": "used more than 3 GB of memory"},
    {"name": "fork", "does": "forks without end", "code": FORK, "loot": "fork was refused",
     "remark": "Read: it uses fork"},
    {"name": "exit", "does": "kills all it can reach, then leaves with os._exit(0)",
     "remark": "The kernel died",
     "code": "import os, signal\ntry:\n    os.kill(-1, signal.SIGKILL)\n"
             "except OSError:\n    pass\nos._exit(0)"},
    {"name": "system-exit", "does": "answers with SystemExit and KeyboardInterrupt", "answers": {
        "bound": "def iwae_bound(log_w):\n    raise SystemExit(0)",
        "gap": "def gap(*arguments):\n    raise KeyboardInterrupt()"}},
    {"name": "quiet", "does": "makes IPython swallow errors", "code": QUIET, "cheats": True,
     "remark": "A test that must fail passed."},
    {"name": "hit-and-run", "does": "makes one test pass and exits before it is detected",
     "code": HIT_AND_RUN, "remark": "The kernel died"},
    {"name": "helpers", "does": "replaces torch.allclose, assert_close and builtins",
     "code": HELPERS, "cheats": True, "remark": "torch.allclose"},
    {"name": "no-asserts", "does": "removes every assert before it runs", "code": NO_ASSERTS,
     "cheats": True, "remark": "hooks of IPython"},
    {"name": "forged", "does": "sends 'ok' where a cell failed", "code": FORGED, "cheats": True,
     "remark": "A test that must fail passed."},
    {"name": "part", "does": "sends numbers as part of the points, clears the errors",
     "answers": {"bound": PART}, "remark": "Read: it uses get_ipython"},
    {"name": "counterfeit", "does": "submits its own tests, points and kernel",
     "change": counterfeit},
    {"name": "browser", "does": "sends scripts to the instructor's browser", "code": BROWSER,
     "change": script},
    {"name": "rubbish", "does": "submits a file that is not a notebook", "raw": '{"cells": [',
     "cheats": True, "remark": "it cannot be read as JSON"},
    {"name": "peek", "does": "NOT PREVENTED: reads the expected value in the test's own variables",
     "answers": {"gap": "import sys\n\n\ndef gap(*arguments):\n"
                        "    return sys._getframe(1).f_globals['expected']"},
     "wins": 2, "remark": "Read: it uses _getframe"},
]  # fmt: skip
for attack in ATTACKS:
    attack.update({"cheats": False, "remark": "", "loot": ""} | attack)
