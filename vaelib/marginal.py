"""How far an importance-sampling estimate of log p(x) can be trusted, and what to do if it cannot.

log p(x) depends on the prior and the decoder only, importance sampling on the encoder as well: the
posterior q(z|x) is its proposal, and one that is far too narrow misses the mass, however many
samples are drawn. `pareto_k` detects this, `refit_encoder` makes a better proposal, and
`annealed_log_likelihood` uses none.
"""

import copy
import math
from contextlib import contextmanager

import torch

from .checks import integer, number
from .implicit import ImplicitVAE
from .probes import unchanged
from .schedules import cosine


@contextmanager
def evaluating(where, model):
    """Eval mode inside; every submodule's mode and every buffer are restored afterwards.

    ValueError: a batch normalization without running statistics, as an image's values would then
    depend on the images that share its chunk.
    """
    for name, module in model.named_modules():
        if (
            isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
            and module.running_mean is None
        ):
            raise ValueError(f"{where}: {name} must have running statistics, got {module}.")
    with unchanged(model):
        model.eval()
        yield


def tail_length(samples):
    """How many of the largest weights are taken as their tail: min(samples / 5, 3 √samples)."""
    return math.ceil(min(samples / 5, 3 * math.sqrt(samples)))


def pareto_k(log_w):
    """The shape k̂ of a generalized Pareto fitted to the largest weights of each image, (B,).

    log_w: log-weights in descending order, (M + 1, B), M of them the tail and the last the cutoff.
    Fitted as by Zhang & Stephens (2009) and shrunk towards 1/2 with the weight of ten observations
    (Vehtari et al., 2024), as the packages loo and ArviZ do. A tail of equal weights gets -inf.
    """
    log_w = log_w.double()
    log_w = log_w - log_w[0]
    x = (log_w[:-1].exp() - log_w[-1].exp()).flip(0).T  # exceedances in ascending order, (B, M)
    tail, grid = x.shape[1], 30 + math.isqrt(x.shape[1])
    j = torch.arange(1, grid + 1, dtype=x.dtype, device=x.device)
    quartile = x[:, int(tail / 4 + 0.5) - 1, None]
    theta = 1 / x[:, -1:] + (1 - (grid / (j - 0.5)).sqrt()) / (3 * quartile)  # (B, grid)
    k = torch.log1p(-theta[:, :, None] * x[:, None]).mean(-1)
    profile = tail * ((-theta / k).log() - k - 1)
    theta = (torch.softmax(profile, 1) * theta).sum(1, keepdim=True)
    k = torch.log1p(-theta * x).mean(-1)
    k = torch.where(quartile[:, 0] > 1e-300, (tail * k + 5) / (tail + 10), math.inf)
    return torch.where(x[:, -1] > 0, k, -math.inf)


def refit_encoder(model, x, steps=2000, *, samples=8, batch_size=128, lr=5e-3, seed=0, build=None):
    """A copy of the model with the same prior and decoder and a new encoder, fitted to images x.

    The encoder is a proposal for importance sampling and no part of p(x): therefore it may, and
    should, be fitted to the images that are evaluated. It is initialized again (`reset_parameters`,
    or build() -> encoder; for two layers both encoders), and Adam maximizes the IWAE bound with
    `samples` samples (1: the ELBO), in eval mode. Prior and decoder are frozen. The same seed gives
    the same encoder; the model and torch's random state are not changed.
    ValueError: images that the likelihood does not allow, an encoder without a density or one that
    cannot be initialized again, a fit that diverges.
    """
    where = "refit_encoder"
    steps, samples = integer(where, "steps", steps), integer(where, "samples", samples)
    batch_size, seed = integer(where, "batch_size", batch_size), integer(where, "seed", seed, 0)
    lr = float(number(where, "lr", lr, above=0))
    if isinstance(model, ImplicitVAE):
        raise ValueError(
            f"{where}: model must have a density q(z|x), got an ImplicitVAE; "
            "put its decoder into a VAE with a new encoder and refit that."
        )
    with evaluating(where, model):
        model.check_targets(x)
    twin, rate = copy.deepcopy(model), cosine(lr, steps, lr / 50)
    with torch.random.fork_rng([x.device] if x.is_cuda else []), torch.enable_grad():
        torch.default_generator.manual_seed(seed)
        if x.is_cuda:
            torch.cuda.manual_seed(seed)  # of the current device
        parameters = _new_encoder(where, twin, x, build)
        optimizer = torch.optim.Adam(parameters, lr)
        with evaluating(where, twin):
            for step in range(steps):
                optimizer.param_groups[0]["lr"] = rate(step)
                at = torch.randperm(len(x), device=x.device)[:batch_size]
                bound = torch.logsumexp(twin.rows(at).log_weights(x[at], samples), 0).mean()
                optimizer.zero_grad()
                (-bound).backward()
                optimizer.step()
    if not all(torch.isfinite(p).all() for p in parameters):
        raise ValueError(f"{where}: the fit diverged; lr must be smaller, got {lr!r}.")
    return twin


def _new_encoder(where, model, x, build):
    """Initialize the encoder again, freeze everything else; returns the encoder's parameters."""
    names = [name for name in ("encoder", "encoder2") if hasattr(model, name)]
    model.requires_grad_(False)
    if build is not None:
        new = copy.deepcopy(build())
        for name, net in zip(names, new if len(names) > 1 else [new], strict=True):
            setattr(model, name, net.to(x).train(getattr(model, name).training))
    nets = [getattr(model, name) for name in names]
    own = {id(p) for net in nets for p in net.parameters()}
    stuck = [
        f"{name} shared with the rest of the model"
        for name, p in model.named_parameters(remove_duplicate=False)
        if id(p) in own and name.split(".")[0] not in names
    ]
    for module in (m for net in nets for m in net.modules()):
        if build is None and hasattr(module, "reset_parameters"):
            module.reset_parameters()
        elif build is None and module._parameters:
            stuck.append(f"a {type(module).__name__} without reset_parameters")
    if stuck or not own:
        raise ValueError(
            f"{where}: encoder must have parameters of its own that can be reset, got "
            f"{', '.join(stuck) or 'none'}; pass build, a function that returns a new encoder."
        )
    return [p.requires_grad_() for net in nets for p in net.parameters()]


