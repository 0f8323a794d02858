"""Grade by nbgrader, with each submission executed in a sandbox.

    make grade SUBMISSIONS=folder       # folder/STUDENT/01_elbo.ipynb; the gradebook is in course/

nbgrader runs as root and keeps the key. From a submission only its answers and the student's own
cells are taken, as text (TakeAnswers). A kernel that sandbox.py starts executes them
(ExecuteApart), among planted tests that must fail (`planted`). If one of these passes, the
submission gets 0 points until someone has read it.
"""

import argparse
import csv
import inspect
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import sandbox
from assignments import ROOT, SOURCES, course, load
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbgrader import preprocessors as steps
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.utils import is_grade, is_solution
from submissions import collect
from traitlets import Integer

# Names that no answer needs; a submission that uses one gets a remark, and loses no points.
TO_READ = set(
    "get_ipython ctypes _getframe currentframe f_back inspect gc builtins __builtins__ settrace "
    "setprofile _exit fork subprocess socket threading signal __torch_function__ __eq__ __code__ "
    "__globals__ eval exec compile".split()
)
# ---- What is taken from a submission


def names(cell):
    """Return a cell's names: nbgrader's; its id; the id that Colab moves into the metadata."""
    nbgrader = cell.metadata.get("nbgrader")
    found = [
        nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None,
        cell.get("id"),
        cell.metadata.get("id"),
    ]
    return [name for name in found if isinstance(name, str)]


def harmless(markdown):
    """Return Markdown without HTML and scripts in links; the instructor's browser renders it."""
    return re.sub(
        r"(?i)(java|vb)script:", r"\1script :", re.sub(r"<(?=[A-Za-z/!?])", "< ", markdown)
    )


def answered(released, submitted):
    """Return the released notebook with the submission's answers and the student's own cells.

    Own cells stand before the released cell that they preceded in the submission.
    """
    place = {
        name: i for i, cell in reversed(list(enumerate(released.cells))) for name in names(cell)
    }
    texts = {cell.source.strip() for cell in released.cells} | {""}
    before, own, answers = {}, [], {}
    for cell in submitted.cells:
        source = cell.source if cell.cell_type == "code" else harmless(cell.source)
        i = next((place[name] for name in names(cell) if name in place), None)
        if i is not None and is_solution(released.cells[i]) and i not in answers:
            answers[i] = source
        elif source.strip() not in texts and not (i is not None and is_grade(released.cells[i])):
            own.append((cell.cell_type, source))  # the student's own cell, or a copy of an answer
            continue
        if i is not None and i not in before:
            before[i], own = own, []
    before[len(released.cells)] = own
    cells = []
    for i, cell in enumerate([*released.cells, None]):
        for kind, source in before.get(i, []):
            new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
            cells.append(new(source, id=f"own-{len(cells)}"))
        if cell is not None:
            cell.source = answers.get(i, cell.source)
            cells.append(cell)
    released.cells = cells
    return released


def load_release(resources):
    names = resources["nbgrader"]
    return load(f"release/{names['assignment']}/{names['notebook']}.ipynb")


class TakeAnswers(steps.base.NbGraderPreprocessor):
    """Copy the answers into the released notebook; nothing else of a submission is used."""

    def preprocess(self, nb, resources):
        return answered(load_release(resources), nb), resources


# ---- Planted tests, and a watch on the functions that tests use


def watch():
    """Remember the functions that tests use; returns a function that lists those replaced since.

    It is copied into the submission's kernel as the first cell, so it imports what it needs itself.
    """
    import builtins
    import math
    import sys
    from types import FunctionType

    import numpy
    import torch
    from IPython import get_ipython

    __import__("vaelib")
    shell = get_ipython()
    tools = [
        shell,
        shell.kernel,
        shell.kernel.session,
        shell.display_pub,
        shell.displayhook,
        shell.events,
    ]
    library = [module for name, module in sys.modules.items() if name.split(".")[0] == "vaelib"]
    homes = [
        builtins,
        math,
        numpy,
        numpy.testing,
        torch,
        torch.Tensor,
        torch.testing,
        torch.nn.functional,
        *library,
    ]
    homes += [kind for tool in tools for kind in type(tool).__mro__ if kind is not object]

    def now():
        seen = {}
        for home in homes:
            for name, value in builtins.list(vars(home).items()):
                if callable(value) or hasattr(value, "__get__"):
                    seen[f"{home.__name__}.{name}"] = value
                if isinstance(value, FunctionType):
                    seen[f"{home.__name__}.{name}.__code__"] = value.__code__
        for tool in tools:
            methods = [name for name in vars(tool) if callable(getattr(type(tool), name, None))]
            seen |= {f"{type(tool).__name__}().{name}": vars(tool)[name] for name in methods}
        hooks = [
            hook
            for hooks in shell.events.callbacks.values()
            for hook in hooks
            if hook.__module__ == "__main__"
        ]
        seen["hooks of IPython"] = (
            len(shell.ast_transformers),
            len(hooks),
            shell.custom_exceptions,
        )
        seen["trace or profile"] = (sys.gettrace(), sys.getprofile())
        return seen

    def same(a, b):
        return a is b or (isinstance(a, tuple) and a == b)

    before = now()
    # IPython, and torch when it traces a program, replace these themselves.
    ignored = {f"builtins.{name}" for name in ("_", "__", "___", "input")}
    ignored |= {"torch.manual_seed", "torch.manual_seed.__code__"}

    def replaced():
        after = now()
        gone = [name for name, value in before.items() if not same(value, after.get(name))]
        new = [name for name in after if name not in before and "()." in name]
        return sorted({*gone, *new} - ignored)

    return replaced


