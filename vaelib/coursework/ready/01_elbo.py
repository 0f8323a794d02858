import math

import torch
from torch.nn.functional import softplus


def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    return -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)


def gaussian_kl(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)


def sample(mean, log_var, k):
    noise = torch.randn(k, *mean.shape, dtype=mean.dtype, device=mean.device)
    return mean + (0.5 * log_var).exp() * noise


def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)


def log_bernoulli(x, logits):
    return (x * logits - softplus(logits)).sum(-1)
