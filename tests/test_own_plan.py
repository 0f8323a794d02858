"""A reader's own plan of experiments: one file, one command, one table."""

import subprocess
import sys
from pathlib import Path

from vaelib.pages import receipts

ROOT = Path(__file__).resolve().parents[1]
PLAN = '''"""Two code sizes."""
import vaelib as vl
from vaelib.pages import receipts
from helper import STEPS

ROWS = [
    {"id": f"code-{n}", "title": f"{n} numbers", "config": {"code": n, "seeds": [0, 1]}}
    for n in (1, 2)
]


def run(config, device, folder):
    digits, n = vl.digits("dynamic"), config["code"]

    def build(seed):
        return vl.VAE(vl.mlp(64, 2 * n), vl.mlp(n, 64), n)

    done = vl.fit(build, vl.elbo, digits.train, steps=STEPS, seeds=config["seeds"],
                  transform=vl.binarize, device=device, checkpoint=folder)
    values = [vl.log_likelihood(m, digits.test[:50], 10).mean().item() for m in done.models]
    return {"log p(x)": receipts.summary(values, "nats")}, {"digits": "scikit-learn"}
'''


def call(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "book.experiments", *map(str, arguments), "--device", "cpu"],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_one_command_makes_the_table(tmp_path):
    plan = tmp_path / "sizes.py"
    plan.write_text(PLAN)
    (tmp_path / "helper.py").write_text("STEPS = 5\n")
    done = call(plan)
    assert done.returncode == 0, done.stderr
    found = receipts.rows("sizes", tmp_path / "receipts")
    assert [row["state"] for row in found] == ["run", "run"]
    assert len(found[0]["receipt"]["results"]["log p(x)"]["values"]) == 2
    table = (tmp_path / "sizes.md").read_text()
    assert table in done.stdout and "1 numbers" in table and "±" in table and "| 2 | run |" in table
    assert receipts.plan("sizes", tmp_path / "receipts")["claim"] == "Two code sizes."
    again = call(plan)
    assert again.stdout.count("has a valid receipt") == 2
    # A row whose config changes is run again, the other one is not.
    plan.write_text(PLAN.replace("(1, 2)", "(1, 3)"))
    changed = call(plan)
    assert changed.stdout.count("has a valid receipt") == 1 and "3 numbers" in changed.stdout


def test_a_plan_that_does_not_exist_is_named(tmp_path):
    done = call(tmp_path / "nothing.py")
    assert done.returncode == 2 and "name must be a file that exists, got" in done.stderr
