"""The tensors of a training step: of one model, or of copies stacked along a new dimension."""

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap


class Objective(nn.Module):
    """A player's objective as a module, so that `functional_call` can swap the model's tensors."""

    def __init__(self, model, objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, x, hyper):
        terms = self.objective(self.model, x, **hyper)
        if not isinstance(terms, dict) or "objective" not in terms:
            got = (
                f"a dict with {', '.join(map(repr, terms))}"
                if isinstance(terms, dict)
                else type(terms).__name__
            )
            raise ValueError(
                "fit: the objective must return a dict of terms, "
                f"among them 'objective', got {got}."
            )
        for name, term in terms.items():
            if not torch.is_tensor(term):
                raise ValueError(
                    "fit: the objective's terms must be tensors, "
                    f"got {type(term).__name__} for {name!r}."
                )
        return {name: term.mean() for name, term in terms.items()}


class Copies:
    """The parameters and buffers, by name, of models that are trained together.

    Those of several models are stacked: entry r of each tensor belongs to model r.
    """

    def __init__(self, models):
        self.models, self.stacked = models, len(models) > 1
        if self.stacked:
            params, self.buffers = stack_module_state(models)
            self.params = {
                name: p.detach().clone().requires_grad_(p.requires_grad)
                for name, p in params.items()
            }
        else:
            self.params = dict(models[0].named_parameters())
            self.buffers = dict(models[0].named_buffers())
        self.places = _places(models[0])

    def call(self, objective, compile=False):
        """A function (x, varying, fixed) -> {term: (R,)}: the mean of each term for every copy.

        Without a stack the only model's means are 0-d.

        varying: hyper-parameters with one value per copy; fixed: those that all copies share.
        """
        wrapped = Objective(self.models[0], objective)
        if not self.stacked:
            one = torch.compile(wrapped) if compile else wrapped
            return lambda x, varying, fixed: one(x, {**varying, **fixed})

        def of_one_copy(params, buffers, x, varying, fixed):
            tensors = params | buffers
            state = {f"model.{place}": tensors[name] for place, name in self.places.items()}
            return functional_call(wrapped, state, (x, {**varying, **fixed}), tie_weights=False)

        of_all = vmap(of_one_copy, in_dims=(0, 0, 0, 0, None), randomness="different")
        of_all = torch.compile(of_all, dynamic=False) if compile else of_all
        return lambda x, varying, fixed: of_all(self.params, self.buffers, x, varying, fixed)

    def names(self, parameters):
        """The names of trainable parameters of the first model.

        ValueError: parameters of another model, or none is trainable.
        """
        known = {id(p): name for name, p in self.models[0].named_parameters()}
        unique = list(dict.fromkeys(parameters))
        if any(id(p) not in known for p in unique):
            raise ValueError(
                "fit: a player's parameters must belong to the model that build returned."
            )
        names = [known[id(p)] for p in unique if p.requires_grad]
        if not names:
            raise ValueError(
                "fit: every player must have a parameter to train, but all are frozen."
            )
        return names

    def tensors(self):
        """The parameters and buffers, {"model/" + name: tensor}."""
        return {f"model/{name}": t for name, t in (self.params | self.buffers).items()}

    @torch.no_grad()
    def copy_in(self, tensors):
        """Copy tensors, named as by `tensors`, into the parameters and buffers."""
        for name, t in self.tensors().items():
            t.copy_(tensors[name])

    @torch.no_grad()
    def write_back(self):
        """Copy to each model its own entries of the stacked tensors."""
        if self.stacked:
            for r, model in enumerate(self.models):
                for name, t in [*model.named_parameters(), *model.named_buffers()]:
                    t.copy_((self.params | self.buffers)[name][r])


def _places(model):
    """{qualified name of every occurrence: canonical name}; tied tensors occur twice.

    A module that is used twice occurs once: `functional_call` would otherwise not restore its
    tensors.
    """
    names = {id(t): name for name, t in [*model.named_parameters(), *model.named_buffers()]}
    canonical = {}
    for at, module in model.named_modules():  # each module once
        for leaf, t in [
            *module.named_parameters(recurse=False),
            *module.named_buffers(recurse=False),
        ]:
            canonical[f"{at}.{leaf}".removeprefix(".")] = names[id(t)]
    return canonical


def refuse_shared(models, seeds):
    """ValueError if models of different seeds share a parameter or a buffer.

    Training one would train the other.
    """
    owner = {}
    for seed, model in zip(seeds, models, strict=True):
        for name, t in [*model.named_parameters(), *model.named_buffers()]:
            if owner.setdefault(t.data_ptr(), (seed, id(model)))[1] != id(model) and t.numel():
                raise ValueError(
                    "fit: build must make new nets for every seed, "
                    f"but seeds {owner[t.data_ptr()][0]} and {seed} share {name!r}."
                )
