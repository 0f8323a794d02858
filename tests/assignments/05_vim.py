"""Wrong and right answers to chapters/assignments/05_vim.ipynb.

Each replaces the whole source of one answer cell. The wrong ones fail exactly the test cells that
"loses" names, the right ones fail none.
"""

VARIANTS = []


def wrong(cell, what, loses, code):
    """loses: what follows the cell's name in the ids of the tests that fail, "" for the first."""
    VARIANTS.append(
        {
            "cell": cell,
            "kind": "wrong",
            "what": what,
            "code": code.strip("\n"),
            "loses": [f"test-{cell}{end}" for end in loses],
        }
    )


def right(cell, what, code):
    VARIANTS.append({"cell": cell, "kind": "right", "what": what, "code": code.strip("\n")})


# Part 1: the prior -------------------------------------------------------------------

wrong(
    "log-prior",
    "the logistic of unit scale, not of unit variance",
    [""],
    """
def log_prior(z):
    t = z.abs()
    return (-t - 2 * torch.log1p(torch.exp(-t))).sum(-1)
""",
)

wrong(
    "log-prior",
    "the formula as printed: it overflows in the left tail",
    [""],
    """
def log_prior(z):
    s = math.sqrt(3) / math.pi
    e = torch.exp(-z / s)
    return torch.log(e / (s * (1 + e) ** 2)).sum(-1)
""",
)

wrong(
    "log-prior",
    "in logs, but exp(-z / s) still overflows at -1000",
    [""],
    """
def log_prior(z):
    s = math.sqrt(3) / math.pi
    return (-z / s - 2 * torch.log1p(torch.exp(-z / s)) - math.log(s)).sum(-1)
""",
)

wrong(
    "log-prior",
    "one value for each coordinate",
    [""],
    """
def log_prior(z):
    s = math.sqrt(3) / math.pi
    t = z.abs() / s
    return -t - 2 * torch.log1p(torch.exp(-t)) - math.log(s)
""",
)

wrong(
    "log-prior",
    "ln s subtracted once for the code, not for each coordinate",
    [""],
    """
def log_prior(z):
    s = math.sqrt(3) / math.pi
    t = z.abs() / s
    return (-t - 2 * torch.log1p(torch.exp(-t))).sum(-1) - math.log(s)
""",
)

wrong(
    "log-prior",
    "codes cut to [-30, 30]: finite, but no gradient pulls a code back",
    [""],
    """
def log_prior(z):
    s = math.sqrt(3) / math.pi
    t = z.clamp(-30, 30) / s
    return (-t - 2 * torch.log1p(torch.exp(-t)) - math.log(s)).sum(-1)
""",
)

wrong(
    "log-prior",
    "the right normaliser around an exponent without the scale",
    [""],
    """
def log_prior(z):
    s = math.sqrt(3) / math.pi
    return (-z - 2 * torch.nn.functional.softplus(-z) - math.log(s)).sum(-1)
""",
)

right(
    "log-prior",
    "by softplus",
    """
def log_prior(z):
    t = z * math.pi / math.sqrt(3)
    log_p = -t - 2 * torch.nn.functional.softplus(-t)
    return (log_p + math.log(math.pi / math.sqrt(3))).sum(-1)
""",
)

right(
    "log-prior",
    "the recipe of torch.distributions: a uniform number, its logit, a scale",
    """
def log_prior(z):
    D = torch.distributions
    uniform = D.Uniform(torch.zeros_like(z[0]), torch.ones_like(z[0]))
    steps = [D.SigmoidTransform().inv, D.AffineTransform(0, math.sqrt(3) / math.pi)]
    return D.TransformedDistribution(uniform, steps).log_prob(z).sum(-1)
""",
)

right(
    "log-prior",
    "coordinate by coordinate, F(z) (1 - F(z)) / s in logs",
    """
def log_prior(z):
    s = math.sqrt(3.0) / math.pi
    total = 0
    for j in range(z.shape[1]):
        F = torch.nn.functional.logsigmoid(z[:, j] / s)
        total = total + F + torch.nn.functional.logsigmoid(-z[:, j] / s) - math.log(s)
    return total
""",
)

