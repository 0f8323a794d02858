"""Likelihoods p(x|z): what the decoder's numbers mean, and which values of x they allow.

A likelihood is a module: called with the decoder's output it returns a distribution over the values
of x. `VAE` makes the common ones from a name; any of them can be passed to it, and so can `Mixed`,
which gives each column of a table its own.
"""

import math

import torch
from torch import distributions, nn
from torch.distributions import Distribution, Independent
from torch.nn.functional import logsigmoid, softplus

from .checks import integer, number, one_of


class IndependentBernoulli(Independent):
    """torch's `Independent(Bernoulli)`, but log_prob sums over pixels before it subtracts.

    This avoids two passes over a tensor of shape (k, B, D).
    """

    def log_prob(self, x):
        logits, pixels = self.base_dist.logits, tuple(range(-self.reinterpreted_batch_ndims, 0))
        return (x * logits).sum(pixels) - softplus(logits).sum(pixels)


class Likelihood(nn.Module):
    """The base of the likelihoods: one number of the decoder for each value of x.

    outputs: how many numbers the decoder returns for one value. features: how many the encoder is
    given for it. missing: whether NaN is allowed and means "not observed".
    """

    outputs, features, missing, join = 1, 1, False, Independent

    def inputs(self, x):
        """What the encoder is given for x."""
        return x

    def check(self, x, where):
        """ValueError: finite values x that the likelihood does not allow."""

    def check_spread(self, x, where):
        """ValueError: training data x for which the likelihood has no maximum."""


class Bernoulli(Likelihood):
    """Values 0 and 1; the decoder returns logits."""

    join = IndependentBernoulli

    def forward(self, out):
        return distributions.Bernoulli(logits=out, validate_args=False)

    def check(self, x, where):
        _in_unit_interval(x, where, "bernoulli")
        if bool(((x != 0) & (x != 1)).any()):
            grey = x[(x != 0) & (x != 1)][0].item()
            raise ValueError(
                f'{where}: values must be 0 or 1 for likelihood="bernoulli", '
                f"got the grey value {grey:g}. Binarize the images (transform=vl.binarize), "
                'or ask for likelihood="cross_entropy" by name.'
            )


class CrossEntropy(Bernoulli):
    """The formula of `Bernoulli` on grey values in [0, 1], which is no likelihood (chapter 3)."""

    def check(self, x, where):
        _in_unit_interval(x, where, "cross_entropy")


class Scaled(Likelihood):
    """The base of the likelihoods with a mean and a scale.

    scale: a number, "learned" (one for all values, a parameter) or "head" (one for each value, made
    by the decoder: means, then log-scales, concatenated). scale_floor is added to a learned scale.
    start: a learned scale starts there, one of a head is multiplied by it.
    """

    start = 1.0

    def __init__(self, scale=1.0, scale_floor=0.0):
        super().__init__()
        if isinstance(scale, str):
            one_of(type(self).__name__, "scale", scale, ("learned", "head"))
        else:
            scale = number(type(self).__name__, "scale", scale, above=0)
        floor = number(type(self).__name__, "scale_floor", scale_floor, least=0)
        self.scale, self.scale_floor, self.outputs = scale, floor, 1 + (scale == "head")
        if scale == "learned":
            self.log_scale = nn.Parameter(torch.tensor(math.log(self.start)))

    def mean_and_scale(self, out):
        """The mean, and the scale in the same shape, from the decoder's output."""
        if self.scale == "head":
            if out.shape[-1] % 2:
                raise ValueError(
                    'VAE: for scale="head" the decoder must return means and log-scales, two '
                    f"numbers for each value, got {out.shape[-1]} numbers."
                )
            mean, log_scale = out.chunk(2, -1)
            return mean, self.start * log_scale.exp() + self.scale_floor
        if self.scale == "learned":
            return out, (self.log_scale.exp() + self.scale_floor).expand_as(out)
        scale = torch.full((), float(self.scale), dtype=out.dtype, device=out.device)
        return out, scale.expand_as(out)


