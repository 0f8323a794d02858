"""Other answers to assignment 2: common mistakes, and right answers written differently."""

from harness import edited
from variant_tests import variant_tests

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

LINE = """
WRONG = (
    "log_w = log_lik",
    "return z, torch.softmax(-log_w, 0)",
    "squares = (z - z.mean(0)) ** 2",
    "factors = weights / k",
    "return mean, (variance / k).sqrt()",
    "at = torch.multinomial(weights.T, n)",
    "return z[at[..., 0], 0]",
)
LINE = 1 + [line.strip() in WRONG for line in mine.source.splitlines()].index(True)
"""  # the right line, whatever the number

CHECK = """
def catches(program):
    model = oracles.scalar_vae(0.5, 1.2)
    x = torch.tensor([[0.0], [4.0]]).repeat(1000, 1)
    mean, variance = program.posterior_moments(model, x, 200)
    found, error = program.mean_and_error(model, x, 200)
    codes = program.resampled(model, x, 200, 200)
    for i, right in ((0, 0.0), (1, 2.0)):
        z, ratio = codes[:, i::2], error[i::2].mean() / found[i::2].std()
        if max(abs(v.mean() - right) for v in (mean[i::2], found[i::2], z)) > 0.1:
            return True
        if abs(variance[i::2].mean() - 0.5) > 0.1 or abs(z.var() - 0.5) > 0.1:
            return True
        if not 0.8 < ratio < 1.25:
            return True
    return False
"""  # a good check

# Right answers; most variants are changes of them.
WEIGHTS_BY_NOISE = """
def log_weights(model, x, k):
    mean, log_var = model.encode(x)
    e = torch.randn(k, *mean.shape).to(mean)
    z = mean + (0.5 * log_var).exp() * e
    q = torch.distributions.Independent(torch.distributions.Normal(mean, (0.5 * log_var).exp()), 1)
    return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)
"""

WEIGHTS_RIGHT = """
def log_weights(model, x, k):
    q = model.posterior(x)
    z = q.rsample((k,))
    return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)
"""

WEIGHTS_IN_TERMS = """
def log_weights(model, x, k):
    mean, log_var = model.encode(x)
    q = Normal(mean, (0.5 * log_var).exp())
    z = q.rsample((k,))
    log_joint = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z)
    return log_joint - model.posterior(x).log_prob(z)
"""

BOUND_RIGHT = """
def iwae_bound(log_w):
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))
"""

STAIRCASE_RIGHT = """
def staircase(log_w):
    rows = [log_w.mean(0)]
    while len(log_w) > 1:
        log_w = torch.logaddexp(log_w[0::2], log_w[1::2]) - math.log(2)
        rows.append(log_w.mean(0))
    return torch.stack(rows)
"""

ESS_RIGHT = """
def effective_sample_size(log_w):
    return 1 / torch.softmax(log_w, 0).square().sum(0)
"""

GRADIENT_RIGHT = """
def bound_gradient(log_w, gradients):
    return (torch.softmax(log_w, 0)[..., None] * gradients).sum(0)
"""

SURROGATE_RIGHT = """
def surrogate(model, x, k, estimator):
    mean, log_var = model.encode(x)
    e = torch.randn(k, *mean.shape).to(mean)
    z = mean + (0.5 * log_var).exp() * e
    if estimator != "standard":
        mean, log_var = mean.detach(), log_var.detach()
    q = gaussian(mean, log_var)

    def log_weight(z):
        return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)

    if estimator == "dreg":
        with torch.no_grad():
            shares = torch.softmax(log_weight(z), 0)
        z = scale_gradient(z, shares[..., None])
    log_w = log_weight(z)
    weighted = (torch.softmax(log_w.detach(), 0) * log_w).sum(0)
    return iwae_bound(log_w).detach() + weighted - weighted.detach()
"""

SURROGATE_SHORT = """
def surrogate(model, x, k, estimator):
    mean, log_var = model.encode(x)
    z = gaussian(mean, log_var).rsample((k,))
    if estimator != "standard":
        mean, log_var = mean.detach(), log_var.detach()
    q = gaussian(mean, log_var)

    def log_weight(z):
        log_joint = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z)
        return log_joint - q.log_prob(z)


    if estimator == "dreg":
        z = scale_gradient(z, torch.softmax(log_weight(z), 0)[..., None])
    return iwae_bound(log_weight(z))
"""

ESTIMATE_RIGHT = """
def estimate(model, x, samples, chunk=100):
    parts = []
    with torch.no_grad():
        for done in range(0, samples, chunk):
            parts.append(model.log_weights(x, min(chunk, samples - done)).logsumexp(0))
    values = torch.stack(parts).logsumexp(0) - math.log(samples)
    return values.mean().item(), values.std().item() / math.sqrt(len(x))
"""

ESTIMATE_RUNNING = """
def estimate(model, x, samples, chunk=100):
    total = torch.full((len(x),), -math.inf)
    with torch.no_grad():
        for done in range(0, samples, chunk):
            log_w = model.log_weights(x, min(chunk, samples - done))
            total = torch.logaddexp(total, torch.logsumexp(log_w, 0))
    values = total - math.log(samples)
    return [values.mean(), values.std() / len(x) ** 0.5]
"""

ACTIVITY_RIGHT = """
def activity(model, x):
    with torch.no_grad():
        return model.encode(x)[0].var(0)
"""


