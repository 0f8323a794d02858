"""Set the book's public address wherever it occurs.

    python book/tools/repository.py https://github.com/you/vae-family

`repository.url` in _config.yml is the source; the notebooks' first and last cells (`bootstrap`,
`onward`), CITATION.cff and README.md are derived from it.
"""

import re
import sys
from pathlib import Path

from record import load, save, text

ROOT = Path(__file__).resolve().parents[2]
GITHUB = "https://github.com/"
PLACEHOLDER = "/OWNER/"  # the address is not set; unpublished.py removes links to it
OWNER_NAME = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/(?!\S*\.git$)[A-Za-z0-9._-]*[A-Za-z0-9_-]"
)
# The line `url: ...` of the block `repository:`, after any comments and other keys.
CONFIG_LINE = re.compile(
    r"^(repository:.*\n(?:(?:[ \t].*|#.*)?\n)*?[ \t]+url:[ \t]*)([^\s#]+)", re.MULTILINE
)
BOOTSTRAP = """\
# Installs vaelib in Colab or Kaggle; does nothing if vaelib is installed.
import os
import re
import subprocess
import sys
from importlib import metadata, util

ADDRESS = "git+URL"
if util.find_spec("vaelib") is None:
    # Pin what is installed, so that pip never replaces it.
    installed = {package.name for package in metadata.distributions()}
    pinned = {"torch", "numpy", "matplotlib", "scipy", "scikit-learn"} & installed
    pip = [sys.executable, "-m", "pip", "install", "-q", ADDRESS]
    pip += [f"{name}=={metadata.version(name)}" for name in sorted(pinned)]
    os.environ["GIT_TERMINAL_PROMPT"] = "0"  # a wrong address fails and asks for no password
    result = subprocess.run(pip, capture_output=True, text=True)
    if result.returncode:
        reason = re.search(r"(?:fatal|ERROR): .*|$", result.stderr)[0]
        raise SystemExit(f"vaelib could not be installed from {ADDRESS}. Check the connection (on "
                         "Kaggle, switch Internet on in the settings) and run this cell again, or "
                         f"run `make lab` in a clone of the book. {reason}")"""


def bootstrap_source(url):
    """Return the source of the cell `bootstrap`, the first code cell of every chapter."""
    return BOOTSTRAP.replace("URL", url)


def site_address(url):
    """Return the address of the repository's GitHub Pages."""
    owner, name = url.removeprefix(GITHUB).split("/")
    site = f"https://{owner}.github.io/"
    return site if f"https://{name}/".lower() == site.lower() else f"{site}{name}/"


def colab_address(url, path):
    """Return the address that opens a notebook of the branch colab in Colab."""
    return f"https://colab.research.google.com/github/{url.removeprefix(GITHUB)}/blob/colab/{path}"


def kaggle_address(url, path):
    """Return the address that copies a notebook of the branch colab to Kaggle."""
    raw = f"https://raw.githubusercontent.com/{url.removeprefix(GITHUB)}/colab/{path}"
    return f"https://kaggle.com/kernels/welcome?src={raw}"


ASSIGNMENTS = {  # the chapters that link to an assignment
    "01_elbo": ("01_autoencoding", "02_elbo", "03_reparameterization", "A_engine"),
    "02_iwae": ("04_iwae",),
    "03_aae_mmd": ("05_aae", "08_mmd_vae"),
    "04_beta_tc": ("06_beta_vae", "07_total_correlation"),
    "05_vim": ("09_vim", "10_family", "11_bug_museum"),
    "06_own_data": ("12_your_data", "13_diagnosis"),
}


ASSIGNMENT_OF = {chapter: key for key, chapters in ASSIGNMENTS.items() for chapter in chapters}


def onward_source(url, name):
    """Return the source of the cell `onward`, the last of chapter `name`.

    KeyError: no such chapter.
    """
    assignment = ASSIGNMENT_OF[name]
    path, work = f"chapters/{name}.ipynb", f"chapters/assignments/{assignment}.ipynb"
    number = int(assignment[:2])
    return (
        f"**Run and change** this chapter [in Colab]({colab_address(url, path)}) or "
        f"[on Kaggle]({kaggle_address(url, path)}). **Course work** "
        f"[assignment {number} in Colab]({colab_address(url, work)}) goes with this part of the "
        "book.\n\n**At home,** in JupyterLab or VS Code, take the plain notebook from the "
        "download button above, or type `make lab` in a clone of the book."
    )


def read_url(config_path):
    """Return `repository.url` of _config.yml. ValueError: there is none."""
    found = CONFIG_LINE.search(Path(config_path).read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{config_path} has no line `url: ...` in a block `repository:`.")
    return found[2].strip("\"'")


def notebooks(root):
    """Return the paths of all notebooks, assignments included, hidden folders excluded."""
    found = sorted((Path(root) / "chapters").rglob("*.ipynb"))
    return [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]


def changes(root, url):
    """Return {path: new content} of the files that change with the address."""
    config, new = root / "_config.yml", {}
    old = read_url(config)
    new[config] = CONFIG_LINE.sub(lambda m: m[1] + url, config.read_text(encoding="utf-8"), count=1)
    for path in notebooks(root):
        nb = load(path)
        cells = [cell for cell in nb.cells if cell.get("id") == "bootstrap"]
        for cell in cells:
            cell.source = bootstrap_source(url)
        for cell in (cell for cell in nb.cells if cell.get("id") == "onward"):
            cell.source = onward_source(url, path.stem)
            cells.append(cell)
        if cells:
            new[path] = text(nb)
    # owner/name after github.com/ or Colab's /github/, but not as the beginning of a longer name.
    old_name, new_name = old.removeprefix(GITHUB), url.removeprefix(GITHUB)
    stands = re.compile(r"(github(?:\.com)?/)" + re.escape(old_name) + r"(?![\w-]|\.(?!git\b)\w)")
    for path in (root / "README.md", root / "CITATION.cff", root / "book" / "course_work.md"):
        if path.exists():
            content = path.read_text(encoding="utf-8")
            new[path] = stands.sub(lambda m: m[1] + new_name, content)
    if (cff := root / "CITATION.cff") in new:
        new[cff] = re.sub(r"(?m)^repository-code:.*$", f'repository-code: "{url}"', new[cff])
    return {
        path: content
        for path, content in new.items()
        if content != path.read_text(encoding="utf-8")
    }


def main(argv=None, root=ROOT):
    url = " ".join(sys.argv[1:] if argv is None else argv)
    if not (url.startswith(GITHUB) and OWNER_NAME.fullmatch(url.removeprefix(GITHUB))):
        form = f"{GITHUB}<owner>/<name>, without a slash or .git at the end"
        print(f"URL must be {form}, got {url!r}. Nothing was changed.", file=sys.stderr)
        return 2
    try:
        new = changes(Path(root), url)
    except ValueError as error:
        print(f"{error} Nothing was changed.", file=sys.stderr)
        return 2
    for path, content in new.items():
        save(path, content)
        print(f"{path.relative_to(root)}: {url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
