"""Grading by nbgrader, with each submission executed in a closed room.

    make grade SUBMISSIONS=folder       # folder/STUDENT/01_elbo.ipynb; the gradebook is kept in course/

nbgrader runs as root and keeps the key. Of a submission only the texts of its answers and of its own cells are taken
(TakeAnswers); they are executed by a kernel that sandbox.py starts (ExecuteApart), among tests that cannot hold and
must fail (`planted`). Where one of those passes, the submission gets 0 until someone has read it.
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
from assignments import ROOT, SOURCES, course
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbgrader import preprocessors as steps
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.utils import is_grade, is_solution
from record import load
from traitlets import Integer

# Words that an answer has no use for; a submission that uses one is noted for reading, and loses nothing by it.
TO_READ = set(
    "get_ipython ctypes _getframe currentframe f_back inspect gc builtins __builtins__ settrace setprofile _exit fork "
    "subprocess socket threading signal __torch_function__ __eq__ __code__ __globals__ eval exec compile".split()
)
LONGEST_FILE = 5_000_000  # bytes of a submitted notebook


# ---- What is taken from a submission


def names(cell):
    """What a cell may be known by: nbgrader's name; its id; the id that Colab moved into the metadata."""
    nbgrader = cell.metadata.get("nbgrader")
    found = [nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None, cell.get("id"), cell.metadata.get("id")]
    return [name for name in found if isinstance(name, str)]


def harmless(markdown):
    """Markdown without HTML and without links that run something, for it is read in the instructor's browser."""
    return re.sub(r"(?i)(java|vb)script:", r"\1script :", re.sub(r"<(?=[A-Za-z/!?])", "< ", markdown))


def answered(released, submitted):
    """The released notebook with the submission's answers in their places and its own cells before, in its order."""
    place = {name: i for i, cell in reversed(list(enumerate(released.cells))) for name in names(cell)}
    texts = {cell.source.strip() for cell in released.cells} | {""}
    before, own, answers = {}, [], {}
    for cell in submitted.cells:
        source = cell.source if cell.cell_type == "code" else harmless(cell.source)
        i = next((place[name] for name in names(cell) if name in place), None)
        if i is not None and is_solution(released.cells[i]) and i not in answers:
            answers[i] = source
        elif source.strip() not in texts and not (i is not None and is_grade(released.cells[i])):
            own.append((cell.cell_type, source))  # a cell of the student's, or a second copy of an answer
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
    told = resources["nbgrader"]
    return load(f"release/{told['assignment']}/{told['notebook']}.ipynb")


class TakeAnswers(steps.base.NbGraderPreprocessor):
    """Puts the answers into the released notebook: no metadata, kernel, output or test of a submission is used."""

    def preprocess(self, nb, resources):
        return answered(load_release(resources), nb), resources


# ---- Tests that must fail, and a watch on what tests rely on


