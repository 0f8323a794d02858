"""Planted tests that must fail, and a watch on the functions that tests use.

Answers and tests share one kernel, so an answer can tamper with the tests after it. If a planted
test passes, or a function was replaced, the submission has 0 points until someone has read it.
"""

import inspect
import random
import re

import nbformat
from answers import is_test


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
        if is_test(other):
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
