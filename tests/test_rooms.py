"""The rooms in which submissions run, and grading in the weaker ones.

What needs nbgrader and root runs under `make grade-demo`; elsewhere it is skipped.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import checks
import demo
import landlock
import nbformat
import pytest
import rooms
import sandbox
from conftest import need
from dates import UTC
from limits import LIMITS
from record import text
from sample_assignment import ROOT, notebook

HERE = Path(rooms.__file__).parent


@pytest.fixture
def linux():
    need(sys.platform == "linux", "needs Linux", ci=False)


# ---- What a machine lacks, and what a room lacks


def test_grading_says_what_the_machine_lacks(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for room in ("namespaces", "container"):
        assert "needs Linux and root" in checks.missing(room)
        assert checks.check([], room) == (checks.missing(room), [])
    assert checks.missing("process") is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(checks.shutil, "which", lambda tool: None if tool == "setpriv" else tool)
    assert checks.missing() == "Grading needs the programs setpriv (package util-linux)."
    monkeypatch.setattr(sys, "platform", "darwin")
    assert checks.missing("process") == "Grading needs Linux."


def looked(monkeypatch, stdout="", stderr="", code=1):
    """Let the look from inside give this result."""
    done = SimpleNamespace(stdout=stdout, stderr=stderr, returncode=code)
    monkeypatch.setattr(checks, "missing", lambda room: None)
    monkeypatch.setattr(checks.subprocess, "run", lambda *a, **k: done)


def test_the_true_reason_is_said_when_a_room_cannot_be_created(monkeypatch):
    looked(monkeypatch, stderr="...\nunshare: unshare failed: Operation not permitted\n")
    problem, _ = checks.check([])
    assert problem.startswith("Grading needs namespaces")
    assert problem.endswith("unshare failed: Operation not permitted")
    problem, _ = checks.check([], "container")
    assert "the room 'container' could not be created" in problem and "namespaces" not in problem


def test_a_missing_module_is_not_blamed_on_namespaces(monkeypatch):
    looked(monkeypatch, "SEEN {}\n", "ModuleNotFoundError: No module named 'vaelib'\n")
    problem, _ = checks.check([])
    assert "cannot be imported in it: ModuleNotFoundError: No module named 'vaelib'" in problem
    assert "namespaces" not in problem and not problem.startswith("Grading needs")


SEEN = {
    "user": 3_000_001, "groups": [], "processes": 2, "network": ["lo"], "home": [], "tcp": False,
    "udp": False, "signals": False, "files": [], "written": ["/tmp"], "CapEff": 0, "CapBnd": 0,
    "NoNewPrivs": 1, "limits": dict(LIMITS), "hidden": [], "writable": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"user": 0}, {"groups": [4]}, {"network": ["lo", "eth0"]}, {"home": ["x"]}, {"CapEff": 1},
     {"CapBnd": 1}, {"NoNewPrivs": 0}, {"limits": LIMITS | {"as": 1}}, {"hidden": ["/key"]},
     {"writable": ["/usr"]}, {"processes": 3}],
)  # fmt: skip
def test_any_leak_of_the_safe_room_is_reported(change):
    assert checks.leak(SEEN, "namespaces") is None and checks.gaps(SEEN, "namespaces") == []
    assert "The sandbox leaks" in checks.leak(SEEN | change, "namespaces")


def test_a_weaker_room_lists_what_it_does_not_protect_from():
    every = {"hidden": ["/key"], "files": ["/etc"], "tcp": True, "udp": True, "signals": True}
    weak = SEEN | {"network": ["lo", "eth0"], "processes": 50} | every
    assert checks.leak(weak, "container") is None
    found = checks.gaps(weak, "container")
    parts = ["read the key: /key (as root", "its user may read", "network (TCP and UDP)",
             "write to /tmp; what is left there is removed", "see other processes"]  # fmt: skip
    for part in parts:
        assert any(part in sentence for sentence in found), part
    assert not any("user who grades" in sentence for sentence in found)
    own = weak | {"user": 1000, "groups": [1000], "CapBnd": 1, "NoNewPrivs": 0}
    assert "leaks: user" in checks.leak(own, "container")
    assert checks.leak(own | {"limits": LIMITS | {"nproc": 400}}, "process") is None
    assert "leaks: limits" in checks.leak(own | {"limits": LIMITS | {"as": 1}}, "process")
    found = " ".join(checks.gaps(own, "process"))
    assert "mode of a folder does not help" in found and "stop that user's programs" in found
    closed = own | {"hidden": [], "files": [], "tcp": False, "signals": False, "written": []}
    found = " ".join(checks.gaps(closed, "process"))
    assert "key" not in found and "network (UDP)" in found and "stop" not in found


def test_the_default_room_refuses_and_names_the_others(monkeypatch):
    problems = {"namespaces": "It lacks x.", "container": "It lacks y.", "process": None}
    monkeypatch.setattr(checks, "check", lambda hidden, room: (problems[room], ["a gap"]))
    with pytest.raises(SystemExit) as stop:
        checks.choose("namespaces", [])
    said = str(stop.value)
    assert said.startswith("It lacks x.")
    assert "--room container" in said and "--room process" in said
    with pytest.raises(SystemExit, match="^It lacks y.$"):
        checks.choose("container", [])
    reasons = ["namespaces: It lacks x.", "container: It lacks y."]
    assert checks.choose("auto", []) == ("process", ["a gap"], reasons)
    problems["process"] = "It lacks z."
    with pytest.raises(SystemExit, match="process: It lacks z."):
        checks.choose("auto", [])


# ---- The room of a plain user


def started(code, files=None, stopped=None):
    """Start code in the room `process`, by a process of its own; returns that process."""
    look = f"import rooms, sys; sys.exit(rooms.launch('process', [sys.executable, '-c', {code!r}], "
    look += f"{files!r}, stopped={stopped!r}))"
    return subprocess.Popen([sys.executable, "-c", look], stdout=subprocess.PIPE, text=True,
                            env=os.environ | {"PYTHONPATH": str(HERE), "SECRET": "x"})  # fmt: skip


def test_a_process_has_a_clean_environment_and_a_home_that_vanishes(linux):
    code = "import json, os; print(json.dumps([dict(os.environ), os.getcwd(), open('k').read()]))"
    process = started(code, {"k": "content"})
    environment, home, content = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0 and content == "content"
    assert "SECRET" not in environment and "PYTHONPATH" not in environment
    assert environment["HOME"] == environment["TMPDIR"] == home and not os.path.exists(home)


def test_an_unknown_room_is_refused():
    with pytest.raises(ValueError, match="room must be one of namespaces, .*got 'open'"):
        rooms.launch("open", ["true"])


def test_a_process_cannot_read_the_key_where_the_kernel_has_landlock(linux, tmp_path):
    need(landlock.version(), "needs Landlock", ci=False)
    key = tmp_path / "key.ipynb"
    key.write_text("the key")
    code = f"""