def watch():
    """Remember what the tests rely on; returns a function that lists what has been replaced since.

    It is copied into the submission's kernel as its first cell, so it brings its own imports.
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
    tools = [shell, shell.kernel, shell.kernel.session, shell.display_pub, shell.displayhook, shell.events]
    library = [module for name, module in sys.modules.items() if name.split(".")[0] == "vaelib"]
    homes = [builtins, math, numpy, numpy.testing, torch, torch.Tensor, torch.testing, torch.nn.functional, *library]
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
        hooks = [hook for hooks in shell.events.callbacks.values() for hook in hooks if hook.__module__ == "__main__"]
        seen["hooks of IPython"] = (len(shell.ast_transformers), len(hooks), shell.custom_exceptions)
        seen["trace or profile"] = (sys.gettrace(), sys.getprofile())
        return seen

    def same(a, b):
        return a is b or (isinstance(a, tuple) and a == b)

    before = now()
    # What IPython, and torch when it traces a program, replace of themselves.
    ignored = {f"builtins.{name}" for name in ("_", "__", "___", "input")}
    ignored |= {"torch.manual_seed", "torch.manual_seed.__code__"}

    def replaced():
        after = now()
        gone = [name for name, value in before.items() if not same(value, after.get(name))]
        new = [name for name in after if name not in before and "()." in name]
        return sorted({*gone, *new} - ignored)

    return replaced


def planted(nb):
    """nb with the watch as its first cell, and behind each test one that cannot hold and a question to the watch."""
    lucky = random.SystemRandom()

    def cell(source, **told):
        return nbformat.v4.new_code_cell(source, metadata={"planted": told})

    watcher = f"_{lucky.getrandbits(64):x}"
    cells = [cell(f"{inspect.getsource(watch)}\n\n{watcher} = watch()\ndel watch", kind="watch")]
    for other in nb.cells:
        cells.append(other)
        if is_grade(other) and other.cell_type == "code":
            a, b, number = lucky.uniform(0.1, 1), lucky.uniform(1.1, 2), lucky.randrange(10**9)
            said = f"the two differ by {b - a:.12f}"
            cannot_hold = lucky.choice([
                f"assert {a} > {b}, '{said}'",
                f"import torch\nassert torch.allclose(torch.tensor({a}), torch.tensor({b})), '{said}'",
                f"import torch\ntorch.testing.assert_close(torch.tensor({a}), torch.tensor({b}), msg='{said}')",
                f"import math\nassert math.isclose({a}, {b}), '{said}'",
            ])  # fmt: skip
            cells.append(cell(cannot_hold, kind="cannot hold", said=said))
            ask = f"__import__('builtins').print({number} * 3, {watcher}())"
            cells.append(cell(ask, kind="question", said=str(number * 3)))
    nb.cells = cells
    return nb


def verdict(cell):
    """What a planted cell says against the submission after it was executed, or None."""
    told = cell.metadata["planted"]
    if told["kind"] == "cannot hold":
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if not any(output.ename == "AssertionError" and told["said"] in output.evalue for output in errors):
            return "A test that cannot hold did not fail."
    if told["kind"] == "question":
        said = "".join(output.text for output in cell.outputs if output.output_type == "stream")
        found = re.search(re.escape(told["said"]) + r" \[(.*?)\]", said)
        if not found:
            return "A question with a known answer was not answered."
        if found[1]:
            return f"What tests rely on was replaced: {found[1][:300]}."
    return None


# ---- Execution in the closed room


class Kernel(AsyncKernelManager):
    """A kernel in a closed room, whatever kernel a notebook asks for."""

    def format_kernel_cmd(self, extra_arguments=None):
        launcher = str(Path(sandbox.__file__).resolve())
        return [sys.executable, "-I", launcher, self.connection_file, *(extra_arguments or [])]


def words(cells):
    return {word for cell in cells for word in re.findall(r"\w+", cell.source)}


def failed(sentence):
    return nbformat.v4.new_output("error", ename="NotGraded", evalue=sentence, traceback=[sentence])


class ExecuteApart(steps.Execute):
    """nbgrader's Execute with the kernel in a closed room, a limit on time and output in all, and planted tests."""

    timeout = Integer(60, help="seconds a cell may take").tag(config=True)
    total = Integer(600, help="seconds a notebook may take").tag(config=True)
    output_limit = Integer(1_000_000, help="characters a notebook may send, whatever it sends").tag(config=True)
    shown = {"text/plain", "image/png", "image/jpeg"}  # no HTML, SVG or JavaScript: instructors open these outputs

    def create_kernel_manager(self):
        (self.seat / "sockets").mkdir()
        places = {"ip": str(self.seat / "sockets" / "k"), "connection_file": str(self.seat / "connection.json")}
        self.km = Kernel(kernel_name="python3", transport="ipc", config=self.config, **places)
        return self.km

    def preprocess(self, nb, resources, km=None):
        self.shutdown_kernel = "immediate"
        self.stopped, self.sent, self.flags, self.began = None, 0, [], time.monotonic()
        used = words(cell for cell in nb.cells if not is_grade(cell)) - words(load_release(resources).cells)
        self.seat = Path(tempfile.mkdtemp(prefix="vae-seat-"))
        self.seat.chmod(0o755)
        try:
            nb, resources = super().preprocess(planted(nb), resources, km)
        finally:
            shutil.rmtree(self.seat)
        self.judge(nb)
        nb.cells = [cell for cell in nb.cells if "planted" not in cell.metadata]
        report = {"stopped": self.stopped, "flags": self.flags, "to_read": sorted(used & TO_READ),
                  "seconds": round(time.monotonic() - self.began, 1), "characters": self.sent}  # fmt: skip
        told = resources["nbgrader"]
        Path("reports").mkdir(exist_ok=True)
        Path("reports", f"{told['student']}--{told['notebook']}.json").write_text(json.dumps(report, indent=1))
        return nb, resources

    def judge(self, nb):
        """Take the points away that were got by tampering, or that nothing confirms."""
        test = None
        for cell in nb.cells:
            if is_grade(cell) and cell.cell_type == "code":
                test = cell
                if self.flags:
                    cell.outputs = [failed(f"0 until someone has read this submission. {self.flags[0]}")]
            elif self.stopped and test and "planted" in cell.metadata and verdict(cell):
                test.outputs = [failed(self.stopped)]  # the planted ones behind it were not executed

    def preprocess_cell(self, cell, resources, index):
        left = self.total - (time.monotonic() - self.began)
        if self.stopped is None and left <= 0:
            self.stopped = f"The notebook took more than {self.total} seconds."
        if self.stopped is None:
            self.timeout_func = lambda _: max(1, min(self.timeout, int(left)))
            try:
                cell, resources = super().preprocess_cell(cell, resources, index)
            except Exception as error:  # whatever a hostile kernel sends or does ends this submission, not the grader
                self.stopped = self.stopped or self.why(error)
        if self.stopped and cell.cell_type == "code":
            cell.outputs = [failed(self.stopped)]
        elif "planted" in cell.metadata and (problem := verdict(cell)) and problem not in self.flags:
            self.flags.append(problem)
        return cell, resources

    def why(self, error):
        if (self.seat / "stopped").exists():
            return (self.seat / "stopped").read_text()
        if isinstance(error, DeadKernelError):
            return "The kernel died."
        if isinstance(error, CellTimeoutError):
            return f"A cell took more than {self.timeout} seconds and could not be interrupted."
        return f"The kernel sent what could not be read ({type(error).__name__})."

    def process_message(self, msg, cell, cell_index):
        kind, content = msg["msg_type"], msg["content"]
        self.sent += len(json.dumps(content, default=str))
        if self.sent > self.output_limit and not self.stopped:
            self.stopped = f"The submission sent more than {self.output_limit:,} characters."
            os.killpg(self.km.provisioner.pgid, signal.SIGKILL)  # nbclient notices within a second
        if self.stopped or kind in ("clear_output", "update_display_data") or kind.startswith("comm"):
            return None
        if kind in ("execute_result", "display_data"):
            if is_grade(cell):  # nbgrader would take a number for a part of the points
                return None
            content["data"] = {kind: data for kind, data in content["data"].items() if kind in self.shown}
            content["transient"] = {}
        if kind == "stream":
            content["name"] = "stdout"  # nbgrader gives 0 for a warning on stderr
        return super().process_message(msg, cell, cell_index)


