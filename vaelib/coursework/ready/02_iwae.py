import math

import torch
from torch.distributions import Independent, Normal


def log_weights(model, x, k):
    q = model.posterior(x)
    z = q.rsample((k,))
    return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)


def iwae_bound(log_w):
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


def staircase(log_w):
    sizes = [2**i for i in range(len(log_w).bit_length())]
    groups = [log_w.unflatten(0, (-1, size)) for size in sizes]
    return torch.stack(
        [(g.logsumexp(1) - math.log(size)).mean(0) for size, g in zip(sizes, groups, strict=True)]
    )


def effective_sample_size(log_w):
    return 1 / torch.softmax(log_w, 0).square().sum(0)


def surrogate(model, x, k, estimator):
    mean, log_var = model.encode(x)
    z = mean + (0.5 * log_var).exp() * torch.randn(k, *mean.shape, dtype=mean.dtype)
    if estimator != "standard":
        mean, log_var = mean.detach(), log_var.detach()
    q = Independent(Normal(mean, (0.5 * log_var).exp()), 1)
    log_w = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)
    if estimator == "dreg" and z.requires_grad:
        weights = torch.softmax(log_w.detach(), 0)[..., None]
        z.register_hook(lambda gradient: weights * gradient)
    return torch.logsumexp(log_w, 0) - math.log(k)


def estimate(model, x, samples, chunk=100):
    with torch.no_grad():
        sizes = [min(chunk, samples - done) for done in range(0, samples, chunk)]
        parts = [model.log_weights(x, size).double().logsumexp(0) for size in sizes]
        values = torch.stack(parts).logsumexp(0) - math.log(samples)
    return values.mean().item(), values.std().item() / math.sqrt(len(x))


def activity(model, x):
    with torch.no_grad():
        return model.encode(x)[0].var(0)