import os, nbformat
for do in (lambda: open({str(key)!r}), lambda: os.listdir({str(ROOT)!r}),
           lambda: open({str(ROOT / "Makefile")!r}), lambda: open('/tmp/x', 'w'),
           lambda: open({str(HERE / "answers.py")!r}), lambda: os.listdir('/proc/1/cwd'),
           lambda: os.listdir(f'/proc/{{os.getppid()}}/cwd'),
           lambda: open(f'/proc/{{os.getppid()}}/environ').read()):
    try:
        do()
        print('LOOT')
    except OSError:
        print('refused')
open('own', 'w').write('x')
"""
    process = started(code)
    assert process.communicate(timeout=120)[0].split() == ["refused"] * 8
    assert process.returncode == 0


FORK = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(300)
            os._exit(0)
        os._exit(0)
time.sleep(0.5)
print("ready", flush=True)
time.sleep(WAIT)
"""


def sleepers(mark):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path] if mark.encode() in path.read_bytes() else []
        except OSError:
            continue
    return found


@pytest.mark.parametrize("end", ["itself", "kill"])
def test_no_process_outlives_a_submission(end, linux):
    mark = f"mark_{os.getpid()}_{end}"
    process = started(f"# {mark}\n" + FORK.replace("WAIT", "0" if end == "itself" else "300"))
    assert process.stdout.readline() == "ready\n"
    if end == "kill":
        assert sleepers(mark)
        process.send_signal(signal.SIGKILL)
    process.wait(30)
    until = time.monotonic() + 20
    while sleepers(mark) and time.monotonic() < until:
        time.sleep(0.1)
    assert not sleepers(mark)


def test_an_interrupt_reaches_the_submission(linux):
    # A shell starts what it runs in the background with interrupts ignored.
    code = "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "try:\n    print('on', flush=True)\n    time.sleep(100)\n"
    process = started(code + "except KeyboardInterrupt:\n    print('interrupted')")
    assert process.stdout.readline() == "on\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted\n" and process.returncode == 0