class Gaussian(Scaled):
    """Real values; the decoder returns means; scale as in `Scaled` (eq-gaussian-likelihood)."""

    def forward(self, out):
        return distributions.Normal(*self.mean_and_scale(out), validate_args=False)

    def check_spread(self, x, where):
        learned = self.outputs == 2 or self.scale == "learned"
        low, high = torch.aminmax(x)  # no copy: x may be longer than memory
        if low.isnan():
            low, high = torch.aminmax(x[~x.isnan()])
        if learned and not self.scale_floor and low == high:
            raise ValueError(
                f"{where}: values must differ if the scale is learned, as it would go to 0 and "
                f"the likelihood to infinity, got {low:g} everywhere; "
                "leave them out, or give a scale_floor."
            )


class Discretized(Scaled):
    """Values i / (levels - 1), such as bytes / 255: a logistic, integrated over each cell.

    The first and the last cell take the tails, so that the probabilities sum to 1. The decoder
    returns means; scale as in `Scaled`, but a learned one starts at 0.1. Equation eq-discretized of
    the book (chapter 12); Kingma et al. (2016).
    """

    start = 0.1

    def __init__(self, levels=256, scale="learned", scale_floor=0.0):
        super().__init__(scale, scale_floor)
        self.levels = integer("Discretized", "levels", levels, 2)

    def forward(self, out):
        return DiscretizedLogistic(*self.mean_and_scale(out), self.levels)

    def check(self, x, where):
        step = x * (self.levels - 1)
        bad = ((step - step.round()).abs() > 0.01) | (x < 0) | (x > 1)
        if bool(bad.any()):
            raise ValueError(
                f"{where}: values must be i / {self.levels - 1} with i = 0 to {self.levels - 1} "
                f"for Discretized(levels={self.levels}), got {x[bad][0]:g}."
            )


class DiscretizedLogistic(Distribution):
    """The distribution of `Discretized`: P(x) = σ((x + h - m) / s) - σ((x - h - m) / s).

    h is half a cell; the first cell reaches down to -∞, the last one up to ∞.
    """

    arg_constraints, has_rsample = {}, False

    def __init__(self, loc, scale, levels):
        self.loc, self.scale, self.levels = loc, scale, levels
        super().__init__(loc.shape, validate_args=False)

    def log_prob(self, value):
        half = 0.5 / (self.levels - 1)
        below, above = ((value + d - self.loc) / self.scale for d in (-half, half))
        # σ(b) - σ(a) = σ(b) σ(-a) (1 - exp(a - b)), which cancels nothing.
        cell = (-torch.expm1(-2 * half / self.scale)).log()
        up, down = logsigmoid(above), logsigmoid(-below)
        inside = up + down + cell
        return torch.where(value < half, up, torch.where(value > 1 - half, down, inside))

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        u = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        value = self.loc + self.scale * torch.logit(u, torch.finfo(u.dtype).eps / 2)
        return (value.clamp(0, 1) * (self.levels - 1)).round() / (self.levels - 1)

    @property
    def mean(self):
        """The exact mean, the sum of P(x ≥ i / (levels - 1)) over i, by a loop over the levels."""
        steps, total = self.levels - 1, torch.zeros_like(self.loc)
        for i in range(1, self.levels):
            total = total + torch.sigmoid((self.loc - (i - 0.5) / steps) / self.scale)
        return total / steps