def planted(nb):
    """Add the watch as first cell, and after each test one that must fail and a watch call."""
    secret = random.SystemRandom()

    def cell(source, **expected):
        return nbformat.v4.new_code_cell(source, metadata={"planted": expected})

    watcher = f"_{secret.getrandbits(64):x}"
    cells = [cell(f"{inspect.getsource(watch)}\n\n{watcher} = watch()\ndel watch", kind="watch")]
    for other in nb.cells:
        cells.append(other)
        if is_grade(other) and other.cell_type == "code":
            a, b, number = secret.uniform(0.1, 1), secret.uniform(1.1, 2), secret.randrange(10**9)
            message = f"the two differ by {b - a:.12f}"
            left, right = f"torch.tensor({a})", f"torch.tensor({b})"
            must_fail = secret.choice([
                f"assert {a} > {b}, '{message}'",
                f"import torch\nassert torch.allclose({left}, {right}), '{message}'",
                f"import torch\ntorch.testing.assert_close({left}, {right}, msg='{message}')",
                f"import math\nassert math.isclose({a}, {b}), '{message}'",
            ])  # fmt: skip
            cells.append(cell(must_fail, kind="must fail", output=message))
            ask = f"__import__('builtins').print({number} * 3, {watcher}())"
            cells.append(cell(ask, kind="watch call", output=str(number * 3)))
    nb.cells = cells
    return nb


def verdict(cell):
    """Return what an executed planted cell shows of tampering, as a sentence, or None."""
    expected = cell.metadata["planted"]
    if expected["kind"] == "must fail":
        errors = [output for output in cell.outputs if output.output_type == "error"]
        asserted = [output.evalue for output in errors if output.ename == "AssertionError"]
        if not any(expected["output"] in message for message in asserted):
            return "A test that must fail passed."
    if expected["kind"] == "watch call":
        printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
        found = re.search(re.escape(expected["output"]) + r" \[(.*?)\]", printed)
        if not found:
            return "The watch on replaced functions did not answer."
        if found[1]:
            return f"Functions that tests use were replaced: {found[1][:300]}."
    return None


# ---- Execution in the sandbox


class Kernel(AsyncKernelManager):
    """A kernel in a sandbox, whatever kernel a notebook asks for."""

    def format_kernel_cmd(self, extra_arguments=None):
        launcher = str(Path(sandbox.__file__).resolve())
        return [sys.executable, "-I", launcher, self.connection_file, *(extra_arguments or [])]


def words(cells):
    return {word for cell in cells for word in re.findall(r"\w+", cell.source)}


def failed(sentence):
    return nbformat.v4.new_output("error", ename="NotGraded", evalue=sentence, traceback=[sentence])