wrong(
    "prior-quantile",
    "unit scale",
    [""],
    """
def prior_quantile(u):
    tiny = torch.finfo(u.dtype).eps
    u = u.clamp(tiny, 1 - tiny)
    return torch.log(u) - torch.log1p(-u)
""",
)

wrong(
    "prior-quantile",
    "no care at the ends",
    [""],
    """
def prior_quantile(u):
    return math.sqrt(3) / math.pi * torch.log(u / (1 - u))
""",
)

wrong(
    "prior-quantile",
    "1 - 1e-8 is 1 in float32",
    [""],
    """
def prior_quantile(u):
    u = u.clamp(1e-8, 1 - 1e-8)
    return math.sqrt(3) / math.pi * torch.log(u / (1 - u))
""",
)

wrong(
    "prior-quantile",
    "a floor so high that the tails are cut",
    [""],
    """
def prior_quantile(u):
    u = u.clamp(1e-3, 1 - 1e-3)
    return math.sqrt(3) / math.pi * torch.log(u / (1 - u))
""",
)

wrong(
    "prior-quantile",
    "divided by s",
    [""],
    """
def prior_quantile(u):
    u = u.clamp(1e-7, 1 - 1e-7)
    return torch.logit(u) / (math.sqrt(3) / math.pi)
""",
)

wrong(
    "prior-quantile",
    "infinities replaced by the largest float",
    [""],
    """
def prior_quantile(u):
    return math.sqrt(3) / math.pi * torch.nan_to_num(torch.logit(u))
""",
)

wrong(
    "prior-quantile",
    "the draws of -z: the same distribution, but falling in u",
    [""],
    """
def prior_quantile(u):
    u = u.clamp(1e-7, 1 - 1e-7)
    return math.sqrt(3) / math.pi * (torch.log1p(-u) - torch.log(u))
""",
)

wrong(
    "prior-quantile",
    "u is cut in place: the caller's numbers change",
    [""],
    """
def prior_quantile(u):
    with torch.no_grad():
        u.clamp_(1e-7, 1 - 1e-7)
    return math.sqrt(3) / math.pi * torch.logit(u)
""",
)

right(
    "prior-quantile",
    "torch.logit with its own eps",
    """
def prior_quantile(u):
    return torch.logit(u, 1e-7) * 3**0.5 / torch.pi
""",
)

right(
    "prior-quantile",
    "in double precision, and back",
    """
def prior_quantile(u):
    v = u.double().clip(1e-12, 1 - 1e-12)
    return (math.sqrt(3) / math.pi * (v / (1 - v)).log()).to(u.dtype)
""",
)

# Part 2: entropy and information -----------------------------------------------------

wrong(
    "entropy",
    "the standard deviation taken for the logistic's scale",
    [""],
    """
def entropy(family, std):
    if family == "normal":
        return 0.5 * torch.log(2 * math.pi * math.e * std**2)
    if family == "logistic":
        return 2 + torch.log(std)
    raise ValueError(family)
""",
)

wrong(
    "entropy",
    "bits",
    [""],
    """
def entropy(family, std):
    if family == "normal":
        return 0.5 * torch.log2(2 * math.pi * math.e * std**2)
    if family == "logistic":
        return (2 + torch.log(std * math.sqrt(3) / math.pi)) / math.log(2)
    raise ValueError(family)
""",
)

wrong(
    "entropy",
    "std used as the variance: right at 1 only",
    [""],
    """
def entropy(family, std):
    if family == "normal":
        return 0.5 * torch.log(2 * math.pi * math.e * std)
    if family == "logistic":
        return 2 + torch.log(torch.sqrt(3 * std) / math.pi)
    raise ValueError(family)
""",
)

wrong(
    "entropy",
    "kept from falling below 0, as if it were the entropy of a discrete variable",
    [""],
    """
def entropy(family, std):
    if family == "normal":
        return torch.log(math.sqrt(2 * math.pi * math.e) * std).clamp(min=0)
    if family == "logistic":
        return (2 + torch.log(std * math.sqrt(3) / math.pi)).clamp(min=0)
    raise ValueError(family)
""",
)

