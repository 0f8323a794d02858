"""Other answers to assignment 2: common mistakes, and right answers written differently."""

SURROGATE = """
def surrogate(model, x, k, estimator):
    mean, log_var = model.encode(x)
    z = gaussian(mean, log_var).rsample((k,))
    if estimator != "standard":
        mean, log_var = mean.detach(), log_var.detach()
    q = gaussian(mean, log_var)

    def log_weight(z):
        log_joint = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z)
        return log_joint - q.log_prob(z)

"""  # what the variants of the surrogate have in common

VARIANTS = [
    # Part 1, the log-weights
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights", "hidden-weights"],
        "what": "The prior is forgotten.",
        "code": """
def log_weights(model, x, k):
    q = model.posterior(x)
    z = q.rsample((k,))
    return model.likelihood(z, x).log_prob(x) - q.log_prob(z)
""",
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights"],
        "what": "The KL in closed form inside of the weight, as in a popular repository.",
        "code": """
def log_weights(model, x, k):
    q = model.posterior(x)
    z = q.rsample((k,))
    return model.likelihood(z, x).log_prob(x) - vl.gaussian_kl(*model.encode(x))
""",
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights"],
        "what": "Each density at a draw of its own.",
        "code": """
def log_weights(model, x, k):
    q = model.posterior(x)
    log_lik = model.likelihood(q.rsample((k,)), x).log_prob(x)
    return log_lik + model.prior.log_prob(q.rsample((k,))) - q.log_prob(q.rsample((k,)))
""",
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "Messages without a path.",
        "code": """
def log_weights(model, x, k):
    q = model.posterior(x)
    z = q.sample((k,))
    log_joint = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z)
    return log_joint - q.log_prob(z)
""",
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights"],
        "what": "One message, copied k times.",
        "code": """
def log_weights(model, x, k):
    q = model.posterior(x)
    z = q.rsample()
    log_joint = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z)
    return (log_joint - q.log_prob(z)).expand(k, -1)
""",
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "A standard normal prior, whatever the model's is.",
        "code": """
def log_weights(model, x, k):
    q = model.posterior(x)
    z = q.rsample((k,))
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(-1)
    return model.likelihood(z, x).log_prob(x) + log_prior - q.log_prob(z)
""",
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights"],
        "what": "The library does the work.",
        "code": """
def log_weights(model, x, k):
    return model.log_weights(x, k)
""",
    },
    {
        "cell": "weights", "kind": "right",
        "what": "From mean and log_var, a loop over the messages.",
        "code": """
def log_weights(model, x, k):
    mean, log_var = model.encode(x)
    q = Normal(mean, torch.exp(0.5 * log_var), validate_args=False)
    rows = []
    for _ in range(k):
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        row = model.likelihood(z, x).log_prob(x) - q.log_prob(z).sum(-1)
        rows.append(row + model.prior.log_prob(z))
    return torch.stack(rows)
""",
    },
    # Part 2, the bound
    {
        "cell": "bound", "kind": "wrong", "loses": ["test-bound"],
        "what": "As typed: exponential, mean, logarithm.",
        "code": """
def iwae_bound(log_w):
    return log_w.exp().mean(0).log()
""",
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["test-bound", "hidden-bound"],
        "what": "The wrong axis.",
        "code": """
def iwae_bound(log_w):
    return torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])
""",
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["test-bound"],
        "what": "The log of the sum.",
        "code": """
def iwae_bound(log_w):
    return torch.logsumexp(log_w, 0)
""",
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["test-bound"],
        "what": "The VAE's bound with K messages.",
        "code": """
def iwae_bound(log_w):
    return log_w.mean(0)
""",
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["test-bound"],
        "what": "The surrogate, logged as if it were the bound.",
        "code": """
def iwae_bound(log_w):
    return (torch.softmax(log_w, 0).detach() * log_w).sum(0)
""",
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["hidden-bound"],
        "what": "The largest is taken out of all images at once, and a small number added.",
        "code": """
def iwae_bound(log_w):
    most = log_w.max()
    return most + torch.log(torch.exp(log_w - most).mean(0) + 1e-20)
""",
    },
    {
        "cell": "bound", "kind": "right",
        "what": "The largest is taken out by hand, image by image.",
        "code": """
def iwae_bound(log_w):
    most = log_w.max(0).values.detach()
    return most + torch.exp(log_w - most).mean(0).log()
""",
    },
    {
        "cell": "bound", "kind": "right",
        "what": "One log-weight after the other.",
        "code": """
def iwae_bound(log_w):
    total = log_w[0]
    for row in log_w[1:]:
        total = torch.logaddexp(total, row)
    return total - np.log(log_w.shape[0])
""",
    },
    # Part 2, the staircase
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase", "hidden-staircase"],
        "what": "Each row uses the first weights only: right on average, and it leads down.",
        "code": """
def staircase(log_w):
    n = int(math.log2(len(log_w)))
    return torch.stack([iwae_bound(log_w[: 2**i]) for i in range(n + 1)])
""",
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase"],
        "what": "A sum in the place of an average in each pairing.",
        "code": """
def staircase(log_w):
    rows = [log_w.mean(0)]
    while len(log_w) > 1:
        log_w = torch.logaddexp(log_w[0::2], log_w[1::2])
        rows.append(log_w.mean(0))
    return torch.stack(rows)
""",
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase"],
        "what": "Logarithms are averaged in each pairing.",
        "code": """
def staircase(log_w):
    rows = [log_w.mean(0)]
    while len(log_w) > 1:
        log_w = 0.5 * (log_w[0::2] + log_w[1::2])
        rows.append(log_w.mean(0))
    return torch.stack(rows)
""",
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase"],
        "what": "From the top down.",
        "code": """
def staircase(log_w):
    rows = [log_w.mean(0)]
    while len(log_w) > 1:
        log_w = torch.logaddexp(log_w[0::2], log_w[1::2]) - math.log(2)
        rows.insert(0, log_w.mean(0))
    return torch.stack(rows)
""",
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["hidden-staircase"],
        "what": "The weights themselves are paired, and underflow.",
        "code": """
def staircase(log_w):
    rows = [log_w.mean(0)]
    while len(log_w) > 1:
        log_w = torch.log(0.5 * (log_w[0::2].exp() + log_w[1::2].exp()))
        rows.append(log_w.mean(0))
    return torch.stack(rows)
""",
    },
    {
        "cell": "staircase", "kind": "right",
        "what": "Groups by reshaping, the two halves in the place of neighbours.",
        "code": """
def staircase(log_w):
    K, B = log_w.shape
    sizes = [2**i for i in range(K.bit_length())]
    groups = [log_w.reshape(size, K // size, B) for size in sizes]
    return torch.stack([(torch.logsumexp(g, 0) - math.log(len(g))).mean(0) for g in groups])
""",
    },
    # Part 3, the effective sample size
    {
        "cell": "ess", "kind": "wrong", "loses": ["test-ess", "hidden-ess"],
        "what": "Shares over the images.",
        "code": """
def effective_sample_size(log_w):
    return 1 / (torch.softmax(log_w, -1) ** 2).sum(0)
""",
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["test-ess", "hidden-ess"],
        "what": "Exponentials as they come.",
        "code": """
def effective_sample_size(log_w):
    w = log_w.exp()
    return w.sum(0) ** 2 / (w**2).sum(0)
""",
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["test-ess"],
        "what": "The exponential of the entropy.",
        "code": """
def effective_sample_size(log_w):
    shares = torch.softmax(log_w, 0)
    return torch.exp(-(shares * shares.log()).sum(0))
""",
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["test-ess"],
        "what": "The sum of the squares, not turned over.",
        "code": """
def effective_sample_size(log_w):
    return (torch.softmax(log_w, 0) ** 2).sum(0)
""",
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["hidden-ess"],
        "what": "A softmax over losses, which only shows where there are three messages or more.",
        "code": """
def effective_sample_size(log_w):
    return 1 / (torch.softmax(-log_w, 0) ** 2).sum(0)
""",
    },
    {
        "cell": "ess", "kind": "right",
        "what": "In logarithms throughout.",
        "code": """
def effective_sample_size(log_w):
    return torch.exp(2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0))
""",
    },
    {
        "cell": "ess", "kind": "right",
        "what": "einsum, and the largest taken out by hand.",
        "code": """
def effective_sample_size(log_w):
    w = torch.exp(log_w - log_w.amax(0, keepdim=True))
    return w.sum(0).square() / torch.einsum("kb,kb->b", w, w)
""",
    },
    # Part 4, the gradient of the bound
    {
        "cell": "gradient", "kind": "wrong", "loses": ["test-gradient", "hidden-gradient"],
        "what": "A softmax over losses.",
        "code": """
def bound_gradient(log_w, gradients):
    losses = -log_w
    return (torch.softmax(losses, 0).unsqueeze(-1) * gradients).sum(0)
""",
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["test-gradient", "hidden-gradient"],
        "what": "All messages alike.",
        "code": """
def bound_gradient(log_w, gradients):
    return gradients.mean(0)
""",
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["test-gradient", "hidden-gradient"],
        "what": "Shares over the images.",
        "code": """
def bound_gradient(log_w, gradients):
    return (torch.softmax(log_w, -1).unsqueeze(-1) * gradients).sum(0)
""",
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["hidden-gradient"],
        "what": "Weights over their sum, as they come.",
        "code": """
def bound_gradient(log_w, gradients):
    w = log_w.exp()
    return (w.unsqueeze(-1) * gradients).sum(0) / w.sum(0).unsqueeze(-1)
""",
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["test-gradient"],
        "what": "Shares, and the mean over the messages besides.",
        "code": """
def bound_gradient(log_w, gradients):
    return (torch.softmax(log_w, 0).unsqueeze(-1) * gradients).mean(0)
""",
    },
    {
        "cell": "gradient", "kind": "right",
        "what": "einsum.",
        "code": """
def bound_gradient(log_w, gradients):
    return torch.einsum("kb,kbp->bp", log_w.softmax(dim=0), gradients)
""",
    },
    {
        "cell": "gradient", "kind": "right",
        "what": "A loop over the messages.",
        "code": """
def bound_gradient(log_w, gradients):
    total = torch.zeros_like(gradients[0])
    for row, each in zip(log_w - torch.logsumexp(log_w, 0), gradients):
        total = total + row.exp()[:, None] * each
    return total
""",
    },
    # Part 5, the three estimators
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate"],
        "what": "The value is that of the weighted sum, which is above the bound.",
        "code": SURROGATE + """
    if estimator == "dreg":
        shares = torch.softmax(log_weight(z), 0)
        z = scale_gradient(z, shares[..., None])
    log_w = log_weight(z)
    return (torch.softmax(log_w, 0).detach() * log_w).sum(0)
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate"],
        "what": "The shares are not detached.",
        "code": SURROGATE + """
    if estimator == "dreg":
        shares = torch.softmax(log_weight(z), 0)
        z = scale_gradient(z, shares[..., None])
    log_w = log_weight(z)
    weighted = (torch.softmax(log_w, 0) * log_w).sum(0)
    return iwae_bound(log_w).detach() + weighted - weighted.detach()
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate", "hidden-surrogate"],
        "what": "DReG without the second share, which is STL.",
        "code": SURROGATE + """
    log_w = log_weight(z)
    weighted = (torch.softmax(log_w, 0).detach() * log_w).sum(0)
    return iwae_bound(log_w).detach() + weighted - weighted.detach()
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "Squared shares for Bob as well.",
        "code": SURROGATE + """
    log_w = log_weight(z)
    shares = torch.softmax(log_w, 0).detach()
    shares = shares**2 if estimator == "dreg" else shares
    weighted = (shares * log_w).sum(0)
    return iwae_bound(log_w).detach() + weighted - weighted.detach()
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate"],
        "what": "A softmax over losses.",
        "code": SURROGATE + """
    if estimator == "dreg":
        shares = torch.softmax(-log_weight(z), 0)
        z = scale_gradient(z, shares[..., None])
    log_w = log_weight(z)
    weighted = (torch.softmax(-log_w, 0).detach() * log_w).sum(0)
    return iwae_bound(log_w).detach() + weighted - weighted.detach()
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate"],
        "what": "The message is detached, not the parameters inside of log q.",
        "code": """
