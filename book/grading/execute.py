"""nbgrader's steps for one submission: take its answers, execute them in a room, judge the result.

grading.py puts these into nbgrader's list of steps (configure), so that Formgrader's button
Autograde uses them as well. They run in the course's folder.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import rooms
from answers import answered, is_test, number_in, ready_made, to_read
from assignments import load
from dates import penalty, read_settings
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbgrader import preprocessors as steps
from nbgrader.plugins import LateSubmissionPlugin
from planted import planted, verdict
from traitlets import Integer


def load_version(version, resources):
    """Return the notebook of the assignment: release, or source with the key."""
    names = resources["nbgrader"]
    return load(f"{version}/{names['assignment']}/{names['notebook']}.ipynb")


class TakeAnswers(steps.base.NbGraderPreprocessor):
    """Copy the answers into the released notebook; nothing else of a submission is used."""

    def preprocess(self, nb, resources):
        return answered(load_version("release", resources), nb), resources


class Late(LateSubmissionPlugin):
    """The rule for lateness of course.toml, for nbgrader's own table of grades."""

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return penalty(total_seconds_late / 3600, read_settings(".")["late"]) * score


class Kernel(AsyncKernelManager):
    """A kernel in a room, whatever kernel a notebook asks for."""

    def format_kernel_cmd(self, extra_arguments=None):
        launcher = str(Path(rooms.__file__).resolve())
        return [sys.executable, "-Es", launcher, self.connection_file, *(extra_arguments or [])]


def failed(sentence):
    return nbformat.v4.new_output("error", ename="NotGraded", evalue=sentence, traceback=[sentence])


class ExecuteApart(steps.Execute):
    """nbgrader's Execute in a room, with limits on total time and output, and planted tests."""

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
        released, key = load_version("release", resources), load_version("source", resources)
        report = {"to_read": to_read(nb, released), "number": number_in(nb)}
        half = {nb.cells[i].metadata.nbgrader.grade_id for i in ready_made(nb, key)}
        self.workdir = Path(tempfile.mkdtemp(prefix="vae-workdir-"))
        self.workdir.chmod(0o755)
        try:
            nb, resources = super().preprocess(planted(nb), resources, km)
        finally:
            shutil.rmtree(self.workdir)
        self.judge(nb)
        nb.cells = [cell for cell in nb.cells if "planted" not in cell.metadata]
        for cell in nb.cells:
            if is_test(cell) and cell.metadata.nbgrader.grade_id in half:
                self.halve(cell)
        report |= {
            "stopped": self.stopped,
            "flags": self.flags,
            "ready_made": sorted(half),
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
            if is_test(cell):
                test = cell
                if self.flags:
                    cell.outputs = [
                        failed(f"0 until someone has read this submission. {self.flags[0]}")
                    ]
            elif self.stopped and test and "planted" in cell.metadata and verdict(cell):
                # The planted tests after it were not executed.
                test.outputs = [failed(self.stopped)]

    def halve(self, cell):
        """Give half of the points of a passed test: nbgrader takes a number for partial credit."""
        if not any(output.output_type == "error" for output in cell.outputs):
            data = {"text/plain": str(cell.metadata.nbgrader.points / 2)}
            cell.outputs.append(nbformat.v4.new_output("execute_result", data=data))

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
            if is_test(cell):  # nbgrader would take a number for a part of the points
                return None
            content["data"] = {
                key: data for key, data in content["data"].items() if key in self.shown
            }
            content["transient"] = {}
        if kind == "stream":
            content["name"] = "stdout"  # nbgrader gives 0 points for a warning on stderr
        return super().process_message(msg, cell, cell_index)