right(
    "entropy",
    "the entropy of the standard form, and ln std",
    """
def entropy(family, std):
    normal = math.log(2 * math.pi * math.e) / 2
    unit = {"normal": normal, "logistic": 2 + math.log(3) / 2 - math.log(math.pi)}
    if family not in unit:
        raise ValueError(f"no entropy of {family} here")
    return unit[family] + std.log()
""",
)

right(
    "entropy",
    "torch's normal; the logistic by quadrature of -p ln p",
    """
def entropy(family, std):
    if family == "normal":
        return torch.distributions.Normal(torch.zeros_like(std), std).entropy()
    if family != "logistic":
        raise ValueError(family)
    t, step = torch.linspace(-60, 60, 12_001, dtype=torch.float64), 0.01
    log_p = -t - 2 * torch.nn.functional.softplus(-t)  # scale 1
    return -(log_p.exp() * log_p).sum() * step + torch.log(std * 3**0.5 / math.pi)
""",
)

wrong(
    "information",
    "the mixture is a sum, not a mean: ln N short",
    ["", "-hidden"],
    """
def information(z, mean, log_var):
    log_q = (-0.5 * ((z[:, None] - mean) ** 2 / log_var.exp() + log_var)).sum(-1)
    return (log_q.diagonal() - torch.logsumexp(log_q, 1)).mean()
""",
)

wrong(
    "information",
    "exp(log_var) taken for a standard deviation",
    ["-hidden"],
    """
def information(z, mean, log_var):
    log_q = (-0.5 * ((z[:, None] - mean) / log_var.exp()) ** 2 - log_var).sum(-1)
    return (log_q.diagonal() - torch.logsumexp(log_q, 1)).mean() + math.log(len(z))
""",
)

wrong(
    "information",
    "the coordinates' informations added up, as if they were independent",
    ["-hidden"],
    """
def information(z, mean, log_var):
    log_q = -0.5 * ((z[:, None] - mean) ** 2 / log_var.exp() + log_var)
    own = log_q.diagonal().T
    each = (own - torch.logsumexp(log_q, 1)).mean(0) + math.log(len(z))
    return each.sum().clamp(max=math.log(len(z)))
""",
)

wrong(
    "information",
    "the posterior of each code summed over codes: the wrong axis",
    ["", "-hidden"],
    """
def information(z, mean, log_var):
    log_q = (-0.5 * ((z[:, None] - mean) ** 2 / log_var.exp() + log_var)).sum(-1)
    return (log_q.diagonal() - torch.logsumexp(log_q, 0)).mean() + math.log(len(z))
""",
)

wrong(
    "information",
    "densities instead of their logs",
    ["", "-hidden"],
    """
def information(z, mean, log_var):
    q = torch.distributions.Normal(mean, (0.5 * log_var).exp())
    density = q.log_prob(z[:, None]).sum(-1).exp()
    return (torch.log(density.diagonal()) - torch.log(density.mean(1))).mean()
""",
)

wrong(
    "information",
    "without the own posterior in the mixture",
    ["", "-hidden"],
    """
def information(z, mean, log_var):
    log_q = (-0.5 * ((z[:, None] - mean) ** 2 / log_var.exp() + log_var)).sum(-1)
    own = log_q.diagonal()
    others = log_q.masked_fill(torch.eye(len(z), dtype=torch.bool), -math.inf)
    return (own - torch.logsumexp(others, 1)).mean() + math.log(len(z) - 1)
""",
)

wrong(
    "information",
    "the width of the posteriors left out of the density",
    ["-hidden"],
    """
def information(z, mean, log_var):
    log_q = (-0.5 * (z[:, None] - mean) ** 2 / log_var.exp()).sum(-1)
    return (log_q.diagonal() - torch.logsumexp(log_q, 1)).mean() + math.log(len(z))
""",
)

wrong(
    "information",
    "the average KL to the prior instead, an upper bound",
    ["", "-hidden"],
    """
def information(z, mean, log_var):
    return vl.gaussian_kl(mean, log_var).mean()
""",
)