def surrogate(model, x, k, estimator):
    q = gaussian(*model.encode(x))
    z = q.rsample((k,))
    if estimator != "standard":
        z = z.detach()
    log_joint = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z)
    log_w = log_joint - q.log_prob(z)
    shares = torch.softmax(log_w, 0).detach()
    weighted = ((shares**2 if estimator == "dreg" else shares) * log_w).sum(0)
    return iwae_bound(log_w).detach() + weighted - weighted.detach()
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate"],
        "what": "The score is never dropped.",
        "code": """
def surrogate(model, x, k, estimator):
    q = gaussian(*model.encode(x))
    z = q.rsample((k,))
    log_joint = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z)
    return iwae_bound(log_joint - q.log_prob(z))
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "The library does the work.",
        "code": """
def surrogate(model, x, k, estimator):
    return vl.iwae(model, x, k, estimator)["objective"]
""",
    },
    {
        "cell": "surrogate", "kind": "right",
        "what": "A hook on the messages, and autograd through the bound itself.",
        "code": """
def surrogate(model, x, k, estimator):
    mean, log_var = model.encode(x)
    z = mean + torch.exp(0.5 * log_var) * torch.randn(k, *mean.shape, dtype=mean.dtype)
    fixed = estimator in ("stl", "dreg")
    q = gaussian(mean.detach() if fixed else mean, log_var.detach() if fixed else log_var)
    log_w = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)
    if estimator == "dreg" and z.requires_grad:
        shares = log_w.detach().softmax(0).unsqueeze(-1)
        z.register_hook(lambda g: shares * g)
    return torch.logsumexp(log_w, 0) - math.log(k)
