"""Checkpoints of `fit`: one safetensors file each, tensors and JSON, written atomically."""

import contextlib
import json
import os
import warnings

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from . import identity

ADVICE = "use resume=False or another folder"


class Keeper:
    """Writes the state of a training job to its file, and reads it back.

    file: a Path, or None to keep nothing.
    models_only: take only the models from the file of another run (another learning rate, say).
    """

    def __init__(self, job, file, data_digest, models_only=False):
        self.job, self.file, self.models_only, self.saved = job, file, models_only, None
        self.config = None if file is None else self._settings(data_digest)

    def _settings(self, data_digest):
        """What must agree before a checkpoint is resumed, as JSON."""
        job, plan = self.job, self.job.plan
        return {
            "seeds": list(job.seeds), "steps": plan.steps, "batch_size": plan.batch_size,
            "hyper": {name: _values(value, plan.steps) for name, value in job.hyper.items()},
            "lr": [_values(player.lr, plan.steps) for player in plan.players],
            "adam": [json.loads(json.dumps(player.adam)) for player in plan.players],
            "objective": [identity.describe(player.objective) for player in plan.players],
            "data": data_digest, "transform": identity.describe(plan.transform),
            "autocast": str(plan.autocast), "model": identity.of_model(job.models[0]),
            "shapes": {name: list(t.shape) for name, t in job.copies.tensors().items()},
            "trained parameters": job.owns,
            "parts in eval mode": [n for n, m in job.models[0].named_modules() if not m.training],
            **identity.of_code(job.models[0]), "build": identity.describe(plan.build),
        }  # fmt: skip

    def load(self):
        """Resume from the file; returns False if there was nothing to resume.

        RuntimeError: the file cannot be read. ValueError: it belongs to another run, and how the
            two differ.
        """
        if self.file is None or not self.file.exists():
            return False
        try:
            tensors, state = read(self.file, self.job.device)
        except RuntimeError as error:
            raise RuntimeError(f"fit: checkpoint {error} {ADVICE.capitalize()}.") from error
        difference = _difference(state["config"], self.config)
        if (
            difference
            and self.models_only
            and not _difference(state["config"], self.config, ("seeds", "model", "shapes"))
        ):
            self.job.copies.copy_in(tensors)
            return False
        if difference:
            raise ValueError(f"fit: checkpoint {self.file} was made with {difference}; {ADVICE}.")
        job = self.job
        job.restore(tensors)
        for name, order in job.batches.order.items():
            order.copy_(tensors[f"order/{name}"])
        for r, generator in enumerate(job.batches.generators):
            generator.set_state(tensors[f"generator/{r}"].cpu())
        set_random_state(
            job.device, [tensors[name].cpu() for name in ("rng", "rng/cuda") if name in tensors]
        )
        past = tensors["history"]
        job.history = torch.full((job.plan.steps, *past.shape[1:]), torch.nan, device=job.device)
        job.history[: len(past)] = past
        job.step, job.names, job.batches.position = state["step"], state["terms"], state["position"]
        job.broken = [tuple(b) if b else None for b in state["broken"]]
        self.saved = job.step
        return True

    def save(self):
        """Write the state of the job; the file keeps the last finite state of a broken copy."""
        if self.file is None or all(self.job.broken):
            return
        job = self.job
        tensors = job.tensors() | {f"order/{name}": t for name, t in job.batches.order.items()}
        if any(job.broken) and self.file.exists():
            before, _ = read(self.file, job.device)
            for name in job.tensors():
                tensors[name] = tensors[name].detach().clone()
                for r, broken in enumerate(job.broken):
                    if broken and tensors[name].dim():
                        tensors[name][r] = before[name][r]
        tensors |= {f"generator/{r}": g.get_state() for r, g in enumerate(job.batches.generators)}
        on_cpu, on_cuda = random_states(job.device)
        tensors |= {"history": job.history[: job.step], "rng": on_cpu}
        if on_cuda is not None:
            tensors["rng/cuda"] = on_cuda
        state = {
            "config": self.config,
            "step": job.step,
            "position": job.batches.position,
            "terms": job.names,
            "broken": job.broken,
        }
        write(self.file, tensors, state)
        self.saved = job.step

    def advice(self):
        """What the file contains when a copy breaks, and how to continue."""
        if self.file is None or self.saved is None:
            return ""
        return f' {self.file} contains step {self.saved}; continue with resume="models", at any lr.'