class ExecuteApart(steps.Execute):
    """nbgrader's Execute in a sandbox, with limits on total time and output, and planted tests."""

    timeout = Integer(60, help="time limit of a cell in seconds").tag(config=True)
    total = Integer(600, help="time limit of a notebook in seconds").tag(config=True)
    output_limit = Integer(1_000_000, help="characters that a notebook may send").tag(config=True)
    # No HTML, SVG or JavaScript: instructors open these outputs in a browser.
    shown = {"text/plain", "image/png", "image/jpeg"}

    def create_kernel_manager(self):
        (self.workdir / "sockets").mkdir()
        places = {
            "ip": str(self.workdir / "sockets" / "k"),
            "connection_file": str(self.workdir / "connection.json"),
        }
        self.km = Kernel(kernel_name="python3", transport="ipc", config=self.config, **places)
        return self.km

    def preprocess(self, nb, resources, km=None):
        self.shutdown_kernel = "immediate"
        self.stopped, self.sent, self.flags, self.began = None, 0, [], time.monotonic()
        used = words(cell for cell in nb.cells if not is_grade(cell))
        used -= words(load_release(resources).cells)
        self.workdir = Path(tempfile.mkdtemp(prefix="vae-workdir-"))
        self.workdir.chmod(0o755)
        try:
            nb, resources = super().preprocess(planted(nb), resources, km)
        finally:
            shutil.rmtree(self.workdir)
        self.judge(nb)
        nb.cells = [cell for cell in nb.cells if "planted" not in cell.metadata]
        report = {
            "stopped": self.stopped,
            "flags": self.flags,
            "to_read": sorted(used & TO_READ),
            "seconds": round(time.monotonic() - self.began, 1),
            "characters": self.sent,
        }
        names = resources["nbgrader"]
        Path("reports").mkdir(exist_ok=True)
        file = Path("reports", f"{names['student']}--{names['notebook']}.json")
        file.write_text(json.dumps(report, indent=1))
        return nb, resources

    def judge(self, nb):
        """Set the points to 0 where the planted tests show tampering or were not executed."""
        test = None
        for cell in nb.cells:
            if is_grade(cell) and cell.cell_type == "code":
                test = cell
                if self.flags:
                    cell.outputs = [
                        failed(f"0 until someone has read this submission. {self.flags[0]}")
                    ]
            elif self.stopped and test and "planted" in cell.metadata and verdict(cell):
                # The planted tests after it were not executed.
                test.outputs = [failed(self.stopped)]

    def preprocess_cell(self, cell, resources, index):
        left = self.total - (time.monotonic() - self.began)
        if self.stopped is None and left <= 0:
            self.stopped = f"The notebook took more than {self.total} seconds."
        if self.stopped is None:
            self.timeout_func = lambda _: max(1, min(self.timeout, int(left)))
            try:
                cell, resources = super().preprocess_cell(cell, resources, index)
            except Exception as error:  # a hostile kernel ends its own submission, not the grader
                self.stopped = self.stopped or self.why(error)
        if self.stopped and cell.cell_type == "code":
            cell.outputs = [failed(self.stopped)]
        elif (
            "planted" in cell.metadata and (problem := verdict(cell)) and problem not in self.flags
        ):
            self.flags.append(problem)
        return cell, resources

    def why(self, error):
        if (self.workdir / "stopped").exists():
            return (self.workdir / "stopped").read_text()
        if isinstance(error, DeadKernelError):
            return "The kernel died."
        if isinstance(error, CellTimeoutError):
            return f"A cell took more than {self.timeout} seconds and could not be interrupted."
        return f"The kernel sent messages that cannot be read ({type(error).__name__})."

    def process_message(self, msg, cell, cell_index):
        kind, content = msg["msg_type"], msg["content"]
        self.sent += len(json.dumps(content, default=str))
        if self.sent > self.output_limit and not self.stopped:
            self.stopped = f"The submission sent more than {self.output_limit:,} characters."
            os.killpg(self.km.provisioner.pgid, signal.SIGKILL)  # nbclient notices within a second
        ignored = kind in ("clear_output", "update_display_data") or kind.startswith("comm")
        if self.stopped or ignored:
            return None
        if kind in ("execute_result", "display_data"):
            if is_grade(cell):  # nbgrader would take a number for a part of the points
                return None
            content["data"] = {
                key: data for key, data in content["data"].items() if key in self.shown
            }
            content["transient"] = {}
        if kind == "stream":
            content["name"] = "stdout"  # nbgrader gives 0 points for a warning on stderr
        return super().process_message(msg, cell, cell_index)


def configure(c):
    """Set nbgrader's options.

    Course/nbgrader_config.py calls this, so that every command uses sandboxes.
    """
    c.CourseDirectory.course_id = "vae-family"
    c.CourseDirectory.ignore = ["*"]  # only notebooks are copied
    c.Autograde.sanitize_preprocessors = [steps.ClearOutput, TakeAnswers, steps.DeduplicateIds,
                                          steps.OverwriteKernelspec, steps.OverwriteCells,
                                          steps.CheckCellMetadata]  # fmt: skip
    c.Autograde.autograde_preprocessors = [
        ExecuteApart,
        steps.IgnorePattern,
        steps.LimitOutput,
        steps.SaveAutoGrades,
        steps.AssignLatePenalties,
        steps.CheckCellMetadata,
    ]
    for name in ("timeout", "total", "output_limit"):
        if value := os.environ.get(f"GRADING_{name.upper()}"):
            setattr(c.ExecuteApart, name, int(value))


