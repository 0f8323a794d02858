"""The model: prior p(z), likelihood p(x|z) of a decoder, posterior q(z|x) of an encoder."""

import math

import torch
from torch import nn
from torch.distributions import Independent
from torch.func import functional_call

from .checks import integer
from .likelihoods import named
from .priors import Gaussian, as_module, standard_normal
from .probes import without_a_trace


class VAE(nn.Module):
    """A latent-variable model with an encoder (Kingma & Welling, 2014; eq-marginal).

    encoder: x -> (B, 2Q), the mean and log_var of q(z|x), concatenated.
    decoder: z -> the logits ("bernoulli") or the means ("gaussian"; with scale="head" means and
        log_std, concatenated), or the numbers that another likelihood wants.
    likelihood: "bernoulli" for binary x; "gaussian"; "cross_entropy", the Bernoulli formula on
        grey x, which is no likelihood (chapter 3) and therefore has to be asked for by name; or one
        of `vl.likelihoods`, such as `vl.Mixed`.
    scale: the Gaussian's standard deviation: a number, "learned" (one for all pixels) or "head"
        (one for each pixel).
    scale_floor: added to a learned scale.
    prior: a module that returns the distribution over codes (Q,) when it is called, or a function
        that makes one from latent_dim, such as `vl.standard_normal`, or a torch distribution. A
        prior module with parameters is trained with the model.
    ValueError: an unknown likelihood or scale, a negative floor, an encoder or decoder whose output
        does not fit.
    """

    def __init__(
        self,
        encoder,
        decoder,
        latent_dim,
        likelihood="bernoulli",
        *,
        scale=1.0,
        scale_floor=0.0,
        prior=standard_normal,
    ):
        super().__init__()
        self.likelihood_net = named(likelihood, scale, scale_floor)
        self.encoder, self.decoder = encoder, decoder
        self.latent_dim = integer("VAE", "latent_dim", latent_dim)
        self.prior_net = as_module(prior, latent_dim)

    @property
    def log_scale(self):
        """The logarithm of the learned scale of a Gaussian likelihood, a parameter."""
        return self.likelihood_net.log_scale

    @property
    def prior(self):
        """p(z), a distribution over codes (Q,)."""
        return self.prior_net()

    def encode(self, x):
        """The mean and log_var of q(z|x), each (B, Q).

        ValueError: an encoder that returns something else.
        """
        try:
            out = self.encoder(self._inputs(x))
        except RuntimeError as error:
            error.add_note(f"VAE: the encoder was given x of shape {tuple(x.shape)}.")
            raise
        pair = tuple(out) if isinstance(out, (tuple, list)) else out.chunk(2, -1)
        if len(pair) != 2 or any(part.shape[-1] != self.latent_dim for part in pair):
            got = " and ".join(
                str(tuple(part.shape)) for part in ([out] if torch.is_tensor(out) else pair)
            )
            raise ValueError(
                f"VAE: with latent_dim={self.latent_dim} the encoder must return mean and log_var, "
                f"concatenated in a tensor of width {2 * self.latent_dim} "
                f"or as a pair, got shape {got}."
            )
        return pair

    def _inputs(self, x):
        return self.likelihood_net.inputs(x)

    @property
    def missing(self):
        """Whether NaN in x is allowed and means "not observed" (`vl.Mixed`)."""
        return self.likelihood_net.missing

    def posterior(self, x):
        """q(z|x), a distribution over codes, batch (B,), event (Q,)."""
        return gaussian(*self.encode(x))

    def rows(self, at):
        """The model of the samples x[at]: itself, unless it is given something for each sample."""
        return self

    def likelihood(self, z, x=None, y=None):
        """p(x|z), a distribution over x, for codes z (..., Q).

        x, if given, is compared in shape only, so that nothing is broadcast by accident; y, (B, C),
        is concatenated to the code: the decoder then takes Q + C numbers.
        """
        if y is not None:
            z = torch.cat([z, y.expand(*z.shape[:-1], -1)], -1)
        out = self.decoder(z.reshape(-1, z.shape[-1]))
        if not torch.is_tensor(out):
            raise ValueError(f"VAE: the decoder must return a tensor, got {type(out).__name__}.")
        out = out.reshape(*z.shape[:-1], *out.shape[1:])
        distribution = self.likelihood_net(out)
        event = distribution.batch_shape[z.dim() - 1 :]
        if x is not None and x.shape[1:] != event:
            raise ValueError(
                f"VAE: x has shape {tuple(x.shape)}; the decoder makes samples of shape "
                f"(B, {', '.join(map(str, event))})."
            )
        return self.likelihood_net.join(distribution, len(event), validate_args=False)

    def draw(self, x, k):
        """k reparameterized codes z of q(z|x), (k, B, Q), and q(z|x) itself."""
        q = self.posterior(x)
        return q.rsample((k,)), q

    def log_terms(self, x, z, q, score=True, y=None):
        """log p(x|z) and log p(z) - log q(z|x) at codes z of `draw`, each (k, B).

        score=False detaches q's parameters inside log q: its gradient then reaches the encoder
        through z only.
        """
        if q is None:
            raise ValueError(
                f"{type(self).__name__}: there are no log-weights, as q(z|x) has no density."
            )
        q = q if score else _fixed(q)
        return self.likelihood(z, x, y).log_prob(x), self.prior.log_prob(z) - q.log_prob(z)

    def log_weights(self, x, k, y=None):
        """log p(x, z) - log q(z|x) for k samples z of q(z|x), (k, B).

        Equation eq-log-weight of the book (chapter 2).
        """
        return sum(self.log_terms(x, *self.draw(x, k), y=y))

    def check_targets(self, x, where="data"):
        """ValueError unless this model can be trained and evaluated on the images x, a tensor."""
        if not torch.is_tensor(x) or not x.is_floating_point() or x.dim() < 2:
            what = (
                f"{x.dtype} of shape {tuple(x.shape)}" if torch.is_tensor(x) else type(x).__name__
            )
            raise ValueError(
                f"{where}: images must be a floating-point tensor of shape (N, ...), got {what}."
            )
        if x.numel() == 0:
            raise ValueError(
                f"{where}: there must be at least one image, got shape {tuple(x.shape)}."
            )
        dtype = next((p.dtype for p in self.parameters()), x.dtype)
        if x.dtype != dtype:
            call = {torch.float32: "float()", torch.float64: "double()"}.get(dtype, f"to({dtype})")
            raise ValueError(
                f"{where}: the model is {dtype}, so images must be, got {x.dtype}; use .{call}."
            )
        values = x[~x.isnan()] if self.missing else x
        if len(values):
            low, high = values.min().item(), values.max().item()
            if not (math.isfinite(low) and math.isfinite(high)):
                odd = high if math.isfinite(low) else low
                hint = " (NaN as missing: vl.Mixed(..., missing=True))" if math.isnan(odd) else ""
                raise ValueError(f"{where}: every value must be finite, got {odd}{hint}.")
        self.likelihood_net.check(x, where)
        self._check_shape(x[:1], where)

    def _check_shape(self, x, where):
        with without_a_trace(self), torch.no_grad():
            self.eval()
            try:
                self.example().draw(x, 1)
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, TypeError, ValueError) as error:
                if (message := str(error)).startswith("VAE: "):  # our own sentence says enough
                    raise ValueError(f"{where}: {message.removeprefix('VAE: ')}") from None
                shape = tuple(x.shape[1:])
                raise ValueError(
                    f"{where}: the encoder must take images of shape {shape}, but fails: {error}"
                ) from error

    def example(self):
        """The model of a single sample, of which only the shape matters: itself."""
        return self

    def label_inputs(self):
        """The number of label inputs of the discriminator (0 without one)."""
        layers = self.discriminator.modules() if hasattr(self, "discriminator") else ()
        inputs = next((m.in_features for m in layers if isinstance(m, nn.Linear)), 0)
        return max(0, inputs - self.latent_dim)

    def check_labels(self, labels, where="data"):
        """ValueError unless the integer labels are 0 to K - 1, if the model has K classes."""
        classes = getattr(self, "classes", None) or self.label_inputs()
        low, high = labels.min().item(), labels.max().item()
        if classes and (low < 0 or high >= classes):
            raise ValueError(
                f"{where}: labels must lie in 0 to {classes - 1}, got {low} to {high}."
            )