""",
    },
    {
        "cell": "surrogate", "kind": "right",
        "what": "Two surrogates for DReG, one for Alice and one for Bob.",
        "code": """
def surrogate(model, x, k, estimator):
    mean, log_var = model.encode(x)
    z = gaussian(mean, log_var).rsample((k,))

    def log_weight(z, mean, log_var):
        log_joint = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z)
        return log_joint - gaussian(mean, log_var).log_prob(z)

    still = mean.detach(), log_var.detach()
    if estimator == "standard":
        return iwae_bound(log_weight(z, mean, log_var))
    if estimator == "stl":
        return iwae_bound(log_weight(z, *still))
    for_bob = iwae_bound(log_weight(z.detach(), *still))
    shares = torch.softmax(log_weight(z, *still).detach(), 0)
    cut = z.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(log_weight(cut, *still).sum(), cut)
    for_alice = (shares[..., None] ** 2 * slope * z).sum((0, 2))
    return for_bob + for_alice - for_alice.detach()
""",
    },
    # Part 6, the estimate
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate", "hidden-estimate"],
        "what": "The chunks' bounds are averaged.",
        "code": """
def estimate(model, x, samples, chunk=100):
    values = []
    with torch.no_grad():
        for done in range(0, samples, chunk):
            values.append(iwae_bound(model.log_weights(x, min(chunk, samples - done))))
    values = torch.stack(values).mean(0)
    return values.mean().item(), values.std().item() / math.sqrt(len(x))