def test_limits_hold_in_the_room_of_a_plain_user(linux, tmp_path):
    code = "import resource as r\nprint([r.getrlimit(getattr(r, 'RLIMIT_' + n))[1] for n in NAMES])"
    names = [name.upper() for name in LIMITS if name != "nproc"]
    printed = started(code.replace("NAMES", repr(names))).communicate(timeout=60)[0]
    assert json.loads(printed) == [LIMITS[name.lower()] for name in names]


def test_a_submission_that_takes_too_much_memory_is_stopped(linux, tmp_path):
    eat = "x = bytearray(200_000_000)\nimport time\ntime.sleep(60)"
    spec = {"room": "process", "user": None, "files": {}, "sockets": None, "environment": {},
            "stopped": str(tmp_path / "why"), "command": [sys.executable, "-c", eat]}  # fmt: skip
    code = f"import limits, rooms; limits.MEMORY = 50_000_000; rooms.warden({spec!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                               env=os.environ | {"PYTHONPATH": str(HERE)})  # fmt: skip
    process.wait(50)
    assert "GB of memory" in (tmp_path / "why").read_text()


# ---- Grading in a weaker room: half of the points, records, and what was read stays read


@pytest.fixture
def nbgrader():
    need(importlib.util.find_spec("nbgrader"), "needs nbgrader: run by make grade-demo", ci=False)
    need(sys.platform == "linux", "needs Linux", ci=False)


STUCK = """
from vaelib.coursework import ready_made
try:
    iwae_bound = ready_made("00_sample", "iwae_bound")
except ValueError:  # the sample has no ready-made functions
    from vaelib import iwae_bound
"""


def handed(why="A reason of my own."):
    nb = demo.filled(notebook(), ["kl"])
    for cell in nb.cells:
        if cell.id == "bound":
            cell.source = STUCK
        if cell.id == "why":
            cell.source = why
    return nbformat.v4.writes(nb)


def test_a_course_from_the_first_call_to_the_last(nbgrader, tmp_path, monkeypatch, capsys):
    import grades
    import grading

    monkeypatch.setenv("VAELIB_PROFILE", "smoke")
    name = "00_sample"
    sources = tmp_path / "sources" / f"{name}.ipynb"
    sources.parent.mkdir()
    sources.write_text(text(notebook()), encoding="utf-8")
    course, file = tmp_path / "course", tmp_path / "in" / "Jörg Müller" / f"{name} (1).ipynb"
    file.parent.mkdir(parents=True)
    course.mkdir()
    (course / "course.toml").write_text(
        f"late = {{per_day = 0.1, most = 0.5}}\n[due]\n{name} = 2026-11-01T00:00:00Z\n"
    )
    (course / "roster.csv").write_text("student,name,email\njoerg,Jörg Müller,j@school.example\n")

    def call(content=None, **more):
        if content:
            file.write_text(content, encoding="utf-8")
        at = datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp()
        os.utime(file, (at, at))
        rows, graded, _ = grading.grade(course, [sources], tmp_path / "in", "process", **more)
        (row,) = rows
        return row, graded

    row, graded = call(handed())
    printed = capsys.readouterr().out
    assert "Room 'process': A submission runs as the user who grades" in printed
    found = json.loads((course / "records" / f"joerg--{name}.json").read_text(encoding="utf-8"))
    assert graded == [("joerg", name)] and found["stopped"] is None, found
    assert [(c["id"], c["points"], c["ready_made"]) for c in found["cells"]] == [
        ("kl-test", 3.0, False), ("bound-test", 1.5, True), ("gap-test", 0.0, False),
        ("why", None, False)]  # fmt: skip
    assert found["cells"][2]["message"] == "NotImplementedError"
    assert found["room"] == "process" and any("user who grades" in s for s in found["unprotected"])
    assert (found["file"], found["name"]) == (f"Jörg Müller/{name} (1).ipynb", "Jörg Müller")
    assert (found["late_hours"], found["penalty"]) == (36.0, 0.2)
    assert (row["points"], row["of"], row["to_read"], row["read points"]) == (4.5, 8, 2, 0)
    assert "36.0 hours late, which takes 20% of the points." in row["remarks"]
    original = course / "submitted" / "joerg" / name / f"{name}.ipynb"
    assert original.read_bytes() == file.read_bytes()

    def why():
        with grades.book(course) as gradebook:
            grade = gradebook.find_grade("why", name, name, "joerg")
            late = gradebook.find_submission_notebook(name, name, "joerg").late_submission_penalty
            submission = gradebook.find_submission(name, "joerg")
            assert submission.total_seconds_late == 36 * 3600  # of timestamp.txt and course.toml
            email = gradebook.find_student("joerg").email
            return grade.manual_score, grade.needs_manual_grade, round(late, 6), email

    assert why() == (None, True, 0.9, "j@school.example")
    with grades.book(course) as gradebook:  # as Formgrader does
        grade = gradebook.find_grade("why", name, name, "joerg")
        grade.manual_score, grade.needs_manual_grade = 1.5, False
        gradebook.find_comment("why", name, name, "joerg").manual_comment = "Say why."
        gradebook.db.commit()
    row, graded = call()
    assert graded == [] and (row["to_read"], row["read points"]) == (0, 1.5)
    assert why()[:3] == (1.5, False, 1.2)

    room = ("process", [], [])
    monkeypatch.setattr(grading.checks, "choose", lambda *a: room)  # it takes a while
    row, graded = call(again=True)
    assert graded and (row["to_read"], row["read points"]) == (0, 1.5)
    cell = json.loads((course / "records" / f"joerg--{name}.json").read_text())["cells"][-1]
    assert (cell["points"], cell["comment"]) == (1.5, "Say why.")
    row, graded = call(handed("Another reason."))
    assert graded and row["to_read"] == 2 and why()[:2] == (1.5, True)
    row, graded = call(again=True, students=["joerg"], only=[name])
    assert row["to_read"] == 2 and why()[:2] == (1.5, True)  # changed, and not read since
    with pytest.raises(ValueError, match="There is no student 'jan' among joerg"):
        call(students=["jan"])