# ---- The course: collect, grade, report


def autograde(folder, student, name, longest=900):
    """Grade one submission in its own process.

    Returns None, or a sentence that says what failed.
    """
    command = [sys.executable, "-m", "nbgrader", "autograde", name, "--student", student, "--force"]
    log = Path(folder, "reports", f"{student}--{name}.log")
    log.parent.mkdir(exist_ok=True)

    def limits():
        resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))

    log.with_suffix(".json").unlink(missing_ok=True)
    with log.open("wb") as out, tempfile.TemporaryDirectory(prefix="vae-") as temporary:
        options = {
            "cwd": folder,
            "stdout": out,
            "stderr": out,
            "start_new_session": True,
            "preexec_fn": limits,
        }
        process = subprocess.Popen(command, env=os.environ | {"TMPDIR": temporary}, **options)
        try:
            process.wait(longest)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode == 0:
        return None
    errors = re.findall(r"(?m)^\s+([\w.]*(?:Error|Exception)\b.*)", log.read_text(errors="replace"))
    reason = errors[-1][:100] if errors else "no reason given"
    return f"nbgrader could not grade it ({reason}); see reports/{log.name}."


def scores(folder, student, name):
    """Return the points by tests, their maximum, and the points to be given by a reader."""
    got = {"points": 0.0, "of": 0.0, "to_read": 0.0}
    with Gradebook(f"sqlite:///{Path(folder).resolve()}/gradebook.db", "vae-family") as gradebook:
        for cell in gradebook.find_notebook(name, name).grade_cells:
            by_hand = cell.cell_type == "markdown"
            try:
                grade = gradebook.find_grade(cell.name, name, name, student)
                read, points = grade.needs_manual_grade, grade.auto_score or 0.0
            except MissingEntry:
                read, points = False, 0.0
            got["to_read"] += cell.max_score if read else 0
            if not by_hand:
                got["of"] += cell.max_score
                got["points"] += points
    return got


def grade(folder, sources, submissions):
    """Grade all submissions.

    Returns dicts with student, assignment, points, of, to_read, remarks.
    """
    sources = sorted(sources)
    folder = course(folder, sources)
    if problem := sandbox.check([folder, *sources]):
        raise SystemExit(problem)
    rows = []
    for submission in collect(submissions, folder, [path.stem for path in sources]):
        student, name, began = submission["student"], submission["assignment"], time.monotonic()
        got = {"points": 0.0, "of": 0.0, "to_read": 0.0}
        report = {"stopped": None, "flags": [], "to_read": []}
        problem = None
        if submission["graded"]:
            problem = autograde(folder, student, name)
            got = got if problem else scores(folder, student, name)
            file = Path(folder, "reports", f"{student}--{name}.json")
            report = json.loads(file.read_text()) if file.exists() else report
        remarks = [problem, report["stopped"], *report["flags"]]
        if report["to_read"]:
            remarks.append(f"Read: it uses {', '.join(report['to_read'])}.")
        remarks = " ".join(remark for remark in [*remarks, *submission["remarks"]] if remark)
        seconds = round(time.monotonic() - began, 1)
        row = {
            "student": student,
            "assignment": name,
            **got,
            "seconds": seconds,
            "remarks": remarks,
        }
        rows.append(row)
        print(
            "{student:24} {assignment:16} {points:4g} of {of:g}, {to_read:g} to read, "
            "{seconds:5.1f} s  {remarks}".format(**rows[-1]),
            flush=True,
        )
    return rows


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("submissions", type=Path, help="a folder of STUDENT/NAME.ipynb")
    parser.add_argument("--course", type=Path, default=ROOT / "course")
    parser.add_argument("--sources", type=Path, default=SOURCES)
    options = parser.parse_args(argv)
    problem = sandbox.missing()
    if not options.submissions.is_dir():
        problem = (
            f"SUBMISSIONS must be a folder of STUDENT/NAME.ipynb, got '{options.submissions}'."
        )
    if problem:
        print(problem, file=sys.stderr)
        return 2
    rows = grade(options.course, options.sources.glob("*.ipynb"), options.submissions)
    with (options.course / "scores.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0] if rows else ["student"])
        table.writeheader()
        table.writerows(rows)
    print(
        f"{options.course / 'scores.csv'}; "
        f"now read the written answers: start Jupyter Lab in {options.course}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
