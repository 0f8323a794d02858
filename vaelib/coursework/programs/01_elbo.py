import math

import torch


def log_normal(z, mean, log_var):
    """log N(z; mean, diag(exp(log_var))) in nats, (..., Q) -> (...)."""
    squares = (z - mean) ** 2 / log_var.exp()
    constant = z.shape[-1] * math.log(2 * math.pi)  #! constant = math.log(2 * math.pi)
    #! or +1: return -0.5 * (squares + log_var + constant).sum(-1)
    return -0.5 * ((squares + log_var).sum(-1) + constant)


def bounds(x, encode, decode, noise, k):
    """The ELBO of each image from k codes, in nats, (B, D) -> (B,)."""
    mean, log_var = encode(x).chunk(2, -1)  #! log_var, mean = encode(x).chunk(2, -1)
    z = mean + (0.5 * log_var).exp() * torch.randn(k, *mean.shape).to(mean)
    log_q = log_normal(z, mean, log_var)  #! log_q = log_normal(z.detach(), mean, log_var)
    log_prior = log_normal(z, torch.zeros_like(z), torch.zeros_like(z))
    fit = log_normal(x, decode(z), noise)  #! fit = log_normal(x, decode(mean), noise)
    log_w = fit + log_prior - log_q
    return log_w.mean(0)  #! return log_w.logsumexp(0) - math.log(k)


def average_bound(data, encode, decode, noise, k=1, size=100):
    """The ELBO, averaged over all images (N, D), from batches of at most `size`."""
    values = [bounds(x, encode, decode, noise, k) for x in data.split(size)]
    return torch.cat(values).mean()  #! return torch.stack([v.mean() for v in values]).mean()
    #! or -1: values = [v for x in data.split(size) for v in bounds(x, encode, decode, noise, k)]
