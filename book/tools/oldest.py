"""Run the library's tests with the oldest packages that pyproject.toml allows, in .venv-oldest.

make oldest
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-oldest/bin/python"
TESTS = ("adversarial", "disentanglement", "engine", "evaluation", "factors", "iwae", "marginal",
         "mmd", "models", "oracles", "strangers", "total_correlation", "training")  # fmt: skip


def oldest(project):
    """Return the requirements of pyproject.toml, each at its lower bound."""
    lines = tomllib.loads(project)["project"]["dependencies"]
    return [re.sub(r">=", "==", line) for line in lines]


def main():
    wanted = oldest((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (torch,) = re.findall(r"(?m)^torch==\S+", (ROOT / "requirements.txt").read_text())
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", PYTHON.parents[1]], check=True)
    pip = [PYTHON, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, torch, *wanted, "pytest", "nbval"], check=True)
    subprocess.run([*pip, "--no-deps", "-e", ROOT], check=True)
    print("\n".join(wanted))
    tests = [f"tests/test_{name}.py" for name in TESTS]
    return subprocess.run(
        [PYTHON, "-m", "pytest", "-q", *tests, *sys.argv[1:]], cwd=ROOT
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
