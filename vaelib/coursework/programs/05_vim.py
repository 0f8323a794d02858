import math

import torch

LOG_2PI, NONE = math.log(2 * math.pi), torch.zeros(1)


def log_normal(z, mean, log_var):
    """log N(z; mean, exp(log_var)), coordinate by coordinate."""
    squares = (z - mean) ** 2 / log_var.exp()
    return -0.5 * (squares + log_var + LOG_2PI)  #! return -0.5 * (squares + LOG_2PI)
    #! or -1: squares = (z - mean) ** 2 / log_var.exp() + log_var


def log_mean(values):
    """The logarithm of the mean of exp(values) over dimension 1."""
    return values.logsumexp(1) - math.log(values.shape[1])


def surgery(mean, log_var, draws=1, seed=0, batch=100):
    """The averages "kl", "information" and "mismatch", from `draws` codes a picture."""
    generator, rows = torch.Generator().manual_seed(seed), []
    for _ in range(draws):
        shape = mean.shape  #! shape = len(mean), 1
        noise = torch.randn(shape, generator=generator)
        codes = mean + (0.5 * log_var).exp() * noise  #! codes = mean + log_var.exp() * noise
        for i in range(0, len(mean), batch):  # so many codes at a time, to save memory
            z, m, v = (part[i : i + batch] for part in (codes, mean, log_var))
            own = log_normal(z, m, v).sum(1)
            prior = log_normal(z, NONE, NONE).sum(1)  #! prior = log_normal(m, NONE, NONE).sum(1)
            every = log_normal(z[:, None], mean, log_var)  #! every = log_normal(z[:, None], m, v)
            mixture = log_mean(every.sum(2))  #! mixture = log_mean(every).sum(1)
            #! or -1: every = log_normal(z[:, None], mean, log_var).sum(2, keepdim=True)
            rows.append(torch.stack([own - prior, own - mixture, mixture - prior]))
    names = "kl", "information", "mismatch"
    return dict(zip(names, torch.cat(rows, 1).mean(1).tolist(), strict=True))
