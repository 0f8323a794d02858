"""One function an objective: a dict of terms, each (B,), to be maximised; "objective" is the one to climb."""

from torch.distributions import kl_divergence


def elbo(model, x, k=1, kl="analytic"):
    """The evidence lower bound of each sample, in nats: "objective" = "reconstruction" - "kl", each (B,).

    Equation eq-elbo of the book (chapter 2); Kingma & Welling (2014). k samples of q(z|x) are averaged.
    kl: "analytic", or "sampled" for a prior without a closed form. ValueError: k below 1, an unknown kl.
    """
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"elbo: k is {k!r}; allowed is a whole number of at least 1.")
    if kl not in ("analytic", "sampled"):
        raise ValueError(f'elbo: kl is {kl!r}; allowed are "analytic" and "sampled".')
    q, p = model.posterior(x), model.prior
    z = q.rsample((k,))
    reconstruction = model.likelihood(z, x).log_prob(x).mean(0)
    if kl == "sampled":
        divergence = (q.log_prob(z) - p.log_prob(z)).mean(0)
    else:
        try:
            divergence = kl_divergence(q, p)
        except NotImplementedError:
            raise ValueError('elbo: this prior has no closed-form KL; use kl="sampled".') from None
    return {"objective": reconstruction - divergence, "reconstruction": reconstruction, "kl": divergence}