def configure(c):
    """nbgrader's settings; course/nbgrader_config.py calls this, so that its every command grades in closed rooms."""
    c.CourseDirectory.course_id = "vae-family"
    c.CourseDirectory.ignore = ["*"]  # only notebooks are copied
    c.Autograde.sanitize_preprocessors = [steps.ClearOutput, TakeAnswers, steps.DeduplicateIds,
                                          steps.OverwriteKernelspec, steps.OverwriteCells,
                                          steps.CheckCellMetadata]  # fmt: skip
    c.Autograde.autograde_preprocessors = [ExecuteApart, steps.IgnorePattern, steps.LimitOutput, steps.SaveAutoGrades,
                                           steps.AssignLatePenalties, steps.CheckCellMetadata]  # fmt: skip
    for name in ("timeout", "total", "output_limit"):
        if value := os.environ.get(f"GRADING_{name.upper()}"):
            setattr(c.ExecuteApart, name, int(value))


# ---- The course: take in, grade, report


def collect(submissions, folder, names):
    """Copy folder/STUDENT/NAME.ipynb to where nbgrader looks; [(student, name, None or why not)]."""
    taken = []
    for name in names:
        for path in sorted(Path(submissions).glob(f"*/{name}.ipynb")):
            student, problem = path.parent.name, None
            if not re.fullmatch(r"[\w.-]+", student):
                problem = "The student's name may hold letters, digits, '_', '.' and '-' only."
            elif path.is_symlink() or not path.is_file() or path.stat().st_size > LONGEST_FILE:
                problem = f"A submission must be a file of at most {LONGEST_FILE:,} bytes."
            else:
                there = Path(folder, "submitted", student, name, path.name)
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, there)
            taken.append((student, name, problem))
    return taken