class Categorical(Likelihood):
    """Numbers of a category, 0 to levels - 1, as floats; the decoder returns `levels` logits.

    The encoder is given them one-hot.
    """

    def __init__(self, levels):
        super().__init__()
        self.levels = integer("Categorical", "levels", levels, 2)
        self.outputs = self.features = self.levels

    def forward(self, out):
        return Category(logits=out.unflatten(-1, (-1, self.levels)), validate_args=False)

    def inputs(self, x):
        levels = torch.arange(self.levels, dtype=x.dtype, device=x.device)
        return (x.unsqueeze(-1) == levels).to(x.dtype).flatten(-2)

    def check(self, x, where):
        bad = (x != x.round()) | (x < 0) | (x >= self.levels)
        if bool(bad.any()):
            raise ValueError(
                f"{where}: values must be whole numbers from 0 to {self.levels - 1} for "
                f"Categorical({self.levels}), got {x[bad][0]:g}."
            )


class Category(distributions.Categorical):
    """torch's Categorical with values and samples as floats; a category has no mean."""

    def log_prob(self, value):
        return super().log_prob(value.long())

    def sample(self, sample_shape=()):
        return super().sample(torch.Size(sample_shape)).to(self.logits.dtype)

    @property
    def mode(self):
        return super().mode.to(self.logits.dtype)

    @property
    def mean(self):
        raise ValueError("Categorical: a category has no mean; use mode, sample() or probs.")


class Poisson(Likelihood):
    """Counts 0, 1, 2, ...; the decoder returns the log of the rate; the encoder sees log(1 + x)."""

    def forward(self, out):
        return distributions.Poisson(out.exp(), validate_args=False)

    def inputs(self, x):
        return x.log1p()

    def check(self, x, where):
        bad = (x != x.round()) | (x < 0)
        if bool(bad.any()):
            raise ValueError(
                f"{where}: values must be counts 0, 1, 2, ... for {type(self).__name__}, "
                f"got {x[bad][0]:g}."
            )


class NegativeBinomial(Poisson):
    """Counts of mean m and variance m + m² / r, r learned; the decoder returns log m.

    The limit r → ∞ is the Poisson distribution.
    """

    def __init__(self):
        super().__init__()
        self.log_r = nn.Parameter(torch.zeros(()))

    def forward(self, out):
        r = self.log_r.exp().expand_as(out)
        return Counts(r, logits=out - self.log_r, validate_args=False)


class Counts(distributions.NegativeBinomial):
    """torch's NegativeBinomial with log_prob in float64: its gammas cancel where r is large."""

    def log_prob(self, value):
        r, logits, x = self.total_count.double(), self.logits.double(), value.double()
        log_p = r * logsigmoid(-logits) + x * logsigmoid(logits)
        return (log_p + (r + x).lgamma() - (1 + x).lgamma() - r.lgamma()).to(value.dtype)


NAMES = {"bernoulli": Bernoulli, "cross_entropy": CrossEntropy, "gaussian": Gaussian}


def named(likelihood, scale, scale_floor):
    """The likelihood of `VAE`, a module, or made from a name and a scale. ValueError: neither."""
    if isinstance(likelihood, Likelihood):
        if scale != 1.0 or scale_floor:
            raise ValueError("VAE: scale belongs to the likelihood that is passed, got both.")
        return likelihood
    if isinstance(likelihood, type) and issubclass(likelihood, Likelihood):
        raise ValueError(
            f"VAE: likelihood must be an object such as {likelihood.__name__}(), got the class."
        )
    if likelihood not in NAMES:
        raise ValueError(
            f"VAE: likelihood must be {', '.join(map(repr, NAMES))} or an object of "
            f"vl.likelihoods such as Poisson(), got {likelihood!r}."
        )
    if likelihood == "gaussian":
        return Gaussian(scale, scale_floor)
    if scale != 1.0 or scale_floor:
        raise ValueError(
            f'VAE: scale and scale_floor need likelihood="gaussian", got {likelihood!r}.'
        )
    return NAMES[likelihood]()


def _in_unit_interval(x, where, name):
    low, high = (x.min().item(), x.max().item()) if x.numel() else (0, 0)
    if low < 0 or high > 1:
        raise ValueError(
            f"{where}: values must lie in [0, 1] for likelihood={name!r}, got {low:g} to {high:g}."
        )