right(
    "information",
    "torch.distributions, one posterior at a time",
    """
def information(z, mean, log_var):
    N, columns = len(z), []
    for m in range(N):
        q = torch.distributions.Normal(mean[m], torch.exp(log_var[m] / 2))
        columns.append(q.log_prob(z).sum(1))
    log_q = torch.stack(columns, dim=1)
    own = torch.diag(log_q)
    return torch.mean(own - torch.logsumexp(log_q, dim=1) + math.log(N))
""",
)

right(
    "information",
    "ratios to the own density, squares multiplied out by einsum",
    """
def information(z, mean, log_var):
    precision = torch.exp(-log_var)
    log_q = -0.5 * (torch.einsum("nq,mq->nm", z**2, precision)
                    - 2 * torch.einsum("nq,mq->nm", z, mean * precision)
                    + (mean**2 * precision + log_var).sum(1))
    ratio = log_q - log_q.diagonal()[:, None]
    return math.log(len(z)) - torch.logsumexp(ratio, 1).mean()
""",
)

# Part 3: the objective ---------------------------------------------------------------

_ROWS = """
def family_row(member, weight=1.0):
    rows = {"VAE": (0, 1), "beta-VAE": %s, "VIM": %s, "VAE+MMD": %s}
    if member not in rows:
        raise ValueError(member)
    return rows[member]
"""

wrong(
    "family-row",
    "beta-VAE as (0, beta): the ELBO with a divergence",
    [""],
    _ROWS % ("(0, weight)", "(1, weight)", "(0, 1 + weight)"),
)
wrong(
    "family-row",
    "alpha of the beta-VAE with the wrong sign",
    [""],
    _ROWS % ("(weight - 1, weight)", "(1, weight)", "(0, 1 + weight)"),
)
wrong(
    "family-row",
    "VIM with the KL left in",
    [""],
    _ROWS % ("(1 - weight, weight)", "(0, weight)", "(0, 1 + weight)"),
)
wrong(
    "family-row",
    "lam taken for the factor of D in the ELBO with a divergence",
    [""],
    _ROWS % ("(1 - weight, weight)", "(1, weight)", "(0, weight)"),
)

right(
    "family-row",
    "a chain of ifs, by the two factors",
    """
def family_row(member, weight=1.0):
    if member == "VAE":
        kl, d = 1, 0
    elif member == "beta-VAE":
        kl, d = weight, 0
    elif member == "VIM":
        kl, d = 0, weight
    elif member == "VAE+MMD":
        kl, d = 1, weight
    else:
        raise ValueError("unknown member " + member)
    alpha = 1 - kl
    return alpha, d + 1 - alpha
""",
)

_INFO = """
def info_vae(model, x, alpha, lam, divergence):
    if alpha + lam < 1:
        raise ValueError("alpha + lam")
    mean, log_var = model.encode(x)
    z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
    reconstruction = model.likelihood(z, x).log_prob(x)
    mismatch = divergence(z, model.prior.rsample((len(x),)))
    objective = reconstruction - (alpha + lam - 1) * mismatch
    if alpha != 1:
        objective = objective - (1 - alpha) * vl.gaussian_kl(mean, log_var)
    return {"objective": objective, "reconstruction": reconstruction, "divergence": mismatch}
"""
_DRAW = "mean + (0.5 * log_var).exp() * torch.randn_like(mean)"


def changed(*changes, code=_INFO):
    """The code with some of its parts changed."""
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


