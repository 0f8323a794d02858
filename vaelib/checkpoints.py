"""Checkpoints: one safetensors file, tensors and JSON together, written beside the old one, then put in its place."""

import contextlib
import json
import os

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file


def save(file, tensors, state):
    """Write tensors, {name: tensor}, and state (anything JSON holds) to a Path, all or nothing.

    RuntimeError: the file cannot be written; what was there before is kept.
    """
    fresh = file.with_suffix(".partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: t.detach().contiguous() for name, t in tensors.items()}, fresh, {"state": json.dumps(state)})
        with open(fresh, "rb") as written:
            os.fsync(written.fileno())
        os.replace(fresh, file)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        kept = "the last good checkpoint is kept" if file.exists() else "there is none yet"
        reason = getattr(error, "strerror", None) or error
        raise RuntimeError(f"fit: checkpoint {file} cannot be written ({reason}); {kept}.") from error


def load(file, config, device):
    """The tensors and the state of a checkpoint whose state["config"] is `config`.

    RuntimeError: the file cannot be read. ValueError: it belongs to another run.
    """
    advice = "use resume=False or another folder"
    try:
        with safe_open(file, "pt", device=str(device)) as stored:
            state = json.loads(stored.metadata()["state"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise RuntimeError(f"fit: checkpoint {file} cannot be read ({error}); {advice}.") from error
    for name, value in config.items():
        made = state["config"].get(name)
        if made != value:
            raise ValueError(f"fit: checkpoint {file} was made with {name}={made}, now {name}={value}; {advice}.")
    return tensors, state