def autograde(folder, student, name, longest=900):
    """Grade one submission in a process of its own, so that whatever happens to it ends there; None or why not."""
    command = [sys.executable, "-m", "nbgrader", "autograde", name, "--student", student, "--force"]
    log = Path(folder, "reports", f"{student}--{name}.log")
    log.parent.mkdir(exist_ok=True)

    def limits():
        resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))

    log.with_suffix(".json").unlink(missing_ok=True)
    with log.open("wb") as out, tempfile.TemporaryDirectory(prefix="vae-") as temporary:
        options = {"cwd": folder, "stdout": out, "stderr": out, "start_new_session": True, "preexec_fn": limits}
        process = subprocess.Popen(command, env=os.environ | {"TMPDIR": temporary}, **options)
        try:
            process.wait(longest)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode == 0:
        return None
    said = re.findall(r"(?m)^\s+([\w.]*(?:Error|Exception)\b.*)", log.read_text(errors="replace"))
    return f"nbgrader could not grade it ({said[-1][:100] if said else 'no reason given'}); see reports/{log.name}."


def scores(folder, student, name):
    """Points by tests, of how many, and how many are to be read by a person."""
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
    """Grade all submissions; one dict each: student, assignment, points, of, to_read, remarks."""
    sources = sorted(sources)
    folder = course(folder, sources)
    if problem := sandbox.check([folder, *sources]):
        raise SystemExit(problem)
    rows = []
    for student, name, problem in collect(submissions, folder, [path.stem for path in sources]):
        began = time.monotonic()
        problem = problem or autograde(folder, student, name)
        report = Path(folder, "reports", f"{student}--{name}.json")
        report = json.loads(report.read_text()) if report.exists() else {"stopped": None, "flags": [], "to_read": []}
        remarks = [problem, report["stopped"], *report["flags"]]
        if report["to_read"]:
            remarks.append(f"Read: it uses {', '.join(report['to_read'])}.")
        got = {"points": 0.0, "of": 0.0, "to_read": 0.0} if problem else scores(folder, student, name)
        row = {"student": student, "assignment": name, **got, "seconds": round(time.monotonic() - began, 1)}
        rows.append(row | {"remarks": " ".join(remark for remark in remarks if remark)})
        print("{student:24} {assignment:16} {points:4g} of {of:g}, {to_read:g} to read, {seconds:5.1f} s  {remarks}"
              .format(**rows[-1]), flush=True)  # fmt: skip
    return rows


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("submissions", type=Path, help="a folder with STUDENT/NAME.ipynb in it")
    parser.add_argument("--course", type=Path, default=ROOT / "course")
    parser.add_argument("--sources", type=Path, default=SOURCES)
    options = parser.parse_args(argv)
    if problem := sandbox.missing():
        print(problem, file=sys.stderr)
        return 2
    rows = grade(options.course, options.sources.glob("*.ipynb"), options.submissions)
    with (options.course / "scores.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0] if rows else ["student"])
        table.writeheader()
        table.writerows(rows)
    print(f"{options.course / 'scores.csv'}; then read the written answers: cd {options.course} and start Jupyter Lab")
    return 0


if __name__ == "__main__":
    sys.exit(main())