wrong(
    "info-vae",
    "lam as the factor of D",
    [""],
    changed(("(alpha + lam - 1) * mismatch", "lam * mismatch")),
)
wrong(
    "info-vae",
    "alpha, not 1 - alpha, as the price of the KL",
    [""],
    changed(("- (1 - alpha) * vl", "- alpha * vl")),
)
wrong(
    "info-vae",
    "the divergence is rewarded",
    [""],
    changed(("reconstruction - (alpha", "reconstruction + (alpha")),
)
wrong(
    "info-vae",
    "the reconstruction divided by the number of pixels",
    ["", "-hidden"],
    changed((".log_prob(x)\n", ".log_prob(x) / x.shape[1]\n")),
)
wrong(
    "info-vae",
    "the average over the batch instead of one value an image",
    ["", "-hidden"],
    changed((".log_prob(x)\n", ".log_prob(x).mean()\n")),
)
wrong(
    "info-vae",
    "the KL averaged over the coordinates",
    [""],
    changed(("vl.gaussian_kl(mean, log_var)", "vl.gaussian_kl(mean, log_var) / mean.shape[1]")),
)
wrong(
    "info-vae",
    "the mean is decoded, and compared",
    ["-hidden"],
    changed((_DRAW, "mean")),
)
wrong(
    "info-vae",
    "log_var taken for log std",
    ["-hidden"],
    changed(("(0.5 * log_var)", "log_var")),
)
wrong(
    "info-vae",
    "the prior of the code is forgotten: normal draws, whatever the model's prior",
    ["-hidden"],
    changed(("model.prior.rsample((len(x),))", "torch.randn_like(z)")),
)
wrong(
    "info-vae",
    "the divergence sees codes without a gradient",
    ["-hidden"],
    changed(("divergence(z, ", "divergence(z.detach(), ")),
)
wrong(
    "info-vae",
    "codes drawn without the path: no gradient reaches the encoder",
    ["-hidden"],
    changed((_DRAW, "model.posterior(x).sample()")),
)
wrong(
    "info-vae",
    "a row that rewards mismatch passes",
    ["-hidden"],
    changed(('    if alpha + lam < 1:\n        raise ValueError("alpha + lam")\n', "")),
)
wrong(
    "info-vae",
    "the posterior means are compared with the prior",
    ["-hidden"],
    changed(("divergence(z, ", "divergence(mean, ")),
)
wrong(
    "info-vae",
    "a KL is formed for alpha = 1 too, which a logistic prior has not",
    ["-training", "-hidden"],
    """
def info_vae(model, x, alpha, lam, divergence):
    if alpha + lam < 1:
        raise ValueError("alpha + lam")
    terms = vl.elbo(model, x)
    z = model.posterior(x).rsample()
    mismatch = divergence(z, model.prior.rsample((len(x),)))
    objective = terms["reconstruction"] - (1 - alpha) * terms["kl"]
    return {"objective": objective - (alpha + lam - 1) * mismatch,
            "reconstruction": terms["reconstruction"], "divergence": mismatch}
""",
)
wrong(
    "info-vae",
    "a number is taken out of the tensor: several seeds cannot be trained together",
    ["-training"],
    changed(('"divergence": mismatch}', '"divergence": torch.tensor(mismatch.item())}')),
)
wrong(
    "info-vae",
    "draws of the prior made once and used for ever",
    ["-hidden"],
    changed(
        ("divergence(z, model.prior.rsample((len(x),)))", "divergence(z, _draws(model, len(x)))"),
    )
    + """

_kept = {}


def _draws(model, n):
    key = n, model.latent_dim
    if key not in _kept:
        _kept[key] = model.prior.rsample((n,)).detach()
    return _kept[key]
""",
)

right(
    "info-vae",
    "the library's own draw, the KL by torch.distributions",
    """
def info_vae(model, x, alpha, lam, divergence):
    if alpha + lam < 1:
        raise ValueError("this row rewards mismatch")
    z, q = model.draw(x, 1)
    terms = {"reconstruction": model.likelihood(z, x).log_prob(x)[0]}
    terms["divergence"] = divergence(z[0], model.prior.sample((x.shape[0],)))
    terms["objective"] = terms["reconstruction"] + (1 - alpha - lam) * terms["divergence"]
    if alpha != 1:
        kl = torch.distributions.kl_divergence(q, model.prior)
        terms["objective"] = terms["objective"] + (alpha - 1) * kl
    return terms
""",
)

right(
    "info-vae",
    "one draw of a code to decode and one to compare; the divergence logged without gradient",
    """
def info_vae(model, x, alpha, lam, divergence):
    price_kl, price_d = 1 - alpha, alpha + lam - 1
    if price_d < 0:
        raise ValueError(f"the price of D is {price_d}")
    mu, log_var = model.encode(x)
    sigma = torch.exp(log_var / 2)
    log_p = model.likelihood(mu + sigma * torch.randn_like(sigma), x).log_prob(x)
    d = divergence(mu + sigma * torch.randn_like(sigma), model.prior.rsample((len(mu),)))
    kl = 0 if price_kl == 0 else 0.5 * (mu**2 + sigma**2 - 1 - log_var).sum(1)
    total = log_p - price_kl * kl - price_d * d
    return {"objective": total, "reconstruction": log_p, "divergence": d.detach()}
""",
)

