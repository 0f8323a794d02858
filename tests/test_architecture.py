"""CONTRIBUTING.md describes the repository as it is: imports of vaelib, folders, pins."""

import ast
import re
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def modules():
    """The modules of vaelib, and its subpackages as one node each: {name: source files}."""
    found = {path.stem: [path] for path in (ROOT / "vaelib").glob("[!_]*.py")}
    folders = {path.parent for path in (ROOT / "vaelib").glob("*/__init__.py")}
    return found | {folder.name: list(folder.glob("*.py")) for folder in folders}


def imported(path, names):
    """Yield the modules of vaelib that a source file imports, anywhere in it."""
    # ("vaelib",) or ("vaelib", "pages")
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        targets = []
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            base += node.module.split(".") if node.module else []
            targets = [[*base, alias.name] for alias in node.names]
        for first, *rest in targets:
            if first == "vaelib":
                yield rest[0] if rest and rest[0] in names else "vaelib"


def arrows():
    """{module: modules that it imports}, without itself."""
    names = modules()
    return {name: {other for file in files for other in imported(file, names)} - {name}
            for name, files in names.items()}  # fmt: skip


def drawn():
    """{module: modules that it imports} as drawn in CONTRIBUTING.md."""
    (drawing,) = re.findall(r"(?s)```mermaid\nflowchart LR\n(.*?)```", CONTRIBUTING)
    lines = [line.split(" --> ") for line in map(str.strip, drawing.splitlines()) if line]
    return {name: set(targets[0].split(" & ")) if targets else set() for name, *targets in lines}


def drawing(graph):
    lines = [f"    {name}" + (f" --> {' & '.join(sorted(graph[name]))}" if graph[name] else "")
             for name in sorted(graph)]  # fmt: skip
    return "\n".join(lines)


def test_the_drawing_shows_the_imports():
    assert drawn() == arrows(), f"In CONTRIBUTING.md, draw:\n{drawing(arrows())}"


def test_imports_are_found_in_every_form(tmp_path, monkeypatch):
    (tmp_path / "vaelib" / "pages").mkdir(parents=True)
    file = tmp_path / "vaelib" / "pages" / "a.py"
    file.write_text(
        "import torch\nimport vaelib as vl\nimport vaelib.one\nfrom vaelib import two, VAE\n"
        "from .. import three\nfrom ..four import x\nfrom . import b\nfrom .c import d\n"
        "def f():\n    from vaelib.five import y\n"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    names = {"one", "two", "three", "four", "five", "pages"}
    assert set(imported(file, names)) == names | {"vaelib"}


def test_the_core_imports_no_page_and_there_are_no_cycles():
    graph = arrows()
    assert not [name for name in graph if "pages" in graph[name]]
    assert not [name for name in graph if "vaelib" in graph[name]], "import from the module itself"
    list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_every_path_that_contributing_names_exists():
    paths = set(re.findall(r"`((?:[\w.]+/)+(?:[\w.-]+)?|[\w-]+\.(?:md|txt|toml))`", CONTRIBUTING))
    paths = {path for path in paths if "NN_name" not in path and not path.startswith("_build")}
    assert len(paths) > 20
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]


def test_make_commands_in_the_documents_are_targets():
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    for name in ("CONTRIBUTING.md", "README.md", "CHANGELOG.md", "book/teaching.md",
                 "book/course_work.md"):  # fmt: skip
        text = (ROOT / name).read_text(encoding="utf-8")
        code = "\n".join(
            re.findall(r"`([^`\n]+)`", text) + re.findall(r"(?ms)^```\w*\n(.*?)^```", text)
        )
        used = set(re.findall(r"(?m)(?:^|\s)make ([a-z-]+)", code))
        assert used <= targets, (name, used - targets)


PIN = r"(?m)^([\w.-]+)==(\S+)"


def test_each_package_is_pinned_once_and_vaelib_pins_nothing():
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "\n-c book/tools/constraints.txt\n" in requirements
    constraints = (ROOT / "book/tools/constraints.txt").read_text(encoding="utf-8")
    pins = re.findall(PIN, requirements) + re.findall(PIN, constraints)
    pinned = [name for name, _ in pins]
    assert len(set(pinned)) == len(pinned)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name for names in project["optional-dependencies"].values() for name in names}
    assert all(re.fullmatch(r"[\w-]+", name) for name in extras)
    bound = r"[\w-]+(>=[\d.]+)?"  # a lower bound at most: Colab keeps what it has
    assert all(re.fullmatch(bound, name) for name in project["dependencies"])
    assert extras <= set(pinned), "an extra without a pin"
    assert (
        set(re.findall(PIN, constraints))
        and {name for name, _ in re.findall(PIN, constraints)} <= extras
    )
    assert [path.name for path in ROOT.glob("*requirements*")] == ["requirements.txt"]


def test_the_hooks_use_the_pinned_ruff():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    pins = dict(re.findall(PIN, (ROOT / "requirements.txt").read_text(encoding="utf-8")))
    assert hooks[0]["rev"] == f"v{pins['ruff']}"
    entry = hooks[1]["hooks"][0]["entry"].split()
    assert (ROOT / entry[1]).exists() and entry[2] == "--strip"


def test_the_issue_template_asks_for_what_a_claim_needs():
    (file,) = (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")
    template = yaml.safe_load(file.read_text(encoding="utf-8"))
    required = {
        part["id"] for part in template["body"] if part.get("validations", {}).get("required")
    }
    assert {"claim", "profile", "device", "versions"} <= required
