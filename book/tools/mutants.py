"""Mutation testing of the library with mutmut: change one line at a time and run the tests.

    python book/tools/mutants.py --minutes 30      # resumes
    python book/tools/mutants.py --again           # starts over
    python book/tools/mutants.py "vaelib.divergences*" --retest

[tool.mutmut] in pyproject.toml lists the files and the tests; tests/mutants.toml gives a reason for
each surviving mutant. Fails if less than 90 % of a file's mutants are killed, if a survivor has no
reason, or if some were not tried.

Docstrings, error messages and code outside of functions are not mutated. mutmut skips decorated
functions; in the copy they are decorated at the end of the file instead, which is equivalent.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "_build" / "mutants"
MIN_KILLED = 0.9
DECORATED = re.compile(r"^@(.+)\n(?=def (\w+))", re.MULTILINE)
# mutmut's table of pytest's exit codes. An unknown exit code does not count as killed.
EXIT_CODES = {0: "survived", 1: "killed", 3: "killed", None: "waiting"} | dict.fromkeys(
    (-24, 24, 36, 152, -9), "timeout"
)


def decorated_later(source):
    """Return the same module with each decorated function decorated at the end."""
    found = DECORATED.findall(source)
    return DECORATED.sub("", source) + "".join(f"\n{name} = {how}({name})\n" for how, name in found)


def copy():
    """Update the copy of the sources; returns True if a test has changed since the last run."""
    wanted = {path.relative_to(ROOT): path.read_text() for path in (ROOT / "tests").glob("*.py")}
    wanted |= {
        path.relative_to(ROOT): path.read_text()
        for path in (ROOT / "vaelib").glob("*.*")
        if path.is_file()
    }
    wanted[Path("pyproject.toml")] = (ROOT / "pyproject.toml").read_text()
    changed = set()
    for name, text in wanted.items():
        text = decorated_later(text) if name.parts[0] == "vaelib" and name.suffix == ".py" else text
        path = WORK / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.add(name)
            mutable = name.parts[0] == "vaelib" and (WORK / "mutants" / f"{name}.meta").exists()
            if not mutable:  # mutmut copies other files only once
                (WORK / "mutants" / name).unlink(missing_ok=True)
    return any(name.parts[0] == "tests" for name in changed)


def records():
    return {
        path: json.loads(path.read_text())
        for path in sorted((WORK / "mutants" / "vaelib").glob("*.meta"))
    }


def forget(keep):
    """Reset the results for which keep(name, code) is false, so that they are tried again."""
    for path, record in records().items():
        codes = record["exit_code_by_key"]
        record["exit_code_by_key"] = {
            name: code if keep(name, code) else None for name, code in codes.items()
        }
        path.write_text(json.dumps(record))


def run(minutes, names):
    command = [Path(sys.executable).with_name("mutmut"), "run", "--max-children", "1", *names]
    settings = {"VAELIB_PROFILE": "smoke", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    process = subprocess.Popen(command, cwd=WORK, env={**os.environ, **settings})
    try:
        process.wait(60 * minutes)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.send_signal(signal.SIGINT)  # mutmut saves its results
        process.wait()


def end(code):
    return EXIT_CODES.get(code, "untested")


def changed_lines(name):
    """Return the mutant's new lines, joined; unlike its number they survive changes above them."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(name).splitlines()[2:]
    added = [line[1:].strip() for line in lines if line.startswith("+")]
    removed = [line[1:].strip() for line in lines if line.startswith("-")]
    return " ".join(added) or "without " + " ".join(removed)


def key(name):
    """A mutant's name in tests/mutants.toml: module.Class.method and its line."""
    module, function = name.removeprefix("vaelib.").split(".")
    function = function.split("__mutmut")[0].removeprefix("x_")
    if "ǁ" in function:  # xǁClassǁmethod
        function = ".".join(function.split("ǁ")[1:])
    return f"{module}.{function}: {changed_lines(name)}"


def report(known):
    """Print the table and unexplained survivors; returns True if there is no problem."""
    os.chdir(WORK)  # mutmut reads its files relative to the working directory
    print(
        f"\n{'file':<20}{'mutants':>9}{'killed':>9}{'timeouts':>9}{'survived':>9}"
        f"{'untested':>9}{'share':>9}"
    )
    survivors, well, tried = [], True, True
    for path, record in records().items():
        codes = record["exit_code_by_key"]
        count = Counter(end(code) for code in codes.values())
        if not codes:
            continue
        share = (count["killed"] + count["timeout"]) / (len(codes) - count["waiting"] or 1)
        survivors += [
            key(name) for name, code in codes.items() if end(code) in ("survived", "untested")
        ]
        well, tried = well and share >= MIN_KILLED, tried and not count["waiting"]
        numbers = "".join(
            f"{count[word]:>9}" for word in ("killed", "timeout", "survived", "untested")
        )
        waiting = f"   {count['waiting']} not tried" if count["waiting"] else ""
        print(
            f"{path.name.removesuffix('.meta'):<20}{len(codes):>9}{numbers}{share:>9.1%}{waiting}"
        )
    new, gone = set(survivors) - set(known), set(known) - set(survivors)
    if new:
        print("\nSurvivors without a reason in tests/mutants.toml:", *sorted(new), sep="\n  ")
    if gone and tried:
        print("\nIn tests/mutants.toml, but killed:", *sorted(gone), sep="\n  ")
    return well and tried and not new


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", help='only these mutants, e.g. "vaelib.divergences.*"')
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--again", action="store_true", help="discard all results")
    parser.add_argument("--retest", action="store_true", help="test the survivors again")
    parser.add_argument("--only-report", action="store_true")
    arguments = parser.parse_args()
    if arguments.again:
        shutil.rmtree(WORK, ignore_errors=True)
    if not arguments.only_report:
        if copy() or arguments.retest:
            forget(lambda name, code: end(code) in ("killed", "timeout"))
            # The record of which test covers which function.
            (WORK / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
        run(arguments.minutes, arguments.names)
    reasons = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())["reason"]
    known = [mutant for reason in reasons for mutant in reason["mutants"]]
    return 0 if report(known) else 1


if __name__ == "__main__":
    sys.exit(main())
