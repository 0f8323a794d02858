"""The model: a prior p(z), a likelihood p(x|z) made by a decoder, a posterior q(z|x) made by an encoder."""

import math

import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal

LIKELIHOODS = ("bernoulli", "cross_entropy", "gaussian")


class Gaussian(Normal):
    """torch's Normal, with a reparameterized draw that `torch.func.vmap` accepts: its own fills a tensor in place."""

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self.loc + self.scale * torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)


def standard_normal(zero):
    """The prior N(0, I) over codes shaped like `zero`, (Q,), on its device."""
    return Independent(Gaussian(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)


class VAE(nn.Module):
    """A latent-variable model with an encoder (Kingma & Welling, 2014; equation eq-marginal of the book).

    encoder: x -> (B, 2Q), the mean and log_var of q(z|x) side by side.
    decoder: z -> the logits ("bernoulli") or the means ("gaussian"; with scale="head" means and log_std side by side).
    likelihood: "bernoulli" for binary x; "gaussian"; or "cross_entropy", the Bernoulli formula on grey x, which is no
        likelihood (chapter 3) and therefore has to be asked for by name.
    scale: the Gaussian's standard deviation: a number, "learned" (one for all pixels) or "head" (one for each pixel).
    scale_floor: added to a learned scale. prior: a function of a (Q,) zero tensor that returns a distribution.
    ValueError: an unknown likelihood or scale, a negative floor, an encoder or decoder whose output does not fit.
    """

    def __init__(self, encoder, decoder, latent_dim, likelihood="bernoulli", *, scale=1.0, scale_floor=0.0,
                 prior=standard_normal):  # fmt: skip
        super().__init__()
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"VAE: likelihood is {likelihood!r}; allowed are {', '.join(LIKELIHOODS)}.")
        fixed = isinstance(scale, (int, float))
        if not (scale in ("learned", "head") or (fixed and scale > 0 and math.isfinite(scale))):
            raise ValueError(f'VAE: scale is {scale!r}; allowed are a positive number, "learned" or "head".')
        if not 0 <= scale_floor < math.inf:
            raise ValueError(f"VAE: scale_floor is {scale_floor!r}; allowed is a number of at least 0.")
        self.encoder, self.decoder, self.latent_dim = encoder, decoder, latent_dim
        self.likelihood_name, self.scale, self.scale_floor = likelihood, scale, scale_floor
        if likelihood == "gaussian" and scale == "learned":
            self.log_scale = nn.Parameter(torch.zeros(()))
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)
        self._prior = prior

    @property
    def prior(self):
        """p(z), a distribution over codes (Q,)."""
        return self._prior(self.zero)

    def encode(self, x):
        """The mean and log_var of q(z|x), each (B, Q). ValueError: images of a shape that the encoder does not take."""
        try:
            out = self.encoder(x)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if "shape" not in str(error) and "size" not in str(error):
                raise
            shape = tuple(x.shape)
            raise ValueError(f"VAE: x has shape {shape}, which the encoder does not take ({error}).") from None
        if out.shape[-1] != 2 * self.latent_dim:
            raise ValueError(
                f"VAE: the encoder returned shape {tuple(out.shape)}; with latent_dim={self.latent_dim} its last "
                f"dimension must be {2 * self.latent_dim} (mean and log_var side by side)."
            )
        return out.chunk(2, -1)

    def posterior(self, x):
        """q(z|x), a distribution over codes, batch (B,), event (Q,)."""
        mean, log_var = self.encode(x)
        return Independent(Gaussian(mean, (0.5 * log_var).exp(), validate_args=False), 1, validate_args=False)

    def likelihood(self, z, x=None, y=None):
        """p(x|z), a distribution over x, for codes z (..., Q).

        x, where given, is only compared in shape, so that nothing is broadcast by accident (a decoder that reads the
        image itself may use it); y, (B, C), is put beside the code: the decoder then takes Q + C numbers.
        """
        if y is not None:
            z = torch.cat([z, y.expand(*z.shape[:-1], -1)], -1)
        out = self.decoder(z.reshape(-1, z.shape[-1])).unflatten(0, z.shape[:-1])
        event = out.dim() - z.dim() + 1
        if self.likelihood_name != "gaussian":
            distribution = Bernoulli(logits=out, validate_args=False)
        else:
            mean, log_std = out.chunk(2, -1) if self.scale == "head" else (out, None)
            distribution = Normal(mean, self._std(mean, log_std), validate_args=False)
        if x is not None and x.shape[1:] != distribution.batch_shape[z.dim() - 1 :]:
            raise ValueError(
                f"VAE: x has shape {tuple(x.shape)}; the decoder makes samples of shape "
                f"(B, {', '.join(map(str, distribution.batch_shape[z.dim() - 1 :]))})."
            )
        return Independent(distribution, event, validate_args=False)

    def _std(self, mean, log_std):
        if self.scale == "head":
            return log_std.exp() + self.scale_floor
        if self.scale == "learned":
            return (self.log_scale.exp() + self.scale_floor).expand_as(mean)
        return torch.full((), float(self.scale), dtype=mean.dtype, device=mean.device).expand_as(mean)

    def log_weights(self, x, k, y=None):
        """log p(x, z) - log q(z|x) for k samples z of q(z|x), (k, B): equation eq-log-weight of the book, chapter 2."""
        q = self.posterior(x)
        z = q.rsample((k,))
        return self.likelihood(z, x, y).log_prob(x) + self.prior.log_prob(z) - q.log_prob(z)

    def check_targets(self, x):
        """ValueError unless every value of x is one that this model's likelihood can be asked about."""
        if not torch.is_tensor(x) or not x.is_floating_point() or x.dim() < 2:
            what = f"{x.dtype} of shape {tuple(x.shape)}" if torch.is_tensor(x) else type(x).__name__
            raise ValueError(f"data: got {what}; allowed is a floating-point tensor of shape (N, ...).")
        if x.numel() == 0:
            raise ValueError(f"data: shape {tuple(x.shape)} is empty; at least one sample is needed.")
        low, high = x.min().item(), x.max().item()
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"data: found {high if math.isfinite(low) else low}; every value must be finite.")
        if self.likelihood_name == "gaussian":
            return
        if low < 0 or high > 1:
            raise ValueError(
                f"data: values run from {low:g} to {high:g}; "
                f"likelihood={self.likelihood_name!r} allows values in [0, 1]."
            )
        if self.likelihood_name == "bernoulli" and bool(((x != 0) & (x != 1)).any()):
            grey = x[(x != 0) & (x != 1)][0].item()
            raise ValueError(
                f'data: found the grey value {grey:g}; likelihood="bernoulli" allows 0 and 1 only. Binarize it '
                '(transform=vl.binarize), or ask for likelihood="cross_entropy" by name.'
            )
