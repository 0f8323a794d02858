"""Models for the adversarial games of chapter 5: encoders without a density, and with classes."""

import torch
from torch import nn

from .checks import integer
from .models import VAE


class ImplicitVAE(VAE):
    """A VAE whose encoder has no density: z is a function of x, or of x and noise (eq-implicit).

    Makhzani et al. (2016).
    encoder: x -> (B, Q), or with noise_dim = d > 0, x and d standard normal numbers, concatenated,
        -> (B, Q). It can be sampled but has no density, so the KL and the log-weights are
        undefined.
    Otherwise as `VAE`.
    """

    def __init__(
        self, encoder, decoder, latent_dim, likelihood="bernoulli", *, noise_dim=0, **more
    ):
        super().__init__(encoder, decoder, latent_dim, likelihood, **more)
        self.noise_dim = noise_dim

    def draw(self, x, k):
        """k codes of each image, (k, B, Q), and None, since there is no posterior."""
        x = self._inputs(x)
        if not self.noise_dim:
            return self.encoder(x).expand(k, -1, -1), None
        noise = torch.randn(k, len(x), self.noise_dim, dtype=x.dtype, device=x.device)
        return self.encoder(torch.cat([x.expand(k, *x.shape), noise], -1)), None

    def encode(self, x):
        raise ValueError(
            "ImplicitVAE: this encoder has no mean and log_var; use draw(x, k) for its codes."
        )


class ClassAAE(VAE):
    """An autoencoder whose encoder returns class logits and a style (eq-aae-classes).

    Makhzani et al. (2016).
    encoder: x -> (B, K + Q), the logits of K classes and the style, concatenated.
    decoder: (B, K + Q) -> x, or with heads=True (B, Q) -> x: each class then has a point of the
        plane (Q numbers), and the code is ŷ · heads + z.
    noise: standard deviation of the Gaussian noise added to the encoder's input in train mode.
    distance: heads that are closer repel each other.
    The two discriminators, (B, Q) and (B, K) to a logit, belong to the model.
    """

    def __init__(
        self,
        encoder,
        decoder,
        classes,
        latent_dim,
        discriminator,
        class_discriminator,
        likelihood="bernoulli",
        *,
        heads=False,
        noise=0.0,
        distance=2.0,
        **more,
    ):
        super().__init__(encoder, decoder, latent_dim, likelihood, **more)
        integer("ClassAAE", "classes", classes, least=2)
        self.classes, self.noise, self.distance = classes, noise, distance
        self.discriminator, self.class_discriminator = discriminator, class_discriminator
        self.heads = nn.Parameter(distance * torch.randn(classes, latent_dim)) if heads else None

    def head_parameters(self):
        return [] if self.heads is None else [self.heads]

    def encode(self, x):
        """The logits of the classes, (B, K), and the style, (B, Q)."""
        x = self._inputs(x)
        if self.training and self.noise:
            x = x + self.noise * torch.randn_like(x)
        out = self.encoder(x)
        return out[..., : self.classes], out[..., self.classes :]

    def draw(self, x, k):
        """The decoder's input, (k, B, ...), the same k times, and None: there is no posterior."""
        y, z = self.encode(x)
        return self.code(y.softmax(-1), z).expand(k, *([-1] * z.dim())), None

    def code(self, y, z):
        """The decoder's input for class probabilities y and style z."""
        return torch.cat([y, z], -1) if self.heads is None else y @ self.heads + z

    def decode(self, y, z, x=None):
        """p(x | y, z), a distribution over x; x is for its shape, as in `likelihood`."""
        return self.likelihood(self.code(y, z), x)

    def overlap(self):
        """Σ over pairs of heads of max(0, distance - |c_i - c_j|), 0-d."""
        i, j = torch.triu_indices(self.classes, self.classes, 1, device=self.heads.device)
        apart = ((self.heads[i] - self.heads[j]) ** 2).sum(-1).clamp(min=1e-12).sqrt()
        return (self.distance - apart).clamp(min=0).sum()
