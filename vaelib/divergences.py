"""Divergences between distributions, in nats."""


def gaussian_kl(mean, log_var):
    """KL( N(mean, exp(log_var)) ‖ N(0, I) ) of diagonal Gaussians, (B, Q), (B, Q) -> (B,), in nats.

    Equation eq-gaussian-kl of the book (chapter 2); Kingma & Welling (2014), appendix B.
    ValueError: the two shapes differ.
    """
    if mean.shape != log_var.shape:
        raise ValueError(
            f"gaussian_kl: mean has shape {tuple(mean.shape)} and log_var {tuple(log_var.shape)}; they must agree."
        )
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