""",
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate"],
        "what": "The last, shorter chunk counts as much as the others.",
        "code": """
def estimate(model, x, samples, chunk=100):
    with torch.no_grad():
        parts = [iwae_bound(model.log_weights(x, min(chunk, samples - done)))
                 for done in range(0, samples, chunk)]
    values = iwae_bound(torch.stack(parts))
    return values.mean().item(), values.std().item() / math.sqrt(len(x))
""",
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate"],
        "what": "The spread of the images in the place of the standard error.",
        "code": """
def estimate(model, x, samples, chunk=100):
    total = torch.full((len(x),), -math.inf)
    with torch.no_grad():
        for done in range(0, samples, chunk):
            log_w = model.log_weights(x, min(chunk, samples - done))
            total = torch.logaddexp(total, torch.logsumexp(log_w, 0))
    values = total - math.log(samples)
    return values.mean().item(), values.std().item()
""",
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate"],
        "what": "Divided by the root of the number of messages.",
        "code": """
def estimate(model, x, samples, chunk=100):
    total = torch.full((len(x),), -math.inf)
    with torch.no_grad():
        for done in range(0, samples, chunk):
            log_w = model.log_weights(x, min(chunk, samples - done))
            total = torch.logaddexp(total, torch.logsumexp(log_w, 0))
    values = total - math.log(samples)
    return values.mean().item(), values.std().item() / math.sqrt(samples)
