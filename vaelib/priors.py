"""Priors: distributions over codes that can be sampled, as functions of a (Q,) tensor of zeros."""

import math

import torch
from torch.distributions import Distribution, Independent, Normal
from torch.nn.functional import softplus


class Gaussian(Normal):
    """torch's Normal, with a reparameterized draw that `torch.func.vmap` accepts: its own fills a tensor in place."""

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self.loc + self.scale * torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)


def standard_normal(zero):
    """The prior N(0, I) over codes shaped like `zero`, (Q,), on its device."""
    return Independent(Gaussian(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)


class Logistic(Distribution):
    """The logistic distribution around `loc`, sampled by the path; its variance is (π scale)² / 3 (eq-logistic)."""

    has_rsample = True

    def __init__(self, loc, scale):
        self.loc, self.scale = loc, scale
        super().__init__(loc.shape, validate_args=False)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        u = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        tiny = torch.finfo(u.dtype).eps / 2  # rand draws 0, whose logit is not finite
        return self.loc + self.scale * torch.logit(u, tiny)

    sample = rsample

    def log_prob(self, value):
        t = (value - self.loc) / self.scale
        return -t - 2 * softplus(-t) - math.log(self.scale)


def logistic(scale):
    """A prior for `VAE`: independent Logistic(0, scale) codes. ValueError: a scale that is not positive."""
    if not 0 < scale < math.inf:
        raise ValueError(f"logistic: scale is {scale!r}; allowed is a positive finite number.")
    return lambda zero: Independent(Logistic(zero, scale), 1, validate_args=False)


def logistic_unit_scale(zero):
    """The prior Logistic(0, 1) over codes shaped like `zero`: variance 3.29, larger than the standard normal's."""
    return logistic(1.0)(zero)


def logistic_unit_variance(zero):
    """The prior Logistic(0, √3/π) over codes shaped like `zero`: variance 1, as the standard normal's."""
    return logistic(math.sqrt(3) / math.pi)(zero)


def normal(scale):
    """A prior for `VAE`: N(0, scale² I). ValueError: a scale that is not positive."""
    if not 0 < scale < math.inf:
        raise ValueError(f"normal: scale is {scale!r}; allowed is a positive finite number.")
    return lambda zero: Independent(Gaussian(zero, torch.full_like(zero, scale), validate_args=False), 1,
                                    validate_args=False)  # fmt: skip


class Plane(Distribution):
    """A distribution over the plane in ten parts, of which `of_class` draws one: a label of 10 stands for any part."""

    has_rsample, arg_constraints, parts = True, {}, 10

    def __init__(self, zero):
        super().__init__(event_shape=torch.Size([2]), validate_args=False)
        self.zero = zero

    def rsample(self, sample_shape=()):
        return self.of_class(torch.full(torch.Size(sample_shape), self.parts, device=self.zero.device))

    sample = rsample


class Pinwheel(Plane):
    """Ten narrow Gaussians in the plane, turned like the blades of a wheel: Makhzani et al. (2016), eq-pinwheel."""

    radius, long, short = 2.0, 0.5, 0.15

    def of_class(self, labels):
        """A draw from the blade with each label."""
        anywhere = torch.randint(self.parts, labels.shape, device=labels.device)
        turn = torch.where(labels < self.parts, labels, anywhere) * (2 * math.pi / self.parts)
        out = self.radius + self.long * torch.randn(labels.shape, device=labels.device)
        side = self.short * torch.randn(labels.shape, device=labels.device)
        cos, sin = turn.cos(), turn.sin()
        return torch.stack([out * cos - side * sin, out * sin + side * cos], -1)

    def log_prob(self, z):
        turn = torch.arange(self.parts, device=z.device) * (2 * math.pi / self.parts)
        cos, sin = turn.cos(), turn.sin()
        out, side = z[..., :1] * cos + z[..., 1:] * sin, z[..., 1:] * cos - z[..., :1] * sin
        parts = -0.5 * ((out - self.radius) / self.long) ** 2 - 0.5 * (side / self.short) ** 2
        return torch.logsumexp(parts, -1) - math.log(2 * math.pi * self.long * self.short * self.parts)


class SwissRoll(Plane):
    """A spiral in the plane, uniform along its length, with noise across: Makhzani et al. (2016), eq-swiss-roll."""

    turns, radius, width = 1.5, 3.0, 0.1

    def of_class(self, labels):
        """A draw from one of ten equal parts of the roll, numbered from the inside."""
        u = torch.rand(labels.shape, device=labels.device)
        root = torch.where(labels < self.parts, (labels + u) / self.parts, u).sqrt()
        # The length of a spiral from its centre grows with the square of the angle, so that the root is uniform on it.
        angle = 2 * math.pi * self.turns * root
        centre = self.radius * root[..., None] * torch.stack([angle.cos(), angle.sin()], -1)
        return centre + self.width * torch.randn(centre.shape, device=centre.device)


def pinwheel(zero):
    """The prior `Pinwheel` over codes shaped like `zero`. ValueError: codes that are not two numbers."""
    return _plane("pinwheel", zero, Pinwheel)


def swiss_roll(zero):
    """The prior `SwissRoll` over codes shaped like `zero`; it has no density, only draws. ValueError: as `pinwheel`."""
    return _plane("swiss_roll", zero, SwissRoll)


def _plane(name, zero, distribution):
    if zero.shape[-1] != 2:
        raise ValueError(f"{name}: the code has {zero.shape[-1]} numbers; this prior lives in the plane and allows 2.")
    return distribution(zero)
