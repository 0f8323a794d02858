import math

import torch
from torch.nn.functional import softplus


def gaussian_kernel(x, y, bandwidth):
    squared = ((x[:, None] - y) ** 2).sum(-1)
    return torch.exp(-squared / (2 * bandwidth**2))


def mmd(x, y, kernel, unbiased=True):
    def within(z):
        k, n = kernel(z, z), len(z)
        return (k.sum() - k.trace()) / (n * (n - 1)) if unbiased else k.mean()

    return within(x) + within(y) - 2 * kernel(x, y).mean()


def permutation_test(x, y, statistic, permutations):
    pool, observed, count = torch.cat([x, y]), float(statistic(x, y)), 0
    for _ in range(permutations):
        dealt = pool[torch.randperm(len(pool))]
        count += float(statistic(dealt[: len(x)], dealt[len(x) :])) >= observed
    return (1 + count) / (1 + permutations)


def optimal_logit(z, mean, std):
    return (0.5 * ((z - mean) / std) ** 2 - 0.5 * z**2 + torch.log(std)).sum(-1)


def jensen_shannon(on_draws, on_codes):
    return math.log(2) - 0.5 * (softplus(-on_draws).mean() + softplus(on_codes).mean())


def discriminator_loss(model, x):
    codes, draws = model.draw(x, 1)[0][0].detach(), model.prior.rsample((len(x),))
    on_draws, on_codes = model.discriminator(draws), model.discriminator(codes)
    return softplus(-on_draws).mean() + softplus(on_codes).mean()


def encoder_loss(model, x):
    return softplus(-model.discriminator(model.draw(x, 1)[0][0])).mean()


def play(model, x, turns):
    losses = []
    for optimizer, loss in turns:
        optimizer.zero_grad()
        value = loss(model, x)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def info_vae_prices(alpha, lam):
    kl, divergence = 1 - alpha, alpha + lam - 1
    if divergence < -1e-9:
        raise ValueError(f"alpha={alpha}, lam={lam} would reward a mismatch.")
    return {"kl": kl, "divergence": divergence, "information": kl, "mismatch": kl + divergence}


def member_with(kl, divergence):
    return 1 - kl, kl + divergence