""",
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate"],
        "what": "All messages at once.",
        "code": """
def estimate(model, x, samples, chunk=100):
    with torch.no_grad():
        values = iwae_bound(model.log_weights(x, samples))
    return values.mean().item(), values.std().item() / math.sqrt(len(x))
""",
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "The graph is kept.",
        "code": """
def estimate(model, x, samples, chunk=100):
    total = torch.full((len(x),), -math.inf)
    for done in range(0, samples, chunk):
        log_w = model.log_weights(x, min(chunk, samples - done))
        total = torch.logaddexp(total, torch.logsumexp(log_w, 0))
    values = total - math.log(samples)
    return values.mean().item(), values.std().item() / math.sqrt(len(x))
""",
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "Sums of weights, outside of the logarithm.",
        "code": """
@torch.no_grad()
def estimate(model, x, samples, chunk=100):
    total = 0.0
    for done in range(0, samples, chunk):
        total = total + model.log_weights(x, min(chunk, samples - done)).exp().sum(0)
    values = torch.log(total / samples)
    return values.mean().item(), values.std().item() / math.sqrt(len(x))
""",
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate"],
        "what": "A negative log-likelihood.",
        "code": """
def estimate(model, x, samples, chunk=100):
    total = torch.full((len(x),), -math.inf)
    with torch.no_grad():
        for done in range(0, samples, chunk):
            log_w = model.log_weights(x, min(chunk, samples - done))
            total = torch.logaddexp(total, torch.logsumexp(log_w, 0))
    nll = math.log(samples) - total
    return nll.mean().item(), nll.std().item() / math.sqrt(len(x))
""",
    },
    {
        "cell": "estimate", "kind": "right",
        "what": "All log-weights are collected, in float64.",
        "code": """
@torch.no_grad()
def estimate(model, x, samples, chunk=100):
    sizes = [chunk] * (samples // chunk) + [samples % chunk] * (samples % chunk > 0)
    values = iwae_bound(torch.cat([model.log_weights(x, k).double() for k in sizes]))
    return float(values.mean()), float(values.var(correction=1) / len(values)) ** 0.5
""",
    },
    {
        "cell": "estimate", "kind": "right",
        "what": "The chunks' bounds, weighted by their sizes.",
        "code": """
def estimate(model, x, samples, chunk=100):
    with torch.inference_mode():
        parts = [torch.logsumexp(model.log_weights(x, len(part)), 0)
                 for part in torch.arange(samples).split(chunk)]
    values = (torch.stack(parts).logsumexp(0) - math.log(samples)).numpy()
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(x)))
""",
    },
    # Part 6, the activity
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The variance of sampled codes.",
        "code": """
def activity(model, x):
    with torch.no_grad():
        return model.posterior(x).sample().var(0)
""",
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The average posterior variance.",
        "code": """
def activity(model, x):
    with torch.no_grad():
        return model.encode(x)[1].exp().mean(0)
""",
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The variance over the coordinates of each code.",
        "code": """
def activity(model, x):
    with torch.no_grad():
        return model.encode(x)[0].var(1)
""",
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The mean square, without the mean taken off.",
        "code": """
def activity(model, x):
    with torch.no_grad():
        return (model.encode(x)[0] ** 2).mean(0)
""",
    },
    {
        "cell": "activity", "kind": "right",
        "what": "The variance by hand, with N below.",
        "code": """
@torch.no_grad()
def activity(model, x):
    mean = model.posterior(x).mean
    return ((mean - mean.mean(0, keepdim=True)) ** 2).mean(0)
""",
    },
]  # fmt: skip
