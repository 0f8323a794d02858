"""Priors over codes: modules that return a distribution and move to a device with their model."""

import copy
import math
from functools import partial

import torch
from torch import nn
from torch.distributions import Distribution, Independent, Normal, Transform, constraints
from torch.nn.functional import softplus

from .checks import number


class Gaussian(Normal):
    """torch's Normal, with a reparameterized draw that `torch.func.vmap` accepts.

    torch's own samples in place, which vmap rejects.
    """

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self.loc + self.scale * torch.randn(
            shape, dtype=self.loc.dtype, device=self.loc.device
        )


class Prior(nn.Module):
    """A prior without parameters: a call returns `distribution(loc)`, with loc = 0, (Q,).

    loc is a buffer, on the module's device.
    """

    def __init__(self, distribution, latent_dim):
        super().__init__()
        self.distribution = distribution
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)

    def forward(self):
        return self.distribution(self.loc)


class Fixed(nn.Module):
    """A prior that is one of torch's distributions; its tensors move with the module.

    It does not check its arguments, as this would read tensors in a CUDA graph and under vmap; its
    density is 0 outside of its support.
    """

    def __init__(self, distribution):
        super().__init__()
        plain = _mapped(distribution, lambda tensor: tensor)
        self.distribution = plain if _on_all_numbers(plain) else Supported(plain, 0, False)

    def forward(self):
        return self.distribution

    def _apply(self, fn, recurse=True):
        self.distribution = _mapped(self.distribution, fn)
        return super()._apply(fn, recurse)


class Supported(Independent):
    """A distribution whose log-density is -inf outside of its support, such as an Exponential.

    Without its checks torch's own formula goes on there, to any value.
    """

    def log_prob(self, z):
        inside = self.base_dist.support.check(z)
        return torch.where(inside, super().log_prob(z), -math.inf)


def _on_all_numbers(distribution):
    try:
        support = distribution.support
    except NotImplementedError:  # nothing is known, as of a distribution of the user's
        return True
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    return support is constraints.real


def _mapped(thing, fn, made=None):
    """A copy of a distribution, and of what it is made of, with fn applied to its tensors."""
    made = {} if made is None else made  # by id: a transform and its inverse refer to each other
    if torch.is_tensor(thing):
        return fn(thing)
    if isinstance(thing, list):
        return [_mapped(part, fn, made) for part in thing]
    if not isinstance(thing, (Distribution, Transform)):
        return thing
    if id(thing) not in made:
        made[id(thing)] = new = copy.copy(thing)
        vars(new).update({name: _mapped(value, fn, made) for name, value in vars(thing).items()})
        new._validate_args = False
    return made[id(thing)]


def as_module(prior, latent_dim):
    """Convert a prior (module, distribution or factory) to a module.

    ValueError: not a prior, or one over codes of another size.
    """
    prior = prior if isinstance(prior, (nn.Module, Distribution)) else prior(latent_dim)
    module = Fixed(prior) if isinstance(prior, Distribution) else prior
    made = module() if isinstance(module, nn.Module) else None
    if not isinstance(made, Distribution):
        raise ValueError(
            f"VAE: prior must be, or make, a module that returns a distribution, got {prior!r}."
        )
    if tuple(made.event_shape) != (latent_dim,):
        raise ValueError(
            f"VAE: prior must be over codes of shape ({latent_dim},), "
            f"got {tuple(made.event_shape)}."
        )
    return module


def sample(prior, n):
    """n draws of a prior, (n, Q), reparameterized if its distribution allows it.

    Of a batch of n distributions, as a conditional model has, one of each.
    """
    shape = () if prior.batch_shape else (n,)
    return prior.rsample(shape) if prior.has_rsample else prior.sample(shape)


def _normal(scale, loc):
    return Independent(
        Gaussian(loc, torch.full_like(loc, scale), validate_args=False), 1, validate_args=False
    )


def _logistic(scale, loc):
    return Independent(Logistic(loc, scale), 1, validate_args=False)


def standard_normal(latent_dim):
    """The prior N(0, I)."""
    return normal(1.0)(latent_dim)


def normal(scale):
    """A function that makes the prior N(0, scale² I) from latent_dim.

    ValueError: a scale that is not positive.
    """
    scale = number("normal", "scale", scale, above=0)
    return partial(Prior, partial(_normal, scale))


