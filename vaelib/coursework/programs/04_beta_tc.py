"""The two losses of a FactorVAE. A critic gives codes (B, Q) one logit each, (B,)."""

import torch
from torch.nn.functional import logsigmoid


def shuffled(z):
    """Each coordinate shuffled over the batch on its own: independent coordinates."""
    orders = [torch.randperm(len(z)) for _ in z.T]  #! orders = [torch.randperm(len(z))] * len(z.T)
    return torch.stack([z[order, j] for j, order in enumerate(orders)], 1)


def critic_loss(critic, z):
    """What the critic minimises: it tells codes (a high logit) from shuffled codes."""
    z = z.detach()  #! z = z.clone()
    #! or +1: joint, made = critic(z.detach()), critic(shuffled(z.detach()))
    joint, made = critic(z), critic(shuffled(z))  #! made, joint = critic(z), critic(shuffled(z))
    #! or +1: return -0.5 * (logsigmoid(made) + logsigmoid(-joint)).mean()
    return -0.5 * (logsigmoid(joint) + logsigmoid(-made)).mean()


def total_correlation(critic, z):
    """The mean of log q(z) - log prod_j q(z_j), from the critic's logits."""
    logits = critic(z)  #! logits = logsigmoid(critic(z))
    #! or +1: return (logits - logsigmoid(-critic(z))).mean()
    return logits.mean()  #! return logits.clamp(min=0).mean()


def vae_loss(reconstruction, kl, tc, gamma):
    """What encoder and decoder minimise: -(ELBO - gamma TC); reconstruction, kl: (B,)."""
    elbo = (reconstruction - kl).mean()  #! elbo = (reconstruction - gamma * kl).mean()
    return gamma * tc - elbo  #! return gamma * tc.detach() - elbo
