"""Change one thing at a time in the key of an assignment: do its tests take points away?

    make key-mutants ARGS="02_iwae"        # or: python book/grading/key_mutants.py 02_iwae

The changes are mutmut's, as in `make mutants` for the library; docstrings, annotations and texts of
errors are left alone, and so are cells with the tag `own-data`: they hold what a student measured
and drew, which is read and not tested. A mutant is lost if a test cell fails or takes too long.
Writes tests/assignments/mutants/NAME.toml: the counts, and the survivors under the reasons that the
file gave them before; a new survivor gets an empty reason, which must be filled in by hand.
"""

import argparse
import hashlib
import re
import sys
import time
import tomllib

import matplotlib as mpl
from harness import ROOT, Cell, apart, cells, concerned, execute, fresh, replaced

MIN_LOST = 0.95
LONGEST = 60  # seconds of a mutant
MARKS = re.compile(r"(?m)^[ \t]*### (BEGIN|END) SOLUTION\n?")


def fingerprint(name):
    """Return a hash of an assignment's code, which the table of its mutants belongs to."""
    content = "\n".join(cell.source for cell in cells(name))
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def mutants(source):
    """Yield (function, changed line, mutated source) for each change of a cell's functions."""
    import libcst as cst
    from mutmut.mutation.file_mutation import create_mutations

    source = MARKS.sub("", source)
    module, mutations, *_ = create_mutations("answer.py", source)
    texts = texts_of_errors(module)
    seen = {source}
    for mutation in mutations:
        function = mutation.contained_by_top_level_function
        if function is None or any(mutation.original_node is node for node in texts):
            continue
        made = module.deep_replace(mutation.original_node, mutation.mutated_node)
        code = made.code if isinstance(made, cst.Module) else module.code
        if code in seen:
            continue
        seen.add(code)
        before, after = source.splitlines(), code.splitlines()
        new = [line.strip() for line in after if line not in before]
        gone = [line.strip() for line in before if line not in after]
        yield function.name.value, " ".join(new) or f"without {' '.join(gone)}", code


def texts_of_errors(module):
    """Return all nodes inside of `raise` and `assert ..., text`."""
    import libcst as cst

    found = []

    class Collect(cst.CSTVisitor):
        inside = 0

        def on_visit(self, node):
            self.inside += isinstance(node, cst.Raise)
            if self.inside:
                found.append(node)
            return True

        def on_leave(self, node):
            self.inside -= isinstance(node, cst.Raise)

    module.visit(Collect())
    return found


def tried(name, cell, only=None):
    """Yield (function: line, lost points) for each mutant of one answer cell."""
    (answer,) = [other for other in cells(name) if other.name == cell]
    notebook = concerned(replaced(name, cell, MARKS.sub("", answer.source)), cell)
    at = [other.name for other in notebook].index(cell)
    namespace = fresh()
    for before in notebook[:at]:
        execute(before, namespace)
    for function, line, code in mutants(answer.source):
        mutant = f"{function}: {line}"
        if only is None or only in mutant:
            changed = [Cell(cell, code, None, True), *notebook[at + 1 :]]
            yield mutant, loses(changed, namespace)


def loses(notebook, namespace):
    """Run the cells in a copy of this process; returns whether a test cell failed."""
    found = apart(
        lambda: any(execute(cell, namespace) and cell.points is not None for cell in notebook),
        LONGEST,
    )
    return found is not False  # a failed test, or the alarm


def survey(name, only=None):
    """Try all mutants of an assignment's key; returns the number of mutants and the survivors."""
    count, survivors = 0, []
    for answer in [cell for cell in cells(name) if cell.answer and not cell.own]:
        began = time.monotonic()
        found = list(tried(name, answer.name, only))
        if not found:
            continue
        alive = [mutant for mutant, lost in found if not lost]
        count, survivors = count + len(found), survivors + alive
        seconds = time.monotonic() - began
        print(f"  {answer.name:20}{len(found):5} mutants{len(alive):4} survive{seconds:7.0f} s",
              flush=True)  # fmt: skip
        for mutant in alive:
            print(f"      {mutant}", flush=True)
    return count, survivors


def write(name, count, survivors):
    """Write the table; returns the survivors without a reason."""
    path = ROOT / "tests" / "assignments" / "mutants" / f"{name}.toml"
    known = {}
    if path.exists():
        for reason in tomllib.loads(path.read_text("utf-8")).get("reason", []):
            known |= dict.fromkeys(reason["mutants"], reason["why"])
    lines = [
        f"# The mutants of the key of {name}; written by make key-mutants, the reasons by hand.",
        f'fingerprint = "{fingerprint(name)}"',
        f"mutants = {count}",
        f"lost = {count - len(survivors)}",
    ]
    whys = {}
    for mutant in survivors:
        whys.setdefault(known.get(mutant, ""), []).append(mutant)
    for why, group in whys.items():
        lines += ["", "[[reason]]", f"why = {quoted(why)}", "mutants = ["]
        lines += [*(f"    {quoted(mutant)}," for mutant in group), "]"]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return whys.get("", [])


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="assignments, such as 02_iwae")
    parser.add_argument("--only", help="try mutants with this text, and write nothing")
    given = parser.parse_args(argv)
    mpl.use("agg")
    well = True
    for name in given.names:
        print(name)
        count, survivors = survey(name, given.only)
        share = 1 - len(survivors) / max(count, 1)
        print(f"{name}: {count} mutants, {len(survivors)} keep all points, {share:.1%} lose some")
        if given.only is None:
            unexplained = write(name, count, survivors)
            well = well and share >= MIN_LOST and not unexplained
            if unexplained:
                print("Give a reason in tests/assignments/mutants for:", *unexplained, sep="\n  ")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