def files_of(folder, groups, resume):
    """The file of each group of copies, a slice. ValueError: to be resumed, but the folder has none
    of these files and others instead, as when copies were trained in other groups on a GPU."""
    files = [
        folder / (f"copies-{g.start}-{g.stop - 1}" if g.stop - g.start > 1 else f"copy-{g.start}")
        for g in groups
    ]
    files = [file.with_suffix(".safetensors") for file in files]
    others = sorted(folder.glob("cop*.safetensors"))
    if resume and others and not any(file.exists() for file in files):
        raise ValueError(
            f"fit: checkpoint {others[0]} is of copies that would now be trained in other groups, "
            f"as with other seeds or on another device; {ADVICE}."
        )
    if resume == "models" and not others:
        raise ValueError(
            f'fit: checkpoint must be a folder with models for resume="models", got {folder}, '
            "which has none."
        )
    return files


def write(file, tensors, state):
    """Write tensors, {name: tensor}, and state (any JSON value) to a Path, atomically.

    RuntimeError: the file cannot be written; a previous file is unchanged.
    """
    fresh = file.with_name(f"{file.name}.{os.getpid()}.partial")  # no file of the user's own
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: t.detach().contiguous() for name, t in tensors.items()},
            fresh,
            {"state": json.dumps(state)},
        )
        with open(fresh, "r+b") as written:  # Windows flushes only files that are open for writing
            os.fsync(written.fileno())
        os.replace(fresh, file)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        kept = "the previous file is unchanged" if file.exists() else "no file was written"
        reason = getattr(error, "strerror", None) or error
        raise RuntimeError(f"{file} cannot be written ({reason}); {kept}.") from error


def read(file, device):
    """The tensors and the state of a checkpoint. RuntimeError: the file cannot be read."""
    try:
        with safe_open(file, "pt", device=str(device)) as stored:
            state = json.loads(stored.metadata()["state"])
            return {name: stored.get_tensor(name) for name in stored.keys()}, state  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise RuntimeError(f"{file} cannot be read ({error}).") from error


def announce(jobs):
    """Warn that runs were already complete and only loaded, once for all of them."""
    files = [str(job.keeper.file) for job in jobs if job.read_only]
    if files:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        warnings.warn(
            f"fit: this run was already complete and was loaded from {files[0]}{more}, "
            "nothing was trained.",
            stacklevel=3,
        )


def random_states(device):
    """The state of torch's own generators, on the CPU and on the device."""
    on_cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_cuda


def set_random_state(device, state):
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)


def _difference(made, now, names=None):
    """The first setting in which two runs differ, as text, or None."""
    for name in names or now:
        old, new = made.get(name), now[name]
        if old != new:
            if (
                isinstance(old, list)
                and isinstance(new, list)
                and len(old) == len(new)
                and name == "model"
            ):
                old, new = next((a, b) for a, b in zip(old, new, strict=True) if a != b)
            return f"{name}={_short(old)}, now {name}={_short(new)}"
    return None


def _short(value):
    text = str(value)
    return text if len(text) < 200 else text[:200] + " ..."


def _values(value, steps):
    """A hyper-parameter as JSON: a number, one per copy, or what describes a function of the step.

    That is its values at three steps, for a message that can be read, and its code and constants.
    """
    if callable(value):
        three = [float(value(step)) for step in (0, steps // 2, steps - 1)]
        return [*three, identity.describe(value)]
    return list(value) if isinstance(value, tuple) else value
