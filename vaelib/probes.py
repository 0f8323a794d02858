"""Try models and functions without side effects: RNG, buffers and modes are restored."""

import functools
import random
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def same_attributes(model):
    """Afterwards every submodule has the tensors that it had, and no activations that it kept."""
    kept = [(module, dict(vars(module))) for module in model.modules()]
    try:
        yield
    finally:
        for module, before in kept:
            for name, value in list(vars(module).items()):
                if torch.is_tensor(value) and value is not before.get(name):
                    del vars(module)[name]
                    vars(module).update({name: before[name]} if name in before else {})


@contextmanager
def unchanged(model):
    """Afterwards every submodule's mode and tensors, and every buffer's values, are restored."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        with same_attributes(model):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for module, name, buffer, value in buffers:
                module._buffers[name] = buffer.copy_(value)


@contextmanager
def without_a_trace(model, *functions):
    """Inside, a model and functions may be tried: afterwards their state is restored.

    That is the model (`unchanged`), the generators of torch, NumPy and Python, and those that a
    function keeps (in a closure, a default or a partial).
    """
    own = [(g, g.get_state()) for function in functions for g in generators(function)]
    states = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices), unchanged(model):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            for generator, state in own:
                generator.set_state(state)


def held(function):
    """What a function keeps besides its code: partial arguments, closure, defaults, its object."""
    if isinstance(function, functools.partial):
        return [function.func, *function.args, *function.keywords.values()]
    values = [getattr(function, "__self__", None), *(getattr(function, "__defaults__", None) or ())]
    values += (getattr(function, "__kwdefaults__", None) or {}).values()
    for cell in getattr(function, "__closure__", None) or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # an empty cell
            continue
    return values


def generators(thing, depth=4):
    """The torch.Generator objects that a function keeps."""
    if isinstance(thing, torch.Generator):
        return [thing]
    if depth == 0 or not callable(thing) or isinstance(thing, (nn.Module, type)):
        return []
    return [g for value in held(thing) for g in generators(value, depth - 1)]
