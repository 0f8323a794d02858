"""Linear-Gaussian models: every quantity of them is known in closed form."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal

from .conditional import ConditionalVAE
from .models import VAE


@dataclass(frozen=True)
class LinearGaussian:
    """z ~ N(0, I), x|z ~ N(weight z + mean, variance I): probabilistic PCA (eq-ppca).

    weight (D, Q), mean (D,), variance a number. Everything about it is exact; Tipping & Bishop
    (1999).
    """

    weight: torch.Tensor
    mean: torch.Tensor
    variance: float

    @classmethod
    def fit(cls, x, latent_dim):
        """The maximum-likelihood model of x, (N, D), axes along principal directions (eq-ppca-ml).

        ValueError: latent_dim outside 1 to D - 1, or no variance left for the noise.
        """
        n, d = x.shape
        if not 1 <= latent_dim < d:
            raise ValueError(
                f"LinearGaussian.fit: latent_dim must be 1 to {d - 1}, got {latent_dim}."
            )
        mean = x.mean(0)
        values, vectors = torch.linalg.eigh(((x - mean).T @ (x - mean) / n).double())
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        variance = values[latent_dim:].mean().item()
        if variance <= 0:
            raise ValueError(
                f"LinearGaussian.fit: {latent_dim} directions leave no variance in x; use fewer."
            )
        weight = vectors[:, :latent_dim] * (values[:latent_dim] - variance).clamp(min=0).sqrt()
        return cls(weight.to(x.dtype), mean, variance)

    def marginal(self):
        """p(x), a distribution: N(mean, weight weightᵀ + variance I)."""
        return LowRankMultivariateNormal(
            self.mean, self.weight, torch.full_like(self.mean, self.variance)
        )

    def log_likelihood(self, x):
        """log p(x), (N, D) -> (N,), exact, in nats."""
        return self.marginal().log_prob(x)

    def posterior(self, x):
        """p(z|x), a batch (N,): N(M⁻¹Wᵀ(x - mean), variance M⁻¹) (eq-ppca-posterior).

        M = WᵀW + variance I, W the weight.
        """
        m = self.weight.T @ self.weight + self.variance * torch.eye(
            self.weight.shape[1], dtype=self.weight.dtype
        )
        inverse = torch.linalg.inv(m)
        return MultivariateNormal((x - self.mean) @ self.weight @ inverse, self.variance * inverse)

    def elbo(self, x, mean, log_var):
        """The ELBO of q = N(mean, exp(log_var)), (N, D), (N, Q), (N, Q) -> (N,) (eq-elbo).

        Exact, in nats.
        """
        error = ((x - self.mean - mean @ self.weight.T) ** 2).sum(-1) + log_var.exp() @ (
            self.weight**2
        ).sum(0)
        reconstruction = -0.5 * (
            error / self.variance + x.shape[1] * math.log(2 * math.pi * self.variance)
        )
        return reconstruction - 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)

    def vae(self):
        """The same model as a VAE, its encoder at the best diagonal Gaussian posterior."""
        d, q = self.weight.shape
        posterior = self.posterior(self.mean[None])
        precision = torch.linalg.inv(posterior.covariance_matrix[0]).diagonal()
        encoder = nn.Linear(d, 2 * q, dtype=self.weight.dtype)
        decoder = nn.Linear(q, d, dtype=self.weight.dtype)
        to_code = self.weight @ posterior.covariance_matrix[0] / self.variance
        with torch.no_grad():
            encoder.weight.copy_(torch.cat([to_code.T, torch.zeros(q, d)]))
            encoder.bias.copy_(torch.cat([-self.mean @ to_code, -precision.log()]))
            decoder.weight.copy_(self.weight)
            decoder.bias.copy_(self.mean)
        return VAE(encoder, decoder, q, "gaussian", scale=math.sqrt(self.variance)).to(
            self.weight.dtype
        )


@dataclass(frozen=True)
class ConditionalLinearGaussian:
    """z|y ~ N(prior_weight y, I), x|z, y ~ N(weight z + shift y + mean, variance I).

    weight (D, Q), shift (D, C), prior_weight (Q, C), mean (D,), variance a number
    (eq-conditional-linear). For given y, u = z - prior_weight y is the code of a `LinearGaussian`,
    so that everything is exact.
    """

    weight: torch.Tensor
    shift: torch.Tensor
    prior_weight: torch.Tensor
    mean: torch.Tensor
    variance: float

    def given(self, y):
        """The `LinearGaussian` of x and u for y, (N, C); its mean is (N, D)."""
        mean = self.mean + y @ (self.shift + self.weight @ self.prior_weight).T
        return LinearGaussian(self.weight, mean, self.variance)

    def log_likelihood(self, x, y):
        """log p(x|y), (N, D), (N, C) -> (N,), exact, in nats."""
        return self.given(y).log_likelihood(x)

    def elbo(self, x, y, mean, log_var):
        """The bound of q(z|x, y) = N(mean, exp(log_var)) on log p(x|y), (N,), exact, in nats."""
        return self.given(y).elbo(x, mean - y @ self.prior_weight.T, log_var)

    def vae(self):
        """The same model as a ConditionalVAE, its encoder at the best diagonal Gaussian."""
        (d, q), c = self.weight.shape, self.shift.shape[1]
        posterior = LinearGaussian(self.weight, self.mean, self.variance).posterior(self.mean[None])
        covariance = posterior.covariance_matrix[0]
        to_code = covariance @ self.weight.T / self.variance  # (Q, D), from x - E[x|y]
        of_y = self.prior_weight - to_code @ (self.shift + self.weight @ self.prior_weight)
        log_var = -torch.linalg.inv(covariance).diagonal().log()
        sizes = {"encoder": (d + c, 2 * q), "decoder": (q + c, d), "prior": (c, 2 * q)}
        nets = {name: nn.Linear(*size, dtype=self.weight.dtype) for name, size in sizes.items()}
        zeros = torch.zeros(q, d + c, dtype=self.weight.dtype)
        with torch.no_grad():
            nets["encoder"].weight.copy_(torch.cat([torch.cat([to_code, of_y], 1), zeros]))
            nets["encoder"].bias.copy_(torch.cat([-to_code @ self.mean, log_var]))
            nets["decoder"].weight.copy_(torch.cat([self.weight, self.shift], 1))
            nets["decoder"].bias.copy_(self.mean)
            nets["prior"].weight.copy_(torch.cat([self.prior_weight, zeros[:, :c]]))
            nets["prior"].bias.zero_()
        return ConditionalVAE(
            nets["encoder"],
            nets["decoder"],
            q,
            c,
            "gaussian",
            scale=math.sqrt(self.variance),
            conditional_prior=nets["prior"],
        ).to(self.weight.dtype)