def test_what_is_open_is_said_after_grading(nbgrader, tmp_path, monkeypatch, capsys):
    """Nothing is executed here: a record of an earlier grading is brought up to date."""
    import grading

    course, name = tmp_path / "course", "00_sample"
    source = tmp_path / "sources" / f"{name}.ipynb"
    source.parent.mkdir()
    source.write_text(text(notebook()), encoding="utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"bakerben_LATE_12_34_{name}.ipynb").write_text(handed())
    course.mkdir()
    (course / "course.toml").write_text(
        f"[due]\n{name} = 2026-11-01T00:00:00Z\n[extensions]\nbo = 3\n")  # fmt: skip
    monkeypatch.setattr(grading.checks, "choose", lambda *a: ("process", [], []))
    monkeypatch.setattr(grading, "autograde", lambda *a: "It was not executed.")
    call = ["--course", str(course), "--sources", str(source.parent), str(tmp_path / "in")]
    assert grading.main(call) == 1
    grading.records.write(course, grading.records.read(course, "bakerben", name) | {
        "tests_share": 0.5, "tests_comment": ""})  # fmt: skip
    assert grading.main(call) == 1
    *_, extensions, unknown, marked, last = capsys.readouterr().out.splitlines()
    assert extensions.endswith("change nothing: 'bo'.")
    assert unknown.startswith(f"1 submission has no known time, so nothing is taken off for "
                              f"lateness: bakerben {name};")  # fmt: skip
    assert marked.startswith("Canvas says") and f"bakerben {name};" in marked
    assert "Now run make feedback" in last and str(course / "marks.csv") in last
    record = grading.records.read(course, "bakerben", name)
    assert record["tests_share"] == 0.5  # stays when it is graded again
    assert record["late_hours"] is None and record["due"]


def test_the_room_of_a_container_grades_as_well(nbgrader, tmp_path, monkeypatch):
    import grading

    problem, _ = checks.check([], "container")
    need(not str(problem).startswith("Grading needs"), problem, ci=False)
    assert problem is None
    monkeypatch.setenv("VAELIB_PROFILE", "smoke")
    path = tmp_path / "00_sample.ipynb"
    path.write_text(text(notebook()), encoding="utf-8")
    (tmp_path / "in" / "ann").mkdir(parents=True)
    (tmp_path / "in" / "ann" / "x.ipynb").write_text(handed())
    monkeypatch.setattr(grading.checks, "choose", lambda *a: ("container", [], []))
    (row,), _, _ = grading.grade(tmp_path / "course", [path], tmp_path / "in", "container")
    assert row["points"] == 4.5 and row["to_read"] == 2
    assert not list(Path("/tmp").glob("vae-home-*/kernel.json"))
    assert sandbox.HOME == "/home/student"