class Logistic(Distribution):
    """The logistic distribution around `loc`, reparameterized (eq-logistic).

    Its variance is (π scale)² / 3.
    """

    has_rsample, arg_constraints = True, {}

    def __init__(self, loc, scale):
        self.loc, self.scale = loc, scale
        super().__init__(loc.shape, validate_args=False)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        u = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        tiny = torch.finfo(u.dtype).eps / 2  # rand can return 0, whose logit is not finite
        return self.loc + self.scale * torch.logit(u, tiny)

    sample = rsample

    def log_prob(self, value):
        t = (value - self.loc) / self.scale
        return -t - 2 * softplus(-t) - math.log(self.scale)


def logistic(scale):
    """A function that makes the prior of independent Logistic(0, scale) codes from latent_dim.

    ValueError: a scale that is not positive.
    """
    scale = number("logistic", "scale", scale, above=0)
    return partial(Prior, partial(_logistic, scale))


def logistic_unit_variance(latent_dim):
    """The prior Logistic(0, √3/π): variance 1, as the standard normal's."""
    return logistic(math.sqrt(3) / math.pi)(latent_dim)


class Plane(Distribution):
    """A distribution over the plane in ten parts, of which `of_class` draws one.

    Label 10 draws from all parts.
    """

    has_rsample, arg_constraints, parts = True, {}, 10

    def __init__(self, loc):
        super().__init__(event_shape=torch.Size([2]), validate_args=False)
        self.loc = loc

    def rsample(self, sample_shape=()):
        return self.of_class(
            torch.full(torch.Size(sample_shape), self.parts, device=self.loc.device)
        )

    sample = rsample

    def _noise(self, draw, labels):
        return draw(labels.shape, dtype=self.loc.dtype, device=labels.device)


class Pinwheel(Plane):
    """Ten narrow Gaussians in the plane, arranged like the blades of a wheel (eq-pinwheel).

    Makhzani et al. (2016).
    """

    radius, long, short = 2.0, 0.5, 0.15

    def of_class(self, labels):
        """A draw from the blade with each label."""
        anywhere = torch.randint(self.parts, labels.shape, device=labels.device)
        turn = torch.where(labels < self.parts, labels, anywhere).to(self.loc.dtype)
        turn = turn * (2 * math.pi / self.parts)
        out = self.radius + self.long * self._noise(torch.randn, labels)
        side = self.short * self._noise(torch.randn, labels)
        cos, sin = turn.cos(), turn.sin()
        return torch.stack([out * cos - side * sin, out * sin + side * cos], -1)

    def log_prob(self, z):
        turn = torch.arange(self.parts, dtype=z.dtype, device=z.device) * (2 * math.pi / self.parts)
        cos, sin = turn.cos(), turn.sin()
        out, side = z[..., :1] * cos + z[..., 1:] * sin, z[..., 1:] * cos - z[..., :1] * sin
        parts = -0.5 * ((out - self.radius) / self.long) ** 2 - 0.5 * (side / self.short) ** 2
        return torch.logsumexp(parts, -1) - math.log(
            2 * math.pi * self.long * self.short * self.parts
        )


class SwissRoll(Plane):
    """A spiral in the plane, uniform along its length, with noise across (eq-swiss-roll).

    Makhzani et al. (2016).
    """

    turns, radius, width = 1.5, 3.0, 0.1

    def of_class(self, labels):
        """A draw from one of ten equal parts of the roll, numbered from the inside."""
        u = self._noise(torch.rand, labels)
        root = torch.where(labels < self.parts, (labels + u) / self.parts, u).sqrt()
        # The length of a spiral from its centre grows with the square of the angle, so that the
        # root is uniform on it.
        angle = 2 * math.pi * self.turns * root
        centre = self.radius * root[..., None] * torch.stack([angle.cos(), angle.sin()], -1)
        return centre + self.width * torch.randn_like(centre)


def pinwheel(latent_dim=2):
    """The prior `Pinwheel`. ValueError: codes that are not two numbers."""
    return _plane("pinwheel", latent_dim, Pinwheel)


def swiss_roll(latent_dim=2):
    """The prior `SwissRoll`; it can be sampled but has no density.

    ValueError: codes that are not two numbers.
    """
    return _plane("swiss_roll", latent_dim, SwissRoll)


def _plane(name, latent_dim, distribution):
    if latent_dim != 2:
        raise ValueError(
            f"{name}: latent_dim must be 2, "
            f"because this prior lives in the plane, got {latent_dim}."
        )
    return Prior(distribution, latent_dim)
