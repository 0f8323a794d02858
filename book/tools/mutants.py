"""Change the library's lines one at a time, and see whether its tests notice: mutmut's mutants, counted and listed.

    python book/tools/mutants.py --minutes 30      # goes on where it stopped
    python book/tools/mutants.py --again           # from the beginning
    python book/tools/mutants.py "vaelib.divergences*" --retest

[tool.mutmut] in pyproject.toml says which files and which tests. tests/mutants.toml says of each survivor why it may
live. Fails if a file has less than 90 % killed, if a survivor is not in that list, or if not all were tried.

Not mutated: docstrings, messages of errors, and what stands outside of functions. mutmut leaves decorated functions
alone; here they are decorated at the end of the file, which comes to the same.
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
LEAST = 0.9
DECORATED = re.compile(r"^@(.+)\n(?=def (\w+))", re.MULTILINE)
# How pytest ended: mutmut's table of exit codes in five words. What ended in no known way is not called killed.
ENDS = {0: "survived", 1: "killed", 3: "killed", None: "waiting"} | dict.fromkeys((-24, 24, 36, 152, -9), "timeout")


def decorated_later(source):
    """The same module, with each decorated function decorated at the end."""
    found = DECORATED.findall(source)
    return DECORATED.sub("", source) + "".join(f"\n{name} = {how}({name})\n" for how, name in found)


def copy():
    """Bring the copy up to date; True where a test has changed since the last run."""
    wanted = {path.relative_to(ROOT): path.read_text() for path in (ROOT / "tests").glob("*.py")}
    wanted |= {path.relative_to(ROOT): path.read_text() for path in (ROOT / "vaelib").glob("*.*") if path.is_file()}
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
            if not mutable:  # mutmut copies what it does not mutate only once
                (WORK / "mutants" / name).unlink(missing_ok=True)
    return any(name.parts[0] == "tests" for name in changed)


def records():
    return {path: json.loads(path.read_text()) for path in sorted((WORK / "mutants" / "vaelib").glob("*.meta"))}


def forget(keep):
    """Results that are not to be kept are tried again."""
    for path, record in records().items():
        codes = record["exit_code_by_key"]
        record["exit_code_by_key"] = {name: code if keep(name, code) else None for name, code in codes.items()}
        path.write_text(json.dumps(record))


def run(minutes, names):
    command = [Path(sys.executable).with_name("mutmut"), "run", "--max-children", "1", *names]
    settings = {"VAELIB_PROFILE": "smoke", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    process = subprocess.Popen(command, cwd=WORK, env={**os.environ, **settings})
    try:
        process.wait(60 * minutes)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.send_signal(signal.SIGINT)  # what was found is kept
        process.wait()


def end(code):
    return ENDS.get(code, "untested")


def changed_lines(name):
    """The mutant's new lines, joined: unlike its number they stay the same when lines before them change."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(name).splitlines()[2:]
    added = [line[1:].strip() for line in lines if line.startswith("+")]
    removed = [line[1:].strip() for line in lines if line.startswith("-")]
    return " ".join(added) or "without " + " ".join(removed)


def key(name):
    module, function = name.removeprefix("vaelib.").split(".")
    return f"{module}.{function.removeprefix('x_').split('__mutmut')[0]}: {changed_lines(name)}"


def report(known):
    """Print the table and what is new; True where all is well."""
    os.chdir(WORK)  # mutmut reads its own files relative to where it stands
    print(f"\n{'file':<20}{'mutants':>9}{'killed':>9}{'timeouts':>9}{'survived':>9}{'untested':>9}{'share':>9}")
    survivors, well, tried = [], True, True
    for path, record in records().items():
        codes = record["exit_code_by_key"]
        count = Counter(end(code) for code in codes.values())
        if not codes:
            continue
        share = (count["killed"] + count["timeout"]) / (len(codes) - count["waiting"] or 1)
        survivors += [key(name) for name, code in codes.items() if end(code) in ("survived", "untested")]
        well, tried = well and share >= LEAST, tried and not count["waiting"]
        numbers = "".join(f"{count[word]:>9}" for word in ("killed", "timeout", "survived", "untested"))
        waiting = f"   {count['waiting']} not tried" if count["waiting"] else ""
        print(f"{path.name.removesuffix('.meta'):<20}{len(codes):>9}{numbers}{share:>9.1%}{waiting}")
    new, gone = set(survivors) - set(known), set(known) - set(survivors)
    if new:
        print("\nSurvivors without a reason in tests/mutants.toml:", *sorted(new), sep="\n  ")
    if gone and tried:
        print("\nIn tests/mutants.toml, and did not survive:", *sorted(gone), sep="\n  ")
    return well and tried and not new


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", help='only these, such as "vaelib.divergences.*"')
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--again", action="store_true", help="forget all results")
    parser.add_argument("--retest", action="store_true", help="try the survivors again")
    parser.add_argument("--only-report", action="store_true")
    arguments = parser.parse_args()
    if arguments.again:
        shutil.rmtree(WORK, ignore_errors=True)
    if not arguments.only_report:
        if copy() or arguments.retest:
            forget(lambda name, code: end(code) in ("killed", "timeout"))
            (WORK / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)  # which test touches what, anew
        run(arguments.minutes, arguments.names)
    reasons = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())["reason"]
    known = [mutant for reason in reasons for mutant in reason["mutants"]]
    return 0 if report(known) else 1


if __name__ == "__main__":
    sys.exit(main())