# Part 4: noise, and pairs ------------------------------------------------------------

_NOISE = """
def correct_under_noise(classify, x, labels, levels, draws, seed):
    generator = torch.Generator().manual_seed(seed)
    noise, shares = torch.randn(draws, *x.shape, generator=generator), []
    for level in levels:
        right = [(classify((x + level * e).clamp(0, 1)) == labels).float() for e in noise]
        shares.append(torch.stack(right).mean(0))
    return torch.stack(shares)
"""

wrong(
    "correct-under-noise",
    "no seed: every model sees other noise",
    ["", "-hidden"],
    """
def correct_under_noise(classify, x, labels, levels, draws, seed):
    rows = []
    for level in levels:
        right = [classify(vl.disturb(x, "gaussian", level)) == labels for _ in range(draws)]
        rows.append(torch.stack(right).float().mean(0))
    return torch.stack(rows)
""",
)

wrong(
    "correct-under-noise",
    "the global generator is seeded and not given back",
    ["-hidden"],
    """
def correct_under_noise(classify, x, labels, levels, draws, seed):
    torch.manual_seed(seed)
    rows = []
    for level in levels:
        right = [classify(vl.disturb(x, "gaussian", level)) == labels for _ in range(draws)]
        rows.append(torch.stack(right).float().mean(0))
    return torch.stack(rows)
""",
)

wrong(
    "correct-under-noise",
    "the generator starts anew for each draw, so all draws are one",
    ["", "-hidden"],
    """
def correct_under_noise(classify, x, labels, levels, draws, seed):
    rows = []
    for level in levels:
        right = []
        for _ in range(draws):
            noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
            right.append(classify((x + level * noise).clamp(0, 1)) == labels)
        rows.append(torch.stack(right).float().mean(0))
    return torch.stack(rows)
""",
)

wrong(
    "correct-under-noise",
    "level as a variance",
    ["", "-hidden"],
    _NOISE.replace("level *", "level**0.5 *"),
)

wrong(
    "correct-under-noise",
    "pixels below 0 and above 1",
    [""],
    _NOISE.replace("(x + level * e).clamp(0, 1)", "x + level * e"),
)

wrong(
    "correct-under-noise",
    "averaged over the pictures, so that nothing is left to pair",
    ["", "-hidden"],
    _NOISE.replace(".mean(0)", ".mean(1)"),
)

wrong(
    "correct-under-noise",
    "noise upon noise: each level and draw adds to the last, in place",
    ["", "-hidden"],
    """
def correct_under_noise(classify, x, labels, levels, draws, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for level in levels:
        right = []
        for _ in range(draws):
            x += level * torch.randn(x.shape, generator=generator)
            x.clamp_(0, 1)
            right.append(classify(x) == labels)
        rows.append(torch.stack(right).float().mean(0))
    return torch.stack(rows)
""",
)

wrong(
    "correct-under-noise",
    "the draws of a picture share most of their noise",
    ["", "-hidden"],
    _NOISE.replace("\n    for", "\n    noise = 0.6 * noise + 0.8 * noise[0]\n    for"),
)

wrong(
    "correct-under-noise",
    "seed 0 whatever is asked for",
    ["-hidden"],
    _NOISE.replace("manual_seed(seed)", "manual_seed(0)"),
)

right(
    "correct-under-noise",
    "the library's noise in a fork of the generator",
    """
def correct_under_noise(classify, x, labels, levels, draws, seed):
    found = torch.zeros(len(levels), len(x))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for i, level in enumerate(levels):
            for _ in range(draws):
                found[i] += classify(vl.disturb(x, "gaussian", level)) == labels
    return found / draws
""",
)

