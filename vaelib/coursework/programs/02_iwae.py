import torch


def weighted_codes(model, x, k):
    """k codes of each image from q(z|x), (k, B, Q), and their normalised weights, (k, B)."""
    z, q = model.draw(x, k)
    log_lik, log_ratio = model.log_terms(x, z, q)  # log p(x|z), log p(z) - log q(z|x)
    log_w = log_lik + log_ratio  #! log_w = log_lik
    #! or +1: return z, torch.softmax(log_w + log_ratio, 0)
    return z, torch.softmax(log_w, 0)  #! return z, torch.softmax(-log_w, 0)


def posterior_moments(model, x, k):
    """Estimates of E[z|x] and Var[z|x] from k codes of each image, each (B, Q)."""
    z, weights = weighted_codes(model, x, k)
    mean = torch.einsum("kb,kbq->bq", weights, z)
    squares = (z - mean) ** 2  #! squares = (z - z.mean(0)) ** 2
    return mean, torch.einsum("kb,kbq->bq", weights, squares)


def mean_and_error(model, x, k):
    """The estimate of E[z|x] from k codes and its standard error, each (B, Q)."""
    z, weights = weighted_codes(model, x, k)
    mean = torch.einsum("kb,kbq->bq", weights, z)
    factors = weights**2  #! factors = weights / k
    variance = torch.einsum("kb,kbq->bq", factors, (z - mean) ** 2)
    return mean, variance.sqrt()  #! return mean, (variance / k).sqrt()
    #! or -2: factors = k * weights**2
    #! or -1: variance = k * torch.einsum("kb,kbq->bq", factors, (z - mean) ** 2)


def resampled(model, x, k, n):
    """n codes of each image, (n, B, Q), drawn from k codes by their weights."""
    z, weights = weighted_codes(model, x, k)
    at = torch.multinomial(weights.T, n, replacement=True)  #! at = torch.multinomial(weights.T, n)
    at = at.T[..., None].expand(-1, -1, z.shape[-1])
    return z.gather(0, at)  #! return z[at[..., 0], 0]
