"""The conditional VAE, a model of p(x|y)."""

import copy

import torch

from .checks import integer
from .models import VAE, gaussian


class ConditionalVAE(VAE):
    """A VAE of p(x|y) = ∫ p(z|y) p(x|z, y) dz (Sohn et al., 2015; eq-conditional).

    `model.given(y)`, y (B, C) such as one-hot labels, is a VAE of these B samples: objectives and
    evaluation take it like any other, as in `vl.elbo(model.given(y), x)`.
    encoder: x (B, D) and y, concatenated, -> (B, 2Q). decoder: z and y, concatenated, -> x.
    condition_dim: C.
    conditional_prior: y -> (B, 2Q), the mean and log_var of p(z|y); None: `prior`, whatever y is.
    Otherwise as `VAE`. ValueError: y of another shape, or none.
    """

    def __init__(
        self,
        encoder,
        decoder,
        latent_dim,
        condition_dim,
        likelihood="bernoulli",
        *,
        conditional_prior=None,
        **more,
    ):
        super().__init__(encoder, decoder, latent_dim, likelihood, **more)
        self.condition_dim = integer("ConditionalVAE", "condition_dim", condition_dim)
        self.conditional_prior, self._y = conditional_prior, None

    def given(self, y):
        """The model conditioned on y, (B, C), a VAE of B samples with the same parameters."""
        c, got = self.condition_dim, type(y).__name__
        if torch.is_tensor(y):
            got = f"{y.dtype} of shape {tuple(y.shape)}"
        if not torch.is_tensor(y) or not y.is_floating_point() or y.shape[1:] != (c,):
            raise ValueError(
                f"ConditionalVAE: y must be a tensor of floats, (B, {c}), such as one-hot labels, "
                f"torch.nn.functional.one_hot(labels, {c}).float(), got {got}."
            )
        new = copy.copy(self)
        new._y = y
        return new

    @property
    def y(self):
        """What the model is conditioned on, (B, C). ValueError: nothing."""
        if self._y is None:
            raise ValueError("ConditionalVAE: y is missing; use model.given(y).")
        return self._y

    @property
    def prior(self):
        """p(z|y), a distribution over codes, (B,) of them if they depend on y."""
        if self.conditional_prior is None:
            return self.prior_net()
        return gaussian(*self.conditional_prior(self.y).chunk(2, -1))

    def _inputs(self, x):
        x = super()._inputs(x)
        if x.dim() != 2 or len(x) != len(self.y):
            raise ValueError(
                f"VAE: x and y must have shapes (B, D) and (B, {self.condition_dim}), "
                f"got {tuple(x.shape)} and {tuple(self.y.shape)}."
            )
        return torch.cat([x, self.y], -1)

    def likelihood(self, z, x=None, y=None):
        """p(x|z, y), as `VAE.likelihood`, with the y of `given`. ValueError: y is passed again."""
        if y is not None:
            raise ValueError(
                "ConditionalVAE: y must be passed to given only, got it a second time."
            )
        return super().likelihood(z, x, self.y)

    def check_targets(self, x, where="data"):
        """ValueError unless the images x fit the model (as in `VAE`), and y has one row for each.

        Without a y, as in training, x alone is checked.
        """
        super().check_targets(x, where)
        if self._y is not None and len(self.y) != len(x):
            raise ValueError(
                f"{where}: y of given must have a row for each of the {len(x)} samples, "
                f"got {len(self.y)}."
            )

    def rows(self, at):
        """The model of the samples x[at]."""
        return self.given(self.y[at])

    def example(self):
        weight = next(self.parameters())
        return self.given(weight.new_zeros(1, self.condition_dim))