def annealed_log_likelihood(model, x, temperatures=500, *, chains=16, leapfrogs=5):
    """An annealed estimate of log p(x), (N,), float64, in nats, and its acceptance rates, (N,).

    Codes from the prior are moved to the posterior through p(z) p(x|z)^t, t from 0 to 1, with one
    step of Hamiltonian Monte Carlo of `leapfrogs` moves at each of the temperatures (their number,
    or the increasing t themselves). Step sizes are tuned to an acceptance of about .65 on a quarter
    as many chains, which are then thrown away. Like importance sampling it lies below log p(x) in
    expectation (annealed importance sampling: Neal, 2001; Wu et al., 2017), but it does not use the
    encoder. It is slow: about a hundred images are enough for a second opinion. If the means of
    both over the same images differ by more than 0.5 nats, print both; the larger is the better.
    ValueError: images that the likelihood does not allow, temperatures that do not go from 0 to 1,
    a prior without density, values that are not finite.
    """
    where = "annealed_log_likelihood"
    chains = integer(where, "chains", chains)
    leapfrogs = integer(where, "leapfrogs", leapfrogs)
    ladder = _ladder(where, temperatures)
    with evaluating(where, model), torch.no_grad():
        model.check_targets(x)
        if hasattr(model, "decoder2"):
            got = type(model).__name__
            raise ValueError(f"{where}: model must have one layer of codes, got {got}.")
        try:
            model.prior.log_prob(model.prior.sample((1,)))
        except NotImplementedError:
            got = type(model.prior).__name__
            raise ValueError(f"{where}: the prior must have a density, got {got}.") from None
        sizes = _anneal(model, x, ladder, -(-chains // 4), leapfrogs)[2]
        total, accepted, _ = _anneal(model, x, ladder, chains, leapfrogs, sizes)
    values = torch.logsumexp(total, 0) - math.log(chains)
    if not torch.isfinite(values).all():
        bad = int((~torch.isfinite(values)).sum())
        raise ValueError(
            f"{where}: every value must be finite, got {bad} of {len(x)} that are not."
        )
    return values, accepted


def _ladder(where, temperatures):
    """Temperatures from 0 to 1 in geometric steps of t + 0.001, or the given ones."""
    if getattr(temperatures, "ndim", None) == 0 or not hasattr(temperatures, "__len__"):
        count = integer(where, "temperatures", temperatures, 2)
        return [(1001 ** (i / (count - 1)) - 1) / 1000 for i in range(count)]
    ladder = [float(t) for t in temperatures]
    rises = all(before < after for before, after in zip(ladder, ladder[1:], strict=False))
    if len(ladder) < 2 or ladder[0] != 0 or ladder[-1] != 1 or not rises:
        raise ValueError(f"{where}: temperatures must increase from 0 to 1, got {temperatures!r}.")
    return ladder


def _anneal(model, x, ladder, chains, leapfrogs, sizes=None):
    """One annealing of `chains` codes for each image.

    Returns log-weights (chains, N), acceptance (N,) and step sizes, one (N,) per temperature;
    without `sizes` they are tuned on the way.
    """
    prior, tuned = model.prior, []

    def density(z, t):
        """log p(z) + t log p(x|z), its gradient in z, and log p(x|z)."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            log_lik = model.likelihood(z, x).log_prob(x)
            value = prior.log_prob(z) + t * log_lik
            return value.detach(), torch.autograd.grad(value.sum(), z)[0], log_lik.detach()

    # A conditional model may have a prior for each sample.
    z = prior.sample((chains,) if prior.batch_shape else (chains, len(x)))
    log_lik, total, accepted = density(z, 0.0)[2], 0, 0
    size = torch.full((len(x),), 0.5, dtype=z.dtype, device=z.device)
    for i, t in enumerate(ladder[1:]):
        total = total + (t - ladder[i]) * log_lik.double()
        size = size if sizes is None else sizes[i]
        z, log_lik, probability = _hamiltonian_step(density, z, t, size, leapfrogs)
        accepted = accepted + probability.mean(0)
        tuned.append(size)
        if sizes is None:
            size = size * (0.2 * (probability.mean(0) - 0.65)).exp()
    return total, accepted / len(tuned), tuned


def _hamiltonian_step(density, z, t, size, leapfrogs):
    """HMC step invariant under p(z) p(x|z)^t: new codes, log p(x|z) there, acceptance."""
    value, slope, log_lik = density(z, t)
    size = (size * torch.empty_like(size).uniform_(0.8, 1.2))[:, None]  # against periodic orbits
    momentum, new = torch.randn_like(z), z
    before = value - 0.5 * (momentum**2).sum(-1)
    for _ in range(leapfrogs):
        momentum = momentum + 0.5 * size * slope
        new = new + size * momentum
        value, slope, new_log_lik = density(new, t)
        momentum = momentum + 0.5 * size * slope
    ratio = value - 0.5 * (momentum**2).sum(-1) - before
    probability = ratio.exp().nan_to_num(0.0).clamp(max=1)
    accepted = torch.rand_like(probability) < probability
    z = torch.where(accepted[..., None], new, z)
    return z, torch.where(accepted, new_log_lik, log_lik), probability
