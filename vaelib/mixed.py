"""Likelihoods of tables: a sum over columns, each with a likelihood of its own."""

import torch
from torch import nn
from torch.distributions import Distribution

from .likelihoods import Category, Likelihood


class Mixed(Likelihood):
    """A table: the sum of one log-likelihood for each column, each with its own parameters.

    columns: {name: likelihood}, in the order of the columns of x, (B, D). The decoder returns
    `outputs` numbers in all; the encoder is given `features` numbers: categories one-hot, counts as
    log(1 + x). With missing=True NaN means that a value was not observed: it leaves the sum, so
    that the bound is one on log p of the observed values, and the encoder is given 0 and, behind
    all values, D marks, 1 where a value is missing. Equation eq-mixed of the book (chapter 12);
    Nazábal et al. (2020), Mattei & Frellsen (2019).
    ValueError: no columns, or something that is no likelihood for one value.
    """

    def __init__(self, columns, *, missing=False):
        super().__init__()
        if not isinstance(columns, dict) or not columns:
            raise ValueError(
                f"Mixed: columns must be a dict {{name: likelihood}}, got {columns!r}."
            )
        for name, part in columns.items():
            if not isinstance(part, Likelihood) or isinstance(part, Mixed):
                raise ValueError(
                    f"Mixed: column {name!r} must have a likelihood such as "
                    f'vl.likelihoods.Gaussian("learned"), got {part!r}.'
                )
        if len({id(part) for part in columns.values()}) < len(columns):
            raise ValueError("Mixed: each column must have a likelihood of its own, got one twice.")
        self.names, self.missing = tuple(columns), missing
        self.parts = nn.ModuleList(columns.values())
        self.outputs = sum(part.outputs for part in self.parts)
        self.features = sum(part.features for part in self.parts) + missing * len(self.parts)

    def forward(self, out):
        if out.shape[-1] != self.outputs:
            raise ValueError(
                f"VAE: the decoder must return {self.outputs} numbers for the columns "
                f"{', '.join(map(str, self.names))} (Mixed.outputs), got {out.shape[-1]}."
            )
        cut = out.split([part.outputs for part in self.parts], -1)
        made = [part(piece) for part, piece in zip(self.parts, cut, strict=True)]
        return Columns(dict(zip(self.names, made, strict=True)), self.missing)

    def inputs(self, x):
        if x.shape[-1] != len(self.parts):
            raise ValueError(
                f"VAE: x must have {len(self.parts)} columns, {', '.join(map(str, self.names))}, "
                f"got shape {tuple(x.shape)}."
            )
        gone = x.isnan()
        columns = torch.where(gone, 0.0, x).split(1, -1) if self.missing else x.split(1, -1)
        seen = [part.inputs(column) for part, column in zip(self.parts, columns, strict=True)]
        if not self.missing:
            return torch.cat(seen, -1)
        hidden = gone.to(x.dtype).split(1, -1)
        seen = [values * (1 - mark) for values, mark in zip(seen, hidden, strict=True)]
        return torch.cat([*seen, *hidden], -1)

    def check(self, x, where):
        for name, part, column in self._columns(x):
            part.check(column[~column.isnan()], f"{where}, column {name!r}")

    def check_spread(self, x, where):
        for name, part, column in self._columns(x):
            if bool(column.isnan().all()):
                raise ValueError(f"{where}, column {name!r}: a value must be observed, got none.")
            part.check_spread(column, f"{where}, column {name!r}")

    def _columns(self, x):
        """Each column's name, likelihood and values; none if their number does not fit."""
        columns = x.unbind(-1) if x.shape[-1] == len(self.parts) else ()
        return zip(self.names, self.parts, columns, strict=False)


class Columns(Distribution):
    """The distribution of `Mixed`: `columns`, {name: distribution (..., 1)}, side by side."""

    arg_constraints, has_rsample = {}, False

    def __init__(self, columns, missing):
        self.columns, self.missing = columns, missing
        first = next(iter(columns.values()))
        shape = torch.Size([*first.batch_shape[:-1], len(columns)])
        super().__init__(shape)

    def log_prob(self, x):
        gone = x.isnan()
        values = torch.where(gone, 0.0, x) if self.missing else x
        parts = zip(self.columns.values(), values.split(1, -1), strict=True)
        log_p = torch.cat([part.log_prob(column) for part, column in parts], -1)
        return torch.where(gone, 0.0, log_p) if self.missing else log_p

    def sample(self, sample_shape=()):
        return torch.cat([part.sample(sample_shape) for part in self.columns.values()], -1)

    @property
    def mean(self):
        if any(isinstance(part, Category) for part in self.columns.values()):
            raise ValueError(
                "Mixed: a category has no mean; use base_dist.point, sample() or "
                "base_dist.columns[name].probs."
            )
        return torch.cat([part.mean for part in self.columns.values()], -1)

    @property
    def point(self):
        """The mean of a number or a count, the most probable level of a category, (..., D)."""
        parts = self.columns.values()
        return torch.cat([p.mode if isinstance(p, Category) else p.mean for p in parts], -1)