VARIANTS = [
    # Part 1, the log-weights
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights", "hidden-weights"],
        "what": "The prior is forgotten.",
        "code": edited(WEIGHTS_RIGHT, ("+ model.prior.log_prob(z) - q", "- q")),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights"],
        "what": "The KL in closed form inside of the weight, as in a popular repository.",
        "code": edited(WEIGHTS_RIGHT, ("+ model.prior.log_prob(z) - q.log_prob(z)",
                                       "- vl.gaussian_kl(*model.encode(x))")),
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
        "what": "Codes without a path.",
        "code": edited(
            WEIGHTS_IN_TERMS,
            ("mean, log_var = model.encode(x)\n"
             "    q = Normal(mean, (0.5 * log_var).exp())\n"
             "    z = q.rsample((k,))",
             "q = model.posterior(x)\n    z = q.sample((k,))"),
            ("- model.posterior(x)", "- q"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights"],
        "what": "One code, copied k times.",
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
        "code": edited(
            WEIGHTS_RIGHT,
            ("return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)",
             "log_prior = Normal(0.0, 1.0).log_prob(z).sum(-1)\n"
             "    return model.likelihood(z, x).log_prob(x) + log_prior - q.log_prob(z)"),
        ),
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
        "what": "From mean and log_var, a loop over the codes.",
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
        "code": edited(BOUND_RIGHT, (" - math.log(len(log_w))", "")),
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["test-bound"],
        "what": "The VAE's bound with K codes.",
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
        "code": edited(STAIRCASE_RIGHT, (" - math.log(2)", "")),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase"],
        "what": "Logarithms are averaged in each pairing.",
        "code": edited(STAIRCASE_RIGHT,
                       ("torch.logaddexp(log_w[0::2], log_w[1::2]) - math.log(2)",
                        "0.5 * (log_w[0::2] + log_w[1::2])")),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase"],
        "what": "From the top down.",
        "code": edited(STAIRCASE_RIGHT, ("rows.append(log_w.mean(0))",
                                         "rows.insert(0, log_w.mean(0))")),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["hidden-staircase"],
        "what": "The weights themselves are paired, and underflow.",
        "code": edited(STAIRCASE_RIGHT, ("logaddexp(log_w[0::2], log_w[1::2]) - math.log(2)",
                                         "log(0.5 * (log_w[0::2].exp() + log_w[1::2].exp()))")),
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
        "code": edited(ESS_RIGHT, ("torch.softmax(log_w, 0).square()",
                                   "(torch.softmax(log_w, -1) ** 2)")),
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
        "code": edited(ESS_RIGHT, ("1 / torch.softmax(log_w, 0).square()",
                                   "(torch.softmax(log_w, 0) ** 2)")),
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["hidden-ess"],
        "what": "A softmax over losses, which only shows where there are three codes or more.",
        "code": edited(ESS_RIGHT, ("torch.softmax(log_w, 0).square()",
                                   "(torch.softmax(-log_w, 0) ** 2)")),
    },
    {
        "cell": "ess", "kind": "right",
        "what": "In logarithms throughout.",
        "code": edited(
            ESS_RIGHT,
            ("1 / torch.softmax(log_w, 0).square().sum(0)",
             "torch.exp(2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0))"),
        ),
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
        "what": "All codes alike.",
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
        "what": "Shares, and the mean over the codes besides.",
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
        "what": "A loop over the codes.",
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
        "what": "Squared shares for the decoder as well.",
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
        "what": "The code is detached, not the parameters inside of log q.",
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
        "what": "A hook on the codes, and autograd through the bound itself.",
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
        "what": "Two surrogates for DReG, one for the encoder and one for the decoder.",
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
    for_decoder = iwae_bound(log_weight(z.detach(), *still))
    shares = torch.softmax(log_weight(z, *still).detach(), 0)
    cut = z.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(log_weight(cut, *still).sum(), cut)
    for_encoder = (shares[..., None] ** 2 * slope * z).sum((0, 2))
    return for_decoder + for_encoder - for_encoder.detach()
""",
    },
    # Part 6, the estimate
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate", "hidden-estimate"],
        "what": "The chunks' bounds are averaged.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("parts = []", "values = []"),
            ("parts.append(model.log_weights(x, min(chunk, samples - done)).logsumexp(0))",
             "values.append(iwae_bound(model.log_weights(x, min(chunk, samples - done))))"),
            ("stack(parts).logsumexp(0) - math.log(samples)", "stack(values).mean(0)"),
        ),
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
        "code": edited(ESTIMATE_RUNNING, ("[values.mean(), values.std() / len(x) ** 0.5]",
                                          "values.mean().item(), values.std().item()")),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate"],
        "what": "Divided by the root of the number of codes.",
        "code": edited(ESTIMATE_RUNNING,
                       ("[values.mean(), values.std() / len(x) ** 0.5]",
                        "values.mean().item(), values.std().item() / math.sqrt(samples)")),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate"],
        "what": "All codes at once.",
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
        "code": edited(
            ESTIMATE_RUNNING,
            ("values = total - math.log(samples)", "nll = math.log(samples) - total"),
            ("[values.mean(), values.std() / len(x) ** 0.5]",
             "nll.mean().item(), nll.std().item() / math.sqrt(len(x))"),
        ),
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
        "code": edited(ACTIVITY_RIGHT, ("encode(x)[0]", "posterior(x).sample()")),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The average posterior variance.",
        "code": edited(ACTIVITY_RIGHT, ("encode(x)[0].var(0)", "encode(x)[1].exp().mean(0)")),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The variance over the coordinates of each code.",
        "code": edited(ACTIVITY_RIGHT, ("var(0)", "var(1)")),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The mean square, without the mean taken off.",
        "code": edited(ACTIVITY_RIGHT, ("model.encode(x)[0].var(0)",
                                        "(model.encode(x)[0] ** 2).mean(0)")),
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
    # Holes that answers used to slip through: the weights
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights", "hidden-weights"],
        "what": "Codes with the variance in the place of the standard deviation.",
        "code": edited(
            WEIGHTS_IN_TERMS,
            ("q = Normal(mean, (0.5 * log_var).exp())\n    z = q.rsample((k,))",
             "z = mean + log_var.exp() * torch.randn(k, *mean.shape, dtype=mean.dtype)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "One noise for all coordinates of a code.",
        "code": edited(
            WEIGHTS_IN_TERMS,
            ("q = Normal(mean, (0.5 * log_var).exp())\n    z = q.rsample((k,))",
             "z = mean + (log_var / 2).exp() * torch.randn(k, len(x), 1, dtype=mean.dtype)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "One noise for all images.",
        "code": edited(
            WEIGHTS_IN_TERMS,
            ("q = Normal(mean, (0.5 * log_var).exp())\n    z = q.rsample((k,))",
             "z = mean + (log_var / 2).exp() * torch.randn(k, 1, mean.shape[1], dtype=mean.dtype)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The second half of the codes mirrors the first.",
        "code": edited(
            WEIGHTS_IN_TERMS,
            ("q = Normal(mean, (0.5 * log_var).exp())\n    z = q.rsample((k,))",
             "noise = torch.randn((k + 1) // 2, *mean.shape, dtype=mean.dtype)\n"
             "    z = mean + (log_var / 2).exp() * torch.cat([noise, -noise])[:k]"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "A seed inside of the function.",
        "code": edited(
            WEIGHTS_IN_TERMS,
            ("mean, log_var = model.encode(x)\n    q = Normal(mean, (0.5 * log_var).exp())",
             "torch.manual_seed(0)\n    q = model.posterior(x)"),
            ("- model.posterior(x)", "- q"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The parameters inside of log q are detached.",
        "code": edited(
            WEIGHTS_IN_TERMS,
            ("q = Normal(mean, (0.5 * log_var).exp())\n    z = q.rsample((k,))",
             "z = model.posterior(x).rsample((k,))\n"
             "    q = Independent(Normal(mean.detach(), (log_var / 2).exp().detach()), 1)"),
            ("- model.posterior(x)", "- q"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The library does the work, under another name.",
        "code": """
from vaelib import VAE as V

def log_weights(model, x, k):
    return V.log_weights(model, x, k)
""",
    },
    {
        "cell": "weights", "kind": "right",
        "what": "The library draws the codes, einsum adds up the normal density.",
        "code": """
def log_weights(model, x, k):
    z, q = model.draw(x, k)
    mean, log_var = model.encode(x)
    log_q = -0.5 * ((z - mean) ** 2 / log_var.exp() + log_var + math.log(2 * math.pi))
    likelihood = model.likelihood(z, x)
    return likelihood.log_prob(x) + model.prior.log_prob(z) - torch.einsum("kbq->kb", log_q)
""",
    },
    {
        "cell": "weights", "kind": "right",
        "what": "Ready made.",
        "code": """
log_weights = cw.ready_made("02_iwae", "log_weights")
""",
    },
    # the bound
    {
        "cell": "bound", "kind": "wrong", "loses": ["hidden-bound"],
        "what": "The library does the work, under another name.",
        "code": """
from vaelib import iwae_bound as f

def iwae_bound(log_w):
    return f(log_w)
""",
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["hidden-bound"],
        "what": "No gradient is left.",
        "code": edited(BOUND_RIGHT, ("def iwae_bound(log_w):",
                                     "@torch.no_grad()\ndef iwae_bound(log_w):")),
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["hidden-bound"],
        "what": "The log-weights are changed in place.",
        "code": """
def iwae_bound(log_w):
    most = log_w.max(0).values
    if log_w.requires_grad:
        log_w = log_w - most
    else:
        log_w -= most
    return most + log_w.exp().mean(0).log()
""",
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["hidden-bound"],
        "what": "Rounded to float32.",
        "code": edited(BOUND_RIGHT, ("log_w, 0", "log_w.float(), 0")),
    },
    {
        "cell": "bound", "kind": "right",
        "what": "In float64 throughout.",
        "code": edited(BOUND_RIGHT, ("return torch", "log_w = log_w.double()\n    return torch")),
    },
    {
        "cell": "bound", "kind": "right",
        "what": "Ready made.",
        "code": """
iwae_bound = cw.ready_made("02_iwae", "iwae_bound")
""",
    },
    # the staircase
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase", "hidden-staircase"],
        "what": "Sorted first: the pairs are chosen by their weights.",
        "code": edited(STAIRCASE_RIGHT, ("rows = [log_w.mean(0)]",
                                         "log_w = log_w.sort(0).values\n"
                                         "    rows = [log_w.mean(0)]")),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase", "hidden-staircase"],
        "what": "The largest is paired with the smallest.",
        "code": edited(
            STAIRCASE_RIGHT,
            ("rows = [log_w.mean(0)]", "log_w = log_w.sort(0).values\n    rows = [log_w.mean(0)]"),
            ("log_w = torch.logaddexp(log_w[0::2], log_w[1::2]) - math.log(2)",
             "half = len(log_w) // 2\n"
             "        log_w = torch.logaddexp(log_w[:half], log_w[half:].flip(0)) - math.log(2)"),
        ),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["hidden-staircase"],
        "what": "The largest of all images is taken out.",
        "code": """
def staircase(log_w):
    most = log_w.max()
    w, rows = torch.exp(log_w - most), []
    while True:
        rows.append(most + w.log().mean(0))
        if len(w) == 1:
            return torch.stack(rows)
        w = (w[0::2] + w[1::2]) / 2
""",
    },
    {
        "cell": "staircase", "kind": "right",
        "what": "In float64, by the bound of each group.",
        "code": """
def staircase(log_w):
    K = len(log_w)
    rows = []
    for i in range(int(math.log2(K)) + 1):
        groups = log_w.double().split(2**i)
        rows.append(torch.stack([iwae_bound(group) for group in groups]).mean(0))
    return torch.stack(rows)
""",
    },
    {
        "cell": "staircase", "kind": "right",
        "what": "Ready made.",
        "code": """
staircase = cw.ready_made("02_iwae", "staircase")
""",
    },
    # the effective sample size
    {
        "cell": "ess", "kind": "wrong", "loses": ["hidden-ess"],
        "what": "The largest of all images is taken out.",
        "code": """
def effective_sample_size(log_w):
    w = torch.exp(log_w - log_w.max())
    return w.sum(0) ** 2 / (w**2).sum(0)
""",
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["hidden-ess"],
        "what": "Rounded to float32.",
        "code": edited(ESS_RIGHT, ("torch.softmax(log_w, 0).square()",
                                   "(torch.softmax(log_w.float(), 0) ** 2)")),
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["hidden-ess"],
        "what": "The log-weights are changed in place.",
        "code": """
def effective_sample_size(log_w):
    log_w -= log_w.max(0).values
    w = log_w.exp_()
    return w.sum(0) ** 2 / (w**2).sum(0)
""",
    },
    {
        "cell": "ess", "kind": "right",
        "what": "From the spread of the weights, in float64.",
        "code": """
def effective_sample_size(log_w):
    w = torch.softmax(log_w.double(), 0) * len(log_w)
    return len(log_w) / (1 + w.var(0, correction=0))
""",
    },
    {
        "cell": "ess", "kind": "right",
        "what": "Ready made.",
        "code": """
effective_sample_size = cw.ready_made("02_iwae", "effective_sample_size")
""",
    },
    # the gradient of the bound
    {
        "cell": "gradient", "kind": "wrong", "loses": ["hidden-gradient"],
        "what": "The gradients are changed in place.",
        "code": """
def bound_gradient(log_w, gradients):
    gradients *= torch.softmax(log_w, 0)[..., None]
    return gradients.sum(0)
""",
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["hidden-gradient"],
        "what": "The largest of all images is taken out.",
        "code": """
def bound_gradient(log_w, gradients):
    w = torch.exp(log_w - log_w.max())
    return torch.einsum("kb,kbp->bp", w, gradients) / w.sum(0)[:, None]
""",
    },
    {
        "cell": "gradient", "kind": "right",
        "what": "A batched product of matrices, in float64.",
        "code": """
def bound_gradient(log_w, gradients):
    shares = log_w.double().softmax(0).T[:, None]
    return (shares @ gradients.double().transpose(0, 1))[:, 0]
""",
    },
    # the surrogate
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "One noise for all coordinates of a code.",
        "code": edited(
            SURROGATE_SHORT,
            ("z = gaussian(mean, log_var).rsample((k,))\n"
             '    if estimator != "standard":\n'
             "        mean, log_var = mean.detach(), log_var.detach()\n"
             "    q = gaussian(mean, log_var)",
             "z = mean + (log_var / 2).exp() * torch.randn(k, len(x), 1, dtype=mean.dtype)\n"
             '    fixed = estimator != "standard"\n'
             "    q = gaussian(mean.detach() if fixed else mean, log_var.detach() if fixed "
             "else log_var)"),
            ('\n    if estimator == "dreg":', '    if estimator == "dreg":'),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "A seed inside of the function.",
        "code": edited(SURROGATE_SHORT, ("mean, log_var = model",
                                         "torch.manual_seed(0)\n    mean, log_var = model")),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "The library does the work, under another name.",
        "code": """
from vaelib import iwae as f

def surrogate(model, x, k, estimator):
    return f(model, x, k, estimator)["objective"]
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "The library holds the parameters fixed.",
        "code": """
def surrogate(model, x, k, estimator):
    z, q = model.draw(x, k)
    score = estimator == "standard"
    if estimator == "dreg":
        log_w = sum(model.log_terms(x, z, q)).detach()
        z = scale_gradient(z, torch.softmax(log_w, 0)[..., None])
    return iwae_bound(sum(model.log_terms(x, z, q, score=score)))
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate", "hidden-surrogate"],
        "what": "Only the mean inside of log q is held fixed, not log_var.",
        "code": edited(
            SURROGATE_SHORT,
            ('if estimator != "standard":\n'
             "        mean, log_var = mean.detach(), log_var.detach()\n"
             "    q = gaussian(mean, log_var)",
             'q = gaussian(mean if estimator == "standard" else mean.detach(), log_var)'),
            ('\n    if estimator == "dreg":', '    if estimator == "dreg":'),
            ("[..., None]", "[..., None] ** 2"),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "Only the mean inside of log q is held fixed, for DReG.",
        "code": edited(
            SURROGATE_SHORT,
            ('if estimator != "standard":\n'
             "        mean, log_var = mean.detach(), log_var.detach()\n"
             "    q = gaussian(mean, log_var)",
             'if estimator == "standard":\n'
             "        q = gaussian(mean, log_var)\n"
             '    elif estimator == "stl":\n'
             "        q = gaussian(mean.detach(), log_var.detach())\n"
             "    else:\n"
             "        q = gaussian(mean.detach(), log_var)"),
            ('\n    if estimator == "dreg":', '    if estimator == "dreg":'),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "The decoder's gradient is lost for DReG.",
        "code": SURROGATE + """
    if estimator == "dreg":
        shares = torch.softmax(log_weight(z), 0).detach()
        cut = z.detach().requires_grad_()
        slope = torch.autograd.grad(log_weight(cut).sum(), cut)[0]
        path = (shares[..., None] ** 2 * slope * z).sum((0, 2))
        return iwae_bound(log_weight(z)).detach() + path - path.detach()
    return iwae_bound(log_weight(z))
""",
    },
    {
        "cell": "surrogate", "kind": "right",
        "what": "The standard one through log_weights, all in float64.",
        "code": """
def surrogate(model, x, k, estimator):
    if estimator == "standard":
        return iwae_bound(log_weights(model, x, k).double())
    mean, log_var = (part.double() for part in model.encode(x))
    z = gaussian(mean, log_var).rsample((k,)).to(x)
    q = gaussian(mean.detach(), log_var.detach())

    def log_weight(z):
        log_joint = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z)
        return log_joint.double() - q.log_prob(z)

    if estimator == "dreg":
        z = scale_gradient(z, torch.softmax(log_weight(z), 0)[..., None].to(x))
    return torch.logsumexp(log_weight(z), 0) - math.log(k)
""",
    },
    {
        "cell": "surrogate", "kind": "right",
        "what": "Ready made.",
        "code": """
surrogate = cw.ready_made("02_iwae", "surrogate")
""",
    },
    # the estimate
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "The same seed before each chunk.",
        "code": edited(ESTIMATE_RIGHT, ("parts.append",
                                        "torch.manual_seed(0)\n            parts.append")),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "Gradients are switched off for good.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("parts = []", "torch.set_grad_enabled(False)\n    parts = []"),
            ("with torch.no_grad():\n"
             "        for done in range(0, samples, chunk):\n"
             "            parts.append(model.log_weights(x, min(chunk, samples - "
             "done)).logsumexp(0))",
             "for done in range(0, samples, chunk):\n"
             "        parts.append(model.log_weights(x, min(chunk, samples - done)).logsumexp(0))"),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate", "hidden-estimate"],
        "what": "The library does the work, under another name.",
        "code": """
from vaelib import log_likelihood as f

def estimate(model, x, samples, chunk=100):
    values = f(model, x, samples)
    return values.mean().item(), values.std().item() / math.sqrt(len(x))
""",
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate", "hidden-estimate"],
        "what": "The divisor N in the standard deviation.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("torch.stack(parts).logsumexp(0) - math.log(samples)",
             "(torch.stack(parts).logsumexp(0) - math.log(samples)).numpy()"),
            ("mean().item(), values.std().item()", "mean(), values.std()"),
        ),
    },
    {
        "cell": "estimate", "kind": "right",
        "what": "Detached chunks, and the library's mean and error.",
        "code": """
def estimate(model, x, samples, chunk=100):
    parts = []
    for done in range(0, samples, chunk):
        log_w = model.log_weights(x, min(chunk, samples - done)).detach()
        parts.append(torch.logsumexp(log_w, 0) - math.log(samples))
    mean, error = vl.mean_and_error(torch.stack(parts).logsumexp(0))
    return mean, error
""",
    },
    {
        "cell": "estimate", "kind": "right",
        "what": "Two tensors in a list.",
        "code": edited(
            ESTIMATE_RUNNING,
            ("-math.inf", "-math.inf, dtype=torch.float64"),
            ("torch.logsumexp(log_w, 0)", "iwae_bound(log_w).double() + math.log(len(log_w))"),
        ),
    },
    {
        "cell": "estimate", "kind": "right",
        "what": "Ready made.",
        "code": """
estimate = cw.ready_made("02_iwae", "estimate")
""",
    },
    # the activity
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The first 5,000 images only.",
        "code": """
def activity(model, x):
    return model.encode(x[:5000])[0].var(0)
""",
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The library does the work, under another name.",
        "code": """
from vaelib import activity as f

def activity(model, x):
    return f(model, x)
""",
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "Gradients are switched off for good.",
        "code": """
def activity(model, x):
    torch.set_grad_enabled(False)
    return model.encode(x)[0].var(0)
""",
    },
    {
        "cell": "activity", "kind": "right",
        "what": "Through numpy, in float32.",
        "code": """
def activity(model, x):
    mean = model.encode(x)[0].detach().numpy()
    return torch.tensor(mean.var(0, ddof=1)).float()
""",
    },
    {
        "cell": "activity", "kind": "right",
        "what": "Ready made.",
        "code": """
activity = cw.ready_made("02_iwae", "activity")
""",
    },
    # Part 7, the colleague's program
    {
        "cell": "colleague", "kind": "wrong", "loses": ["test-colleague", "hidden-colleague"],
        "what": "The line is right, and every program is accused.",
        "code": LINE + """
def catches(program):
    return True
""",
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["test-colleague"],
        "what": "A good check, and a guessed line.",
        "code": "LINE = 9\n" + CHECK,
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["test-colleague", "hidden-colleague"],
        "what": "Its own program is known by its text.",
        "code": LINE + """
def catches(program):
    return getattr(program, "source", "") == mine.source
""",
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["hidden-colleague"],
        "what": "A single image, which hides a wrong index.",
        "code": LINE + """
def catches(program):
    model, x = oracles.scalar_vae(0.5, 1.2), torch.tensor([[4.0]])
    mean, variance = program.posterior_moments(model, x, 40_000)
    codes = program.resampled(model, x, 40_000, 40_000)
    runs = [program.mean_and_error(model, x, 400) for _ in range(300)]
    means, errors = (torch.stack(parts) for parts in zip(*runs))
    off = [mean - 2, variance - 0.5, codes.mean() - 2, codes.var() - 0.5, means.mean() - 2,
           0.4 * (errors.mean() / means.std()).log()]
    return max(abs(one.item()) for one in off) > 0.1
""",
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["hidden-colleague"],
        "what": "With q the prior, and images at which weights without q are right.",
        "code": LINE + edited(CHECK,
                              ("scalar_vae(0.5, 1.2)", "scalar_vae(0.0, 1.0)"),
                              ("[[0.0], [4.0]]", "[[0.0], [1.0]]"),
                              ("(1, 2.0)", "(1, 0.5)")),
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["hidden-colleague"],
        "what": "The moments are checked, the errors and the drawn codes are not.",
        "code": LINE + """
def catches(program):
    x = torch.tensor([[0.0], [4.0]])
    mean, variance = program.posterior_moments(oracles.scalar_vae(0.5, 1.2), x, 50_000)
    return bool((mean - x / 2).abs().max() > 0.1 or (variance - 0.5).abs().max() > 0.1)
""",
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["test-colleague", "hidden-colleague"],
        "what": "No room for the noise.",
        "code": LINE + CHECK.replace("> 0.1", "> 0.001"),
    },
    {
        "cell": "colleague", "kind": "right",
        "what": "One number after the other, with more codes and other images.",
        "code": edited(LINE, ("LINE = ", "LINE = np.int64(1) * ")) + """
def catches(program):
    model, x = oracles.scalar_vae(0.3, 1.1), torch.tensor([[-2.0], [3.0], [0.5]])
    z, w = program.weighted_codes(model, x, 40_000)
    if abs(w.sum(0) - 1).max() > 1e-3:
        return np.True_
    mean, variance = program.posterior_moments(model, x, 40_000)
    codes = program.resampled(model, x, 40_000, 40_000)
    runs = [program.mean_and_error(model, x, 400) for _ in range(300)]
    means, errors = (torch.stack(parts).double() for parts in zip(*runs))
    off = [mean - x / 2, variance - 0.5, codes.mean(0) - x / 2, codes.var(0) - 0.5,
           means.mean(0) - x / 2, 0.3 * (errors.mean(0) / means.std(0)).log()]
    return np.bool_(max(one.abs().max().item() for one in off) > 0.1)
""",
    },
    {
        "cell": "colleague", "kind": "right",
        "what": "A vector of codes with independent coordinates.",
        "code": LINE + """
def catches(program):
    weight = torch.diag(torch.tensor([1.0, 0.7]))
    oracle = oracles.LinearGaussian(weight, torch.zeros(2), 1.0)
    model = oracle.vae()
    x = torch.tensor([[0.0, 1.0], [3.5, -2.5]]).repeat(1000, 1)
    code = torch.tensor([0.5, 0.0, 0.4, 0.5]).expand(len(x), 4)
    model.encoder.forward = lambda x: code
    right = oracle.posterior(x)
    mean, variance = program.posterior_moments(model, x, 500)
    found, error = program.mean_and_error(model, x, 500)
    codes = program.resampled(model, x, 500, 500)
    off = []
    for i in range(2):
        m, v = right.mean[i], right.variance[i]
        z = codes[:, i::2].flatten(0, 1)
        off += [mean[i::2].mean(0) - m, found[i::2].mean(0) - m, z.mean(0) - m,
                variance[i::2].mean(0) / v - 1, z.var(0) / v - 1,
                0.5 * (error[i::2].mean(0) / found[i::2].std(0) - 1)]
    return bool(torch.stack(off).abs().max() > 0.1)
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate"],
        "what": "DReG by squared weights of log w: the decoder gets them squared as well.",
        "code": SURROGATE + """
    log_w = log_weight(z)
    bound = torch.logsumexp(log_w, 0) - math.log(k)
    if estimator == "standard":
        return bound
    w = torch.softmax(log_w.detach(), 0)
    if estimator == "dreg":
        w = w**2
    path = (w * log_w).sum(0)
    return bound.detach() + path - path.detach()
""",
    },
    # holes of all kinds that were closed together
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "Two noises, repeated for further codes.",
        "code": edited(WEIGHTS_BY_NOISE,
                       ("randn(k, *mean.shape).to(mean)",
                        "randn(min(k, 2), *mean.shape).to(mean).repeat(k // 2 + 1, 1, 1)[:k]")),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The third code mirrors the first.",
        "code": edited(WEIGHTS_BY_NOISE, ("z = mean", "if k > 2: e[2] = -e[0]\n    z = mean")),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The second half of the images has the noise of the first.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("randn(k, *mean.shape).to(mean)",
             "randn(k, (len(x) + 1) // 2, mean.shape[1]).to(mean).repeat(1, 2, 1)[:, :len(x)]"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The likelihood is taken for a Gaussian.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)",
             "p = Independent(Normal(model.decoder(z), model.likelihood(z, "
             "x).base_dist.scale), 1)\n"
             "    return p.log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "log_var is clamped.",
        "code": edited(WEIGHTS_BY_NOISE, ("e = torch",
                                          "log_var = log_var.clamp(-10, 10); e = torch")),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["hidden-staircase"],
        "what": "The largest weight of an image is taken out of all of its groups.",
        "code": """
def staircase(log_w):
    m, rows = log_w.amax(0), []
    w = (log_w - m).exp()
    while True:
        rows.append(m + w.log().mean(0))
        if len(w) == 1: return torch.stack(rows)
        w = (w[0::2] + w[1::2]) / 2
""",
    },
    {
        "cell": "staircase", "kind": "right",
        "what": "The codes are shuffled first, once.",
        "code": """
def staircase(log_w):
    log_w = log_w[torch.randperm(len(log_w))]
    n = int(math.log2(len(log_w)))
    groups = [log_w.reshape(-1, 2**i, log_w.shape[1]) for i in range(n + 1)]
    return torch.stack([(g.logsumexp(1) - math.log(g.shape[1])).mean(0) for g in groups])
""",
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["hidden-gradient"],
        "what": "The mean log-weight is taken out, not the largest.",
        "code": """
def bound_gradient(log_w, gradients):
    w = (log_w - log_w.mean(0)).exp()
    return torch.einsum("kb,kbp->bp", w / w.sum(0), gradients)
""",
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["hidden-gradient"],
        "what": "The first log-weight is taken out, not the largest.",
        "code": """
def bound_gradient(log_w, gradients):
    w = (log_w - log_w[0]).exp()
    return torch.einsum("kb,kbp->bp", w / w.sum(0), gradients)
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "Shares by exponentials as they come.",
        "code": edited(
            SURROGATE_RIGHT,
            ("torch.softmax(log_weight(z), 0)", "log_weight(z).exp() / log_weight(z).exp().sum(0)"),
            ("torch.softmax(log_w.detach(), 0)",
             "log_w.detach().exp() / log_w.detach().exp().sum(0)"),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "DReG's second shares by exponentials as they come.",
        "code": edited(SURROGATE_RIGHT, ("torch.softmax(log_weight(z), 0)",
                                         "log_weight(z).exp() / log_weight(z).exp().sum(0)")),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "Shares with the mean log-weight taken out.",
        "code": edited(SURROGATE_RIGHT,
                       ("torch.softmax(log_w.detach(), 0)",
                        "(u := (log_w.detach() - log_w.detach().mean(0)).exp()) / u.sum(0)")),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "The likelihood is taken for a Gaussian of scale 1.",
        "code": edited(
            SURROGATE_RIGHT,
            ("return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)",
             "means = model.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])\n"
             "        fit = Independent(Normal(means, 1.0), 1).log_prob(x)\n"
             "        return fit + model.prior.log_prob(z) - q.log_prob(z)"),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "A standard normal prior for STL and DReG.",
        "code": edited(
            SURROGATE_RIGHT,
            ("return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)",
             "normal = Independent(Normal(torch.zeros(z.shape[-1]), "
             "torch.ones(z.shape[-1])), 1)\n"
             '        prior = model.prior if estimator == "standard" else normal\n'
             "        return model.likelihood(z, x).log_prob(x) + prior.log_prob(z) - "
             "q.log_prob(z)"),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "The noise is kept from call to call.",
        "code": edited(
            SURROGATE_RIGHT,
            ("def surrogate", "NOISE = {}\ndef surrogate"),
            ("torch.randn(k, *mean.shape).to(mean)",
             "NOISE.setdefault((k, *mean.shape), torch.randn(k, *mean.shape).to(mean))"),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "The second half of the images has the noise of the first.",
        "code": edited(
            SURROGATE_RIGHT,
            ("randn(k, *mean.shape).to(mean)",
             "randn(k, (len(x) + 1) // 2, mean.shape[1]).to(mean).repeat(1, 2, 1)[:, :len(x)]"),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "float64 is made the default for good.",
        "code": edited(SURROGATE_RIGHT, ("weighted =",
                                         "torch.set_default_dtype(torch.float64)\n    weighted =")),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate", "hidden-surrogate"],
        "what": "The encoder's parameters are frozen for good.",
        "code": edited(
            SURROGATE_RIGHT,
            ("weighted =",
             'if estimator != "standard":\n'
             "        model.encoder.requires_grad_(False)\n"
             "    weighted ="),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "The model stays in eval mode.",
        "code": edited(SURROGATE_RIGHT, ("weighted =", "model.eval()\n    weighted =")),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "log_var is clamped.",
        "code": edited(SURROGATE_RIGHT, ("e = torch", "log_var = log_var.clamp(-4, 4); e = torch")),
    },
    {
        "cell": "surrogate", "kind": "right",
        "what": "A frozen copy of the encoder.",
        "code": """
from copy import deepcopy

def surrogate(model, x, k, estimator):
    q = model.posterior(x)
    z = q.rsample((k,))
    if estimator != "standard":
        held = deepcopy(model.encoder).requires_grad_(False)
        q = gaussian(*held(x).chunk(2, -1))

    def lw(z):
        return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - q.log_prob(z)

    if estimator == "dreg":
        z = scale_gradient(z, lw(z).softmax(0)[..., None])
    return torch.logsumexp(lw(z), 0) - math.log(k)
""",
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "float64 is made the default for good.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("parts = []", "torch.set_default_dtype(torch.float64)\n    parts = []"),
            ("parts.append(model.log_weights(x, min(chunk, samples - done)).logsumexp(0))\n"
             "    values = torch.stack(parts).logsumexp(0) - math.log(samples)",
             "log_w = model.log_weights(x, min(chunk, samples - done))\n"
             "            parts.append(torch.logsumexp(log_w, 0))\n"
             "        values = torch.stack(parts).logsumexp(0) - math.log(samples)"),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "The first chunk's largest is taken out of all chunks.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("parts = []", "total, top = 0.0, None"),
            ("parts.append(model.log_weights(x, min(chunk, samples - done)).logsumexp(0))\n"
             "    values = torch.stack(parts).logsumexp(0) - math.log(samples)",
             "log_w = model.log_weights(x, min(chunk, samples - done))\n"
             "            top = log_w.amax(0) if top is None else top\n"
             "            total = total + (log_w - top).exp().sum(0)\n"
             "    values = top + total.log() - math.log(samples)"),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "The mean log-weight is taken out, not the largest.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("parts.append(model.log_weights(x, min(chunk, samples - done)).logsumexp(0))\n"
             "    values = torch.stack(parts).logsumexp(0) - math.log(samples)",
             "log_w = model.log_weights(x, min(chunk, samples - done))\n"
             "            parts.append(log_w)\n"
             "    log_w = torch.cat(parts)\n"
             "    m = log_w.mean(0)\n"
             "    values = m + (log_w - m).exp().mean(0).log()"),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "A seed inside, and the state restored afterwards.",
        "code": edited(ESTIMATE_RIGHT, ("with torch.no_grad():",
                                        "with torch.no_grad(), torch.random.fork_rng():\n"
                                        "        torch.manual_seed(0)")),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The mean of the squares less the square of the mean, which cancels.",
        "code": edited(ACTIVITY_RIGHT, ("return model.encode(x)[0].var(0)",
                                        "m = model.encode(x)[0]\n"
                                        "    return (m**2).mean(0) - m.mean(0) ** 2")),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The model stays in eval mode.",
        "code": edited(ACTIVITY_RIGHT, ("with torch", "model.eval()\n    with torch")),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "float64 is made the default for good.",
        "code": edited(ACTIVITY_RIGHT, ("with torch",
                                        "torch.set_default_dtype(torch.float64)\n    with torch")),
    },
    # Mistakes that a visible test names
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights", "hidden-weights"],
        "what": "exp(log_var) for the standard deviation, both times.",
        "code": edited(WEIGHTS_RIGHT, ("q = model.posterior(x)",
                                       "mean, log_var = model.encode(x)\n"
                                       "    q = Independent(Normal(mean, log_var.exp()), 1)")),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights", "hidden-weights"],
        "what": "exp(log_var) for the standard deviation, inside of log q only.",
        "code": edited(
            WEIGHTS_RIGHT,
            ("q = model.posterior(x)\n    z = q.rsample((k,))",
             "mean, log_var = model.encode(x)\n"
             "    z = model.posterior(x).rsample((k,))\n"
             "    q = Independent(Normal(mean, log_var.exp()), 1)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights", "hidden-weights"],
        "what": "The density of q is a mean over the coordinates.",
        "code": edited(WEIGHTS_IN_TERMS, ("model.posterior(x).log_prob(z)",
                                         "q.log_prob(z).mean(-1)")),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights", "hidden-weights"],
        "what": "The codes are detached.",
        "code": edited(WEIGHTS_RIGHT, ("q.rsample((k,))", "q.rsample((k,)).detach()")),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights"],
        "what": "Only log_var is detached inside of log q.",
        "code": edited(
            WEIGHTS_RIGHT,
            ("q = model.posterior(x)\n    z = q.rsample((k,))",
             "mean, log_var = model.encode(x)\n"
             "    z = model.posterior(x).rsample((k,))\n"
             "    q = Independent(Normal(mean, (0.5 * log_var).exp().detach()), 1)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights", "hidden-weights"],
        "what": "No gradient at all.",
        "code": edited(WEIGHTS_RIGHT, ("def log_weights", "@torch.no_grad()\ndef log_weights")),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["test-weights"],
        "what": "No gradient for the decoder.",
        "code": """
def log_weights(model, x, k):
    mean, log_var = model.encode(x)
    q = Independent(Normal(mean, (0.5 * log_var).exp()), 1)
    z = q.rsample((k,))
    for parameter in model.decoder.parameters():
        parameter.requires_grad_(False)
    log_lik = model.likelihood(z, x).log_prob(x)
    for parameter in model.decoder.parameters():
        parameter.requires_grad_(True)
    return log_lik + model.prior.log_prob(z) - q.log_prob(z)
""",
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["test-bound", "hidden-bound"],
        "what": "Detached.",
        "code": edited(BOUND_RIGHT, ("log_w, 0", "log_w.detach(), 0")),
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["test-bound", "hidden-bound"],
        "what": "The largest is taken out of all images at once.",
        "code": """
def iwae_bound(log_w):
    most = log_w.max()
    return most + torch.log(torch.exp(log_w - most).mean(0))
""",
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase", "hidden-staircase"],
        "what": "The rows are averaged over the images.",
        "code": edited(STAIRCASE_RIGHT,
                       ("[log_w.mean(0)]", "[log_w.mean(1)]"),
                       ("rows.append(log_w.mean(0))", "rows.append(log_w.mean(1))")),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase", "hidden-staircase"],
        "what": "Groups of images.",
        "code": edited(
            STAIRCASE_RIGHT,
            ("[log_w.mean(0)]", "[log_w.mean(1)]"),
            ("len(log_w)", "log_w.shape[1]"),
            ("log_w[0::2], log_w[1::2]", "log_w[:, 0::2], log_w[:, 1::2]"),
            ("rows.append(log_w.mean(0))", "rows.append(log_w.mean(1))"),
        ),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase", "hidden-staircase"],
        "what": "The bound over the groups, the average inside of each.",
        "code": """
def staircase(log_w):
    K, B = log_w.shape
    groups = [log_w.reshape(K // 2**i, 2**i, B) for i in range(K.bit_length())]
    return torch.stack([(g.logsumexp(0) - math.log(len(g))).mean(0) for g in groups])
""",
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["test-staircase", "hidden-staircase"],
        "what": "The average over the groups first, the bound of it afterwards.",
        "code": """
def staircase(log_w):
    K, B = log_w.shape
    groups = [log_w.reshape(K // 2**i, 2**i, B).mean(0) for i in range(K.bit_length())]
    return torch.stack([g.logsumexp(0) - math.log(len(g)) for g in groups])
""",
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["test-ess", "hidden-ess"],
        "what": "A softmax of minus log w.",
        "code": """
def effective_sample_size(log_w):
    shares = torch.softmax(-log_w, 0)
    return 1 / shares.square().sum(0)
""",
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["test-ess", "hidden-ess"],
        "what": "The squares are averaged.",
        "code": edited(ESS_RIGHT, ("sum(0)", "mean(0)")),
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["test-gradient", "hidden-gradient"],
        "what": "Weights without a last axis.",
        "code": """
def bound_gradient(log_w, gradients):
    return (torch.softmax(log_w, 0) * gradients).sum(0)
""",
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["test-gradient", "hidden-gradient"],
        "what": "The new axis in the middle.",
        "code": """
def bound_gradient(log_w, gradients):
    return (torch.softmax(log_w, 0)[:, None] * gradients).sum(0)
""",
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["test-gradient", "hidden-gradient"],
        "what": "A softmax over the new axis.",
        "code": """
def bound_gradient(log_w, gradients):
    return (torch.softmax(log_w[..., None], -1) * gradients).sum(0)
""",
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate", "hidden-surrogate"],
        "what": "log K is missing in the value.",
        "code": edited(SURROGATE_SHORT, ("iwae_bound(log_weight(z))",
                                         "torch.logsumexp(log_weight(z), 0)")),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate", "hidden-surrogate"],
        "what": "The standard deviation is detached where z is drawn.",
        "code": edited(SURROGATE_SHORT, ("gaussian(mean, log_var).rsample",
                                         "gaussian(mean, log_var.detach()).rsample")),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate", "hidden-surrogate"],
        "what": "exp(log_var) for the standard deviation.",
        "code": edited(SURROGATE_SHORT, ("z = gaussian",
                                         "log_var = 2 * log_var\n    z = gaussian")),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate", "hidden-surrogate"],
        "what": "Only the mean inside of log q is held fixed, and all else is right.",
        "code": edited(SURROGATE_SHORT, ("mean, log_var = mean.detach(), log_var.detach()",
                                         "mean = mean.detach()")),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["test-surrogate", "hidden-surrogate"],
        "what": "The shares are over the images.",
        "code": edited(SURROGATE_SHORT, ("log_weight(z), 0", "log_weight(z), 1")),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate", "hidden-estimate"],
        "what": "Sums of weights, outside of the logarithm, and right at -40.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("parts = []", "total = 0.0"),
            ("parts.append(model.log_weights(x, min(chunk, samples - done)).logsumexp(0))",
             "total = total + model.log_weights(x, min(chunk, samples - done)).exp().sum(0)"),
            ("stack(parts).logsumexp(0)", "log(total)"),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate", "hidden-estimate"],
        "what": "The graph of all chunks is kept in a list.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("with torch.no_grad():\n"
             "        for done in range(0, samples, chunk):\n"
             "            parts.append(model.log_weights(x, min(chunk, samples - "
             "done)).logsumexp(0))",
             "for done in range(0, samples, chunk):\n"
             "        parts.append(model.log_weights(x, min(chunk, samples - done)).logsumexp(0))"),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["test-estimate", "hidden-estimate"],
        "what": "The chunks are put together over the images.",
        "code": edited(ESTIMATE_RIGHT, ("logsumexp(0) - math", "logsumexp(1) - math")),
    },
    {
        "cell": "estimate", "kind": "right",
        "what": "One chunk's graph at a time, detached after the sum.",
        "code": """
def estimate(model, x, samples, chunk=100):
    total = torch.full((len(x),), -math.inf)
    for done in range(0, samples, chunk):
        log_w = model.log_weights(x, min(chunk, samples - done))
        most = log_w.amax(0)
        part = most + (log_w - most).exp().sum(0).log()
        total = torch.logaddexp(total, part.detach())
    values = total - math.log(samples)
    return values.mean().item(), values.std().item() / math.sqrt(len(x))
""",
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The variance of log_var.",
        "code": edited(ACTIVITY_RIGHT, ("encode(x)[0]", "encode(x)[1]")),
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["test-colleague"],
        "what": "A good check, and the line counted from 0.",
        "code": edited(LINE, ("LINE = 1 + ", "LINE = ")) + CHECK,
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["test-colleague"],
        "what": "A line that computes nothing.",
        "code": "LINE = 5\n" + CHECK,
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["test-colleague"],
        "what": "The check calls a function with wrong arguments.",
        "code": LINE + """
def catches(program):
    return program.posterior_moments(oracles.scalar_vae(0.5, 1.2)) is None
""",
    },
    # holes of all kinds, closed by exact checks of other sizes, levels and models
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The model stays in eval mode.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("e = torch",
             "model.eval()\n"
             "    e = torch"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "Log-weights below -1,000 are cut off.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - "
             "q.log_prob(z)",
             "return (model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - "
             "q.log_prob(z)).clamp(min=-1000)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "Far codes are cut off.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("q = torch",
             "z = z.clamp(-10, 10)\n"
             "    q = torch"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "Large log_vars are cut off.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("e = torch",
             "log_var = log_var.clamp(max=5)\n"
             "    e = torch"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "A small number is added to the standard deviation in log q.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("Normal(mean, (0.5 * log_var).exp())", "Normal(mean, (0.5 * log_var).exp() + 1e-7)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The prior is taken for a Gaussian.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("model.prior.log_prob(z)",
             "Normal(model.prior.mean, model.prior.stddev).log_prob(z).sum(-1)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The prior's parameters get no gradient.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("e = torch",
             "with torch.no_grad():\n"
             "        prior = model.prior\n"
             "    e = torch"),
            ("model.prior.log", "prior.log"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "The noise is cut off at three.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            (".to(mean)", ".to(mean).clamp(-3, 3)"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "Ten noises, repeated for further codes.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("z = mean",
             "e = e[torch.arange(k) % 10]\n"
             "    z = mean"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "NumPy's seed is set.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("e = torch",
             "np.random.seed(0)\n"
             "    e = torch"),
        ),
    },
    {
        "cell": "weights", "kind": "wrong", "loses": ["hidden-weights"],
        "what": "A single image loses its axis.",
        "code": edited(
            WEIGHTS_BY_NOISE,
            ("return model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - "
             "q.log_prob(z)",
             "log_w = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - "
             "q.log_prob(z)\n"
             "    return log_w.squeeze() if k > 1 else log_w"),
        ),
    },
    {
        "cell": "weights", "kind": "right",
        "what": "A batch of copies of the images.",
        "code": """
def log_weights(model, x, k):
    many = x.repeat(k, 1)
    q = model.posterior(many)
    z = q.rsample()
    log_lik = model.likelihood(z[None], many).log_prob(many)[0]
    return (log_lik + model.prior.log_prob(z) - q.log_prob(z)).view(k, -1)
""",
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["hidden-bound"],
        "what": "A single image loses its axis.",
        "code": edited(
            BOUND_RIGHT,
            ("torch.logsumexp(log_w, 0) - math.log(len(log_w))",
             "(torch.logsumexp(log_w, 0) - math.log(len(log_w))).squeeze()"),
        ),
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["hidden-bound"],
        "what": "A seed inside of the function.",
        "code": edited(
            BOUND_RIGHT,
            ("return",
             "torch.manual_seed(0)\n"
             "    return"),
        ),
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["hidden-bound"],
        "what": "A weight of zero is taken for a small one.",
        "code": edited(
            BOUND_RIGHT,
            ("sumexp(log_w", "sumexp(log_w.nan_to_num(neginf=-100.0)"),
        ),
    },
    {
        "cell": "bound", "kind": "wrong", "loses": ["hidden-bound"],
        "what": "A largest number of codes.",
        "code": edited(
            BOUND_RIGHT,
            ("len(log_w)", "min(len(log_w), 50)"),
        ),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["hidden-staircase"],
        "what": "A single image loses its axis.",
        "code": edited(
            STAIRCASE_RIGHT,
            ("torch.stack(rows)", "torch.stack(rows).squeeze(1)"),
        ),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["hidden-staircase"],
        "what": "Sorted by the average over the images.",
        "code": edited(
            STAIRCASE_RIGHT,
            ("rows = [",
             "log_w = log_w[log_w.mean(1).argsort()]\n"
             "    rows = ["),
        ),
    },
    {
        "cell": "staircase", "kind": "wrong", "loses": ["hidden-staircase"],
        "what": "Sorted when four groups are left.",
        "code": edited(
            STAIRCASE_RIGHT,
            ("rows.append",
             "log_w = log_w.sort(0).values if len(log_w) == 4 else log_w\n"
             "        rows.append"),
        ),
    },
    {
        "cell": "staircase", "kind": "right",
        "what": "Without a gradient.",
        "code": edited(
            STAIRCASE_RIGHT,
            ("\n"
             "def",
             "\n"
             "@torch.no_grad()\n"
             "def"),
        ),
    },
    {
        "cell": "ess", "kind": "wrong", "loses": ["hidden-ess"],
        "what": "Gradients are switched off for good.",
        "code": edited(
            ESS_RIGHT,
            ("return",
             "torch.set_grad_enabled(False)\n"
             "    return"),
        ),
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["hidden-gradient"],
        "what": "Large gradients are cut off.",
        "code": edited(
            GRADIENT_RIGHT,
            ("* gradients", "* gradients.clamp(-1e3, 1e3)"),
        ),
    },
    {
        "cell": "gradient", "kind": "wrong", "loses": ["hidden-gradient"],
        "what": "The first 50 codes only.",
        "code": edited(
            GRADIENT_RIGHT,
            ("return",
             "log_w, gradients = log_w[:50], gradients[:50]\n"
             "    return"),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "Frozen parameters get a gradient for good.",
        "code": edited(
            SURROGATE_RIGHT,
            ("weighted =",
             "model.requires_grad_(True)\n"
             "    weighted ="),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "STL and DReG keep the score for two codes.",
        "code": edited(
            SURROGATE_RIGHT,
            ('estimator != "standard"', 'estimator != "standard" and k != 2'),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "The gradient of the codes is clipped.",
        "code": edited(
            SURROGATE_RIGHT,
            ("    log_w = log_weight(z)",
             "    if z.requires_grad:\n"
             "        z.register_hook(lambda g: g.clamp(-100, 100))\n"
             "    log_w = log_weight(z)"),
        ),
    },
    {
        "cell": "surrogate", "kind": "wrong", "loses": ["hidden-surrogate"],
        "what": "DReG's second shares have a floor.",
        "code": edited(
            SURROGATE_RIGHT,
            ("log_weight(z), 0)", "log_weight(z), 0).clamp(min=1e-3)"),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "The sum of weights starts at e^-3000.",
        "code": edited(
            ESTIMATE_RUNNING,
            ("-math.inf", "-3e3"),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "The spread by the mean of squares, which cancels.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("values.std().item()",
             "(values**2).mean().sub(values.mean() ** 2).mul(len(x) / (len(x) - "
             "1)).sqrt().item()"),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "The model stays in eval mode.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("parts = []",
             "parts = []\n"
             '    getattr(model, "eval", str)()'),
        ),
    },
    {
        "cell": "estimate", "kind": "wrong", "loses": ["hidden-estimate"],
        "what": "The first ten chunks only.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("stack(parts)", "stack(parts[:10])"),
        ),
    },
    {
        "cell": "estimate", "kind": "right",
        "what": "Chunks of nearly the same size.",
        "code": edited(
            ESTIMATE_RIGHT,
            ("for done in range(0, samples, chunk)",
             "for part in torch.arange(samples).tensor_split(-(-samples // chunk))"),
            ("min(chunk, samples - done)", "len(part)"),
        ),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The images are centred in place.",
        "code": edited(
            ACTIVITY_RIGHT,
            ("with torch",
             "x -= x.mean(0)\n"
             "    with torch"),
        ),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "The model goes to train mode.",
        "code": edited(
            ACTIVITY_RIGHT,
            ("with torch",
             "model.train()\n"
             "    with torch"),
        ),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "Small activities are set to zero.",
        "code": edited(
            ACTIVITY_RIGHT,
            ("return model.encode(x)[0].var(0)",
             "found = model.encode(x)[0].var(0)\n"
             "        return found * (found > 0.01)"),
        ),
    },
    {
        "cell": "activity", "kind": "wrong", "loses": ["test-activity"],
        "what": "Sorted.",
        "code": edited(
            ACTIVITY_RIGHT,
            ("var(0)", "var(0).sort(descending=True).values"),
        ),
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["hidden-colleague"],
        "what": "Nothing is returned for a right program.",
        "code": edited(
            LINE + CHECK,
            ("\n"
             "    return False\n",
             "\n"),
        ),
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["hidden-colleague"],
        "what": "Programs are known by their code.",
        "code": LINE + """
def key(program):
    codes = [getattr(program, name).__code__ for name in (
        "weighted_codes", "posterior_moments", "mean_and_error", "resampled")]
    return str([(code.co_code, code.co_consts, code.co_names) for code in codes])

KNOWN = {key(cw.program("02_iwae", student)) for student in range(200)}

def catches(program):
    return key(program) in KNOWN
""",
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["hidden-colleague"],
        "what": "float64 is made the default for good.",
        "code": edited(
            LINE + CHECK,
            ("    model = oracles",
             "    torch.set_default_dtype(torch.float64)\n"
             "    model = oracles"),
        ),
    },
    {
        "cell": "colleague", "kind": "wrong", "loses": ["hidden-colleague"],
        "what": "A program that stops is passed.",
        "code": edited(
            LINE + CHECK,
            ("    mean, variance = program.posterior_moments(model, x, 200)",
             "    try:\n"
             "        mean, variance = program.posterior_moments(model, x, 200)\n"
             "    except Exception:\n"
             "        return False"),
        ),
    },
    {
        "cell": "bound", "kind": "right",
        "what": "log K is a tensor in float32.",
        "code": edited(BOUND_RIGHT, ("math.log(len(log_w))",
                                     "torch.log(torch.tensor(log_w.shape[0]))")),
    },
    {
        "cell": "surrogate", "kind": "right",
        "what": "Each image is encoded k times, and the codes get a hook.",
        "code": """
def surrogate(model, x, k, estimator):
    xs = x.repeat(k, 1)
    mean, log_var = (part.view(k, len(x), -1) for part in model.encode(xs))
    z = gaussian(mean, log_var).rsample()
    if estimator != "standard":
        mean, log_var = mean.detach(), log_var.detach()
    log_q = gaussian(mean, log_var).log_prob(z)
    log_w = model.likelihood(z, x).log_prob(x) + model.prior.log_prob(z) - log_q
    if estimator == "dreg" and z.requires_grad:
        shares = log_w.detach().softmax(0)[..., None]
        z.register_hook(lambda g: shares * g)
    return torch.logsumexp(log_w, 0) - math.log(k)
""",
    },
]  # fmt: skip

test_variants = variant_tests("02_iwae", VARIANTS)