class TwoLayerVAE(VAE):
    """A VAE with two stochastic layers, z1 below z2 (Burda et al., 2016; eq-two-layers).

    p(z2) = N(0, I), p(z1|z2) a diagonal Gaussian made by decoder2, p(x|z1) Bernoulli made by the
    decoder; q(z1|x) made by the encoder, q(z2|z1) by encoder2. Each net for a Gaussian returns mean
    and log_var, concatenated.
    latent_dims: (Q1, Q2). ValueError: nets whose outputs do not fit.
    """

    def __init__(self, encoder, encoder2, decoder2, decoder, latent_dims, likelihood="bernoulli"):
        super().__init__(encoder, decoder, latent_dims[0], likelihood)
        self.encoder2, self.decoder2, self.latent_dims = encoder2, decoder2, tuple(latent_dims)
        self.prior_net = standard_normal(latent_dims[1])
        for name, net, n_in, n_out in (("encoder2", encoder2, 0, 1), ("decoder2", decoder2, 1, 0)):
            weight = next(net.parameters(), torch.zeros(()))
            with without_a_trace(net), torch.no_grad():
                net.eval()
                got = net(weight.new_zeros(1, latent_dims[n_in])).shape[-1]
            if got != 2 * latent_dims[n_out]:
                raise ValueError(
                    f"TwoLayerVAE: {name} returned {got} numbers; "
                    f"with latent_dims={self.latent_dims} it must return {2 * latent_dims[n_out]} "
                    "(mean and log_var, concatenated)."
                )

    def posterior2(self, z1, score=True):
        """q(z2|z1); with score=False its net is detached, so that a gradient reaches z1 only."""
        if score:
            return gaussian(*self.encoder2(z1).chunk(2, -1))
        fixed = {name: p.detach() for name, p in self.encoder2.named_parameters()}
        return gaussian(*functional_call(self.encoder2, fixed, (z1,)).chunk(2, -1))

    def draw(self, x, k):
        """k reparameterized pairs of codes, ((k, B, Q1), (k, B, Q2)), and q(z1|x), q(z2|z1)."""
        q1 = self.posterior(x)
        z1 = q1.rsample((k,))
        q2 = self.posterior2(z1)
        return (z1, q2.rsample()), (q1, q2)

    def log_terms(self, x, z, q, score=True, y=None):
        """log p(x|z1) and log p(z1|z2) p(z2) - log q(z1|x) q(z2|z1), each (k, B).

        As `VAE.log_terms`.
        """
        (z1, z2), (q1, q2) = z, q
        if not score:
            q1, q2 = _fixed(q1), self.posterior2(z1, score=False)
        prior = self.prior.log_prob(z2) + gaussian(*self.decoder2(z2).chunk(2, -1)).log_prob(z1)
        return self.likelihood(z1, x, y).log_prob(x), prior - q1.log_prob(z1) - q2.log_prob(z2)


def gaussian(mean, log_var):
    """A diagonal Gaussian."""
    return Independent(
        Gaussian(mean, (0.5 * log_var).exp(), validate_args=False), 1, validate_args=False
    )


def _fixed(q):
    """The same diagonal Gaussian, with parameters that no gradient reaches."""
    base = Gaussian(q.base_dist.loc.detach(), q.base_dist.scale.detach(), validate_args=False)
    return Independent(base, 1, validate_args=False)