right(
    "correct-under-noise",
    "all draws as one batch, noise by numpy",
    """
def correct_under_noise(classify, x, labels, levels, draws, seed):
    rng, rows = np.random.default_rng(seed), []
    for level in levels:
        noise = level * rng.standard_normal((draws, *x.shape))
        noisy = np.clip(x.numpy() + noise, 0, 1).astype(np.float32)
        said = classify(torch.from_numpy(noisy).flatten(0, 1)).reshape(draws, len(x))
        rows.append((said == labels).double().mean(0))
    return torch.stack(rows)
""",
)

_PAIRED = """
def paired(a, b, over=0):
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or a.shape[over] < 2:
        raise ValueError("paired")
    d = np.moveaxis(a - b, over, 0)
    d = d.reshape(len(d), -1).mean(1)
    n = len(d)
    sd = d.std(ddof=1)
    half = stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n)
    return {"mean": d.mean(), "sd": sd, "low": d.mean() - half, "high": d.mean() + half}
"""


def wrong_pairs(what, *changes):
    wrong("paired", what, ["", "-hidden"], changed(*changes, code=_PAIRED))


_T = "stats.t.ppf(0.975, n - 1)"
wrong_pairs("the variance of a population: ddof=0", ("std(ddof=1)", "std()"))
wrong_pairs("1.96 for three seeds", (_T, "1.96"))
wrong_pairs("the spread of one run, not of the mean", (" / np.sqrt(n)", ""))
wrong_pairs("5 % on each side", (_T, "stats.t.ppf(0.95, n - 1)"))
wrong_pairs("n degrees of freedom", (_T, "stats.t.ppf(0.975, n)"))
wrong_pairs("b - a", ("moveaxis(a - b", "moveaxis(b - a"))
wrong_pairs("pseudoreplication: every number a unit", ("reshape(len(d), -1).mean(1)", "ravel()"))
wrong_pairs("the root of all numbers, not of the units", ("np.sqrt(n)", "np.sqrt(a.size)"))
wrong_pairs(
    "not paired: two variances added",
    (
        "sd = d.std(ddof=1)",
        "u, v = (np.moveaxis(x, over, 0).reshape(n, -1).mean(1) for x in (a, b))\n"
        "    sd = np.sqrt(u.var(ddof=1) + v.var(ddof=1))",
    ),
)

wrong(
    "paired",
    "an interval for each picture by itself",
    ["", "-hidden"],
    """
def paired(a, b, over=0):
    d = np.asarray(a) - np.asarray(b)
    n, mean, sd = d.shape[over], d.mean(over), d.std(over, ddof=1)
    half = stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n)
    return {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half}
""",
)

wrong(
    "paired",
    "over is ignored: always the first axis",
    ["-hidden"],
    changed(("np.moveaxis(a - b, over, 0)", "a - b"), code=_PAIRED),
)
wrong(
    "paired",
    "a single unit passes, with an interval of nan",
    ["-hidden"],
    changed((" or a.shape[over] < 2", ""), code=_PAIRED),
)

right(
    "paired",
    "sums by hand, the interval by scipy",
    """
def paired(a, b, over=0):
    a, b = np.array(a, dtype=float), np.array(b, dtype=float)
    if a.shape != b.shape:
        raise ValueError("a and b do not match")
    n = a.shape[over]
    if n < 2:
        raise ValueError("one unit has no spread")
    d = [np.mean(np.take(a, i, axis=over) - np.take(b, i, axis=over)) for i in range(n)]
    mean = sum(d) / n
    sd = math.sqrt(sum((value - mean) ** 2 for value in d) / (n - 1))
    low, high = stats.t.interval(0.95, n - 1, loc=mean, scale=sd / n**0.5)
    return dict(mean=mean, sd=sd, low=low, high=high)
""",
)

right(
    "paired",
    "scipy's test of paired samples, on the units' means",
    """
def paired(a, b, over=0):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.shape[over] < 2:
        raise ValueError("paired needs equal shapes and two units")
    others = tuple(axis for axis in range(a.ndim) if axis != over % a.ndim)
    a, b = a.mean(axis=others), b.mean(axis=others)
    interval = stats.ttest_rel(a, b).confidence_interval(0.95)
    return {"mean": np.mean(a - b), "sd": np.std(a - b, ddof=1),
            "low": interval.low, "high": interval.high}
""",
)
