"""Wrong and right answers to chapters/assignments/05_vim.ipynb.

Each replaces the whole source of one answer cell. The wrong ones fail exactly the test cells that
"loses" names, the right ones fail none.
"""

from harness import edited, variants
from variant_tests import variant_tests

VARIANTS, wrong, right = variants()


# Part 1: the prior -------------------------------------------------------------------

_LOG_PRIOR = """
def log_prior(z):
    s = math.sqrt(3) / math.pi
    t = z.abs() / s
    return (-t - 2 * torch.log1p(torch.exp(-t)) - math.log(s)).sum(-1)
"""

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
    edited(
        _LOG_PRIOR,
        ("t = z.abs() / s", "e = torch.exp(-z / s)"),
        (
            "(-t - 2 * torch.log1p(torch.exp(-t)) - math.log(s))",
            "torch.log(e / (s * (1 + e) ** 2))",
        ),
    ),
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
    edited(
        _LOG_PRIOR,
        (
            "(-t - 2 * torch.log1p(torch.exp(-t)) - math.log(s)).sum(-1)",
            "-t - 2 * torch.log1p(torch.exp(-t)) - math.log(s)",
        ),
    ),
)

wrong(
    "log-prior",
    "ln s subtracted once for the code, not for each coordinate",
    [""],
    edited(
        _LOG_PRIOR,
        (
            "(-t - 2 * torch.log1p(torch.exp(-t)) - math.log(s)).sum(-1)",
            "(-t - 2 * torch.log1p(torch.exp(-t))).sum(-1) - math.log(s)",
        ),
    ),
)

wrong(
    "log-prior",
    "codes cut to [-30, 30]: finite, but no gradient pulls a code back",
    [""],
    edited(_LOG_PRIOR, ("z.abs()", "z.clamp(-30, 30)")),
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
    "log-prior",
    "computed without gradients: codes are never pulled back",
    [""],
    edited(_LOG_PRIOR, ("def log_prior(z):", "@torch.no_grad()\ndef log_prior(z):")),
)

wrong(
    "log-prior",
    "the library's density under another name",
    [""],
    """
from vaelib import logistic_unit_variance as made


def log_prior(z):
    return made(z.shape[1]).to(z.dtype)().log_prob(z)
""",
)

wrong(
    "log-prior",
    "always float32",
    [""],
    """
def log_prior(z):
    t = z.float().abs() * math.pi / math.sqrt(3)
    each = -t - 2 * torch.log1p(torch.exp(-t)) + math.log(math.pi / math.sqrt(3))
    return each.sum(-1)
""",
)

wrong(
    "log-prior",
    "the codes are scaled in place",
    [""],
    edited(
        _LOG_PRIOR,
        ("t = z.abs() / s", "t = z.detach().div_(s).abs() if not z.requires_grad else z.abs() / s"),
    ),
)

wrong(
    "log-prior",
    "ln s for two coordinates, whatever their number",
    [""],
    edited(
        _LOG_PRIOR,
        (
            "(-t - 2 * torch.log1p(torch.exp(-t)) - math.log(s)).sum(-1)",
            "(-t - 2 * torch.log1p(torch.exp(-t))).sum(-1) - 2 * math.log(s)",
        ),
    ),
)

right(
    "log-prior",
    "in double precision and back, constants of numpy",
    """
def log_prior(z):
    s = np.sqrt(3) / np.pi
    t = torch.abs(z.double() / s)
    each = -t - 2 * torch.nn.functional.softplus(-t) - np.log(s)
    return torch.sum(each, dim=1).to(z.dtype)
""",
)

right("log-prior", "ready-made", 'log_prior = cw.ready_made("05_vim", "log_prior")')
right("prior-quantile", "ready-made", 'prior_quantile = cw.ready_made("05_vim", "prior_quantile")')
right("info-vae", "ready-made", 'info_vae = cw.ready_made("05_vim", "info_vae")')
right(
    "correct-under-noise",
    "ready-made",
    'correct_under_noise = cw.ready_made("05_vim", "correct_under_noise")',
)
right("crossed", "ready-made", 'crossed = cw.ready_made("05_vim", "crossed")')

wrong(
    "prior-quantile",
    "computed without gradients",
    [""],
    """
@torch.no_grad()
def prior_quantile(u):
    return torch.logit(u, 1e-7) * math.sqrt(3) / math.pi
""",
)

wrong(
    "prior-quantile",
    "the result in another dtype",
    [""],
    """
def prior_quantile(u):
    return torch.logit(u.double(), 1e-12) * math.sqrt(3) / math.pi
""",
)

wrong(
    "prior-quantile",
    "float32 inside, for float64 too",
    [""],
    """
def prior_quantile(u):
    return (torch.logit(u.float(), 1e-7) * math.sqrt(3) / math.pi).to(u.dtype)
""",
)

wrong(
    "prior-quantile",
    "the ends are sent to the middle",
    [""],
    """
def prior_quantile(u):
    z = math.sqrt(3) / math.pi * torch.logit(u)
    return torch.where(z.isfinite(), z, torch.zeros_like(z))
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

# Part 2: a colleague's program -------------------------------------------------------

_LINE = """
lines = mine.source.splitlines()
LINE = 1 + [line.strip() for line in lines].index("codes = mean + log_var.exp() * noise")
"""
_CASES = """
def catches(program):
    g = torch.Generator().manual_seed(4)
    mean = 2 * torch.randn(150, 1, generator=g) + 0.7 * torch.randn(150, 2, generator=g)
    log_var = 0.8 * torch.randn(150, 2, generator=g) - 0.5
    found = program.surgery(mean, log_var, draws=60, seed=0)
    more = program.surgery(mean, log_var, draws=60, seed=1)
    spread = 0.1
    q = torch.distributions.Normal(mean, (0.5 * log_var).exp())
    z = q.sample((60,))
    own = q.log_prob(z).sum(-1)
    every = torch.stack([torch.distributions.Normal(m, s).log_prob(z).sum(-1)
                         for m, s in zip(mean, (0.5 * log_var).exp())])
    told = (own - torch.logsumexp(every, 0)).mean().item() + math.log(150)
    kl = vl.gaussian_kl(mean, log_var).mean().item()
    known = {"kl": kl, "information": told, "mismatch": kl - told}
    off = {key: abs(0.5 * (found[key] + more[key]) - known[key]) for key in known}
    apart = torch.cumsum(20 + torch.zeros(150, 2), 0)
    alone = program.surgery(apart, 0 * apart, draws=1)["information"]
    return max(off.values()) > spread or abs(alone - math.log(150)) > 0.001
"""

_CASES_IN_LINES = edited(
    _CASES + _LINE,
    (
        "every = torch.stack([torch.distributions.Normal(m, s).log_prob(z).sum(-1)\n"
        "                         for m, s in zip(mean, (0.5 * log_var).exp())])",
        "every = torch.stack(\n"
        "        [\n"
        "            torch.distributions.Normal(m, s).log_prob(z).sum(-1)\n"
        "            for m, s in zip(mean, (0.5 * log_var).exp())\n"
        "        ]\n"
        "    )",
    ),
    ("lines = mine", "\nlines = mine"),
)

wrong("mistake", "a guess: every program is wrong", [""], "def catches(program):\n"
      "    return True\n" + _LINE)  # fmt: skip
wrong("mistake", "the check is right, the line is not", [""], _CASES + "\nLINE = 28\n")
wrong(
    "mistake",
    "the text is compared, not what is computed",
    ["", "-hidden"],
    """
def catches(program):
    return program.source == mine.source
"""
    + _LINE,
)
wrong(
    "mistake",
    "equal to the own program: other mistakes and other right forms are not told apart",
    ["-hidden"],
    """
def catches(program):
    g = torch.Generator().manual_seed(4)
    mean, log_var = torch.randn(2, 150, 2, generator=g)
    return program.surgery(mean, log_var) == mine.surgery(mean, log_var)
"""
    + _LINE,
)
wrong(
    "mistake",
    "unlike a right program to the last digit: other right forms are refused",
    [""],
    """
known = {"kl": 0.6, "information": 0.0, "mismatch": 0.6}


def catches(program):
    few = torch.zeros(40, 2)
    found = program.surgery(few, few - 1, draws=3, seed=0)
    return any(abs(found[key] - known[key]) > 1e-6 for key in known)
"""
    + _LINE,
)
wrong(
    "mistake",
    "a tolerance below the spread of the draws",
    [""],
    edited(_CASES, ("spread = 0.1", "spread = 0.001")) + _LINE,
)
wrong(
    "mistake",
    "only the average KL is held against its closed form",
    ["-hidden"],
    """
def catches(program):
    g = torch.Generator().manual_seed(4)
    mean, log_var = torch.randn(2, 150, 2, generator=g)
    found = program.surgery(mean, log_var, draws=50, seed=0)
    return abs(found["kl"] - vl.gaussian_kl(mean, log_var).mean().item()) > 0.1
"""
    + _LINE,
)
wrong(
    "mistake",
    "information and mismatch must add up, which they always do",
    [""],
    """
def catches(program):
    g = torch.Generator().manual_seed(4)
    found = program.surgery(*torch.randn(2, 150, 2, generator=g), draws=5)
    return abs(found["kl"] - found["information"] - found["mismatch"]) > 1e-3
"""
    + _LINE,
)
wrong(
    "mistake",
    "no more pictures than a batch: a mixture of the batch is not seen",
    ["-hidden"],
    _CASES.replace("150", "90") + _LINE,
)
wrong(
    "mistake",
    "the own program is run, whatever is asked about",
    ["", "-hidden"],
    _CASES.replace("program.surgery", "mine.surgery") + _LINE,
)

right("mistake", "a mixture in a loop, two seeds", _CASES + _LINE)
right(
    "mistake",
    "three experiments with known values: closed KL, ln N, equal posteriors with a turn",
    """
def catches(program):
    g = torch.Generator().manual_seed(9)
    mean, log_var = torch.randn(150, 3, generator=g), torch.randn(150, 3, generator=g) - 1
    closed = vl.gaussian_kl(mean, log_var).mean().item()
    if abs(program.surgery(mean, log_var, draws=40)["kl"] - closed) > 0.15:
        return True
    apart = 50.0 * torch.randperm(120, generator=g)[:, None] + torch.zeros(120, 4)
    told = program.surgery(apart, apart * 0 - 4)["information"]
    if abs(told - math.log(120)) > 0.01:
        return True
    two = torch.tensor([1.0, -1.0]).repeat(60)[:, None] * torch.ones(120, 2)
    told = program.surgery(two, 0 * two, draws=400)["information"]
    exact = oracles.two_gaussian_information(2**0.5)  # the distance along the diagonal
    unequal = program.surgery(0 * two, torch.linspace(-3, 3, 120)[:, None] + 0 * two, 200)
    return bool(abs(told - exact) > 0.02) or unequal["mismatch"] < 0


from vaelib import oracles
"""
    + _LINE,
)

# Part 3: the objective ---------------------------------------------------------------

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
_INFO_IN_LINES = edited(
    _INFO,
    (
        'return {"objective": objective, "reconstruction": reconstruction, "divergence": mismatch}',
        "return {\n"
        '        "objective": objective,\n'
        '        "reconstruction": reconstruction,\n'
        '        "divergence": mismatch,\n'
        "    }",
    ),
)

_DRAW = "mean + (0.5 * log_var).exp() * torch.randn_like(mean)"


wrong(
    "info-vae",
    "lam as the factor of D",
    [""],
    edited(_INFO, ("(alpha + lam - 1) * mismatch", "lam * mismatch")),
)
wrong(
    "info-vae",
    "alpha, not 1 - alpha, as the price of the KL",
    [""],
    edited(_INFO, ("- (1 - alpha) * vl", "- alpha * vl")),
)
wrong(
    "info-vae",
    "the divergence is rewarded",
    [""],
    edited(_INFO, ("reconstruction - (alpha", "reconstruction + (alpha")),
)
wrong(
    "info-vae",
    "the reconstruction divided by the number of pixels",
    ["", "-gradient"],
    edited(_INFO, (".log_prob(x)\n", ".log_prob(x) / x.shape[1]\n")),
)
wrong(
    "info-vae",
    "the average over the batch instead of one value an image",
    [""],
    edited(_INFO, (".log_prob(x)\n", ".log_prob(x).mean()\n")),
)
wrong(
    "info-vae",
    "the KL averaged over the coordinates",
    [""],
    edited(
        _INFO, ("vl.gaussian_kl(mean, log_var)", "vl.gaussian_kl(mean, log_var) / mean.shape[1]")
    ),
)
wrong(
    "info-vae",
    "the mean is decoded, and compared",
    ["-gradient", "-training"],
    edited(_INFO, (_DRAW, "mean")),
)
wrong(
    "info-vae",
    "log_var taken for log std",
    ["-gradient", "-training"],
    edited(_INFO, ("(0.5 * log_var)", "log_var")),
)
wrong(
    "info-vae",
    "the prior of the code is forgotten: normal draws, whatever the model's prior",
    ["-training"],
    edited(_INFO, ("model.prior.rsample((len(x),))", "torch.randn_like(z)")),
)
wrong(
    "info-vae",
    "the divergence sees codes without a gradient",
    ["-gradient"],
    edited(_INFO, ("divergence(z, ", "divergence(z.detach(), ")),
)
wrong(
    "info-vae",
    "codes drawn without the path: no gradient reaches the encoder",
    ["-gradient"],
    edited(_INFO, (_DRAW, "model.posterior(x).sample()")),
)
wrong(
    "info-vae",
    "a row that rewards mismatch passes",
    [""],
    edited(_INFO, ('    if alpha + lam < 1:\n        raise ValueError("alpha + lam")\n', "")),
)
wrong(
    "info-vae",
    "the posterior means are compared with the prior",
    ["-training"],
    edited(_INFO, ("divergence(z, ", "divergence(mean, ")),
)
wrong(
    "info-vae",
    "a KL is formed for alpha = 1 too, which a logistic prior has not",
    ["-training"],
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
    edited(_INFO, ('"divergence": mismatch}', '"divergence": torch.tensor(mismatch.item())}')),
)
wrong(
    "info-vae",
    "draws of the prior made once and used for ever",
    ["-training"],
    edited(
        _INFO,
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

_KL = "vl.gaussian_kl(mean, log_var)"


def untrained(what, *changes):
    wrong("info-vae", what, ["-gradient"], edited(_INFO, *changes))


def dependent(what, *changes):
    wrong("info-vae", what, ["-training"], edited(_INFO, *changes))


untrained("the KL is charged but not trained: the VAE is none", (_KL, f"{_KL}.detach()"))
untrained("the KL of the mean only is trained", (_KL, "vl.gaussian_kl(mean, log_var.detach())"))
untrained("the KL of the width only is trained", (_KL, "vl.gaussian_kl(mean.detach(), log_var)"))
untrained(
    "the divergence is reported, not trained",
    ("(alpha + lam - 1) * mismatch", "(alpha + lam - 1) * mismatch.detach()"),
)
untrained("the width of the draws is not trained", ("(0.5 * log_var)", "(0.5 * log_var.detach())"))
untrained("the decoder is not trained", ("    objective = rec", "    objective = 0 * rec"))
untrained(
    "a second, detached code is decoded",
    ("model.likelihood(z, x)", "model.likelihood(z.detach(), x)"),
)
wrong(
    "info-vae",
    "one noise for all coordinates of a code",
    ["-training"],
    edited(_INFO, ("torch.randn_like(mean)", "torch.randn_like(mean[:, :1])")),
)
dependent("one noise for all pictures", ("randn_like(mean)", "randn_like(mean[:1])"))
dependent(
    "one draw of the prior, repeated",
    ("model.prior.rsample((len(x),))", "model.prior.rsample((1,)).expand(len(x), -1)"),
)
dependent(
    "codes and draws of the prior from one noise",
    (
        "    mismatch =",
        "    torch.manual_seed(len(seen_)), seen_.append(0)\n    mismatch =",
    ),
    ("model.prior.rsample((len(x),))", "9.069 * (z - mean) / (0.5 * log_var).exp()"),
)
VARIANTS[-1]["code"] = "seen_ = []\n\n\n" + VARIANTS[-1]["code"]
dependent(
    "the global seed is set inside: every batch has the same noise",
    ("    mean, log_var = model", "    torch.manual_seed(0)\n    mean, log_var = model"),
)
dependent(
    "gradients are switched off for good",
    ("    objective = rec", "    torch.set_grad_enabled(False)\n    objective = rec"),
)
wrong(
    "info-vae",
    "the library's function under another name",
    ["-training"],
    """
from vaelib import info_vae as made


def info_vae(model, x, alpha, lam, divergence):
    if alpha + lam < 1:
        raise ValueError("alpha + lam")
    return made(model, x, alpha, lam, divergence)
""",
)
wrong(
    "info-vae",
    "the pictures are cut to [0, 1] in place",
    [""],
    edited(
        _INFO, ("    mean, log_var = model", "    x.clamp_(-0.5, 1)\n    mean, log_var = model")
    ),
)
wrong(
    "info-vae",
    "pictures are made float32",
    [""],
    edited(_INFO, ("    mean, log_var = model", "    x = x.float()\n    mean, log_var = model")),
)

right(
    "info-vae",
    "all terms in one sum, the noise from NumPy's shape, the KL by hand",
    """
def info_vae(model, x, alpha, lam, divergence):
    if not alpha + lam - 1 >= 0:
        raise ValueError("alpha + lam is below 1")
    mu, log_var = model.encode(x)
    noise = torch.randn(mu.shape, dtype=mu.dtype)
    z = torch.addcmul(mu, torch.sqrt(torch.exp(log_var)), noise)
    out = {"reconstruction": model.likelihood(z, x).log_prob(x),
           "divergence": divergence(z, model.prior.rsample([x.shape[0]]))}
    terms = [out["reconstruction"], -(lam + alpha - 1) * out["divergence"].expand(len(x))]
    if abs(1 - alpha) > 0:
        each = torch.square(mu) + torch.exp(log_var) - 1 - log_var
        terms.append((alpha - 1) * each.sum(-1) / 2)
    return {"objective": sum(terms), **out}
""",
)

# Part 4: noise, and the split of a variance -------------------------------------------

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
    edited(_NOISE, ("level *", "level**0.5 *")),
)

wrong(
    "correct-under-noise",
    "pixels below 0 and above 1",
    [""],
    edited(_NOISE, ("(x + level * e).clamp(0, 1)", "x + level * e")),
)

wrong(
    "correct-under-noise",
    "averaged over the pictures, so that nothing is left to pair",
    ["", "-hidden"],
    edited(_NOISE, (".mean(0)", ".mean(1)")),
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
    edited(_NOISE, ("\n    for", "\n    noise = 0.6 * noise + 0.8 * noise[0]\n    for")),
)

wrong(
    "correct-under-noise",
    "seed 0 whatever is asked for",
    ["-hidden"],
    edited(_NOISE, ("manual_seed(seed)", "manual_seed(0)")),
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

wrong(
    "correct-under-noise",
    "one noise for all pixels of a picture",
    [""],
    edited(_NOISE, ("*x.shape", "len(x), 1")),
)
wrong(
    "correct-under-noise",
    "one noise for all pictures",
    [""],
    edited(_NOISE, ("*x.shape", "1, x.shape[1]")),
)
wrong(
    "correct-under-noise",
    "NumPy's global generator is seeded and not given back",
    ["-hidden"],
    edited(_NOISE, ("generator = torch", "np.random.seed(seed)\n    generator = torch")),
)
wrong(
    "correct-under-noise",
    "the levels are sorted first",
    ["-hidden"],
    edited(_NOISE, ("in levels", "in sorted(levels)")),
)
wrong(
    "correct-under-noise",
    "uniform noise of the same spread",
    [""],
    edited(_NOISE, ("torch.randn(draws, *x.shape, generator=generator)",
                    "12**0.5 * (torch.rand(draws, *x.shape, generator=generator) - 0.5)")),
)  # fmt: skip
wrong(
    "correct-under-noise",
    "level 0 stands for a little noise",
    ["-hidden"],
    edited(_NOISE, ("level * e", "max(level, 0.02) * e")),
)

right(
    "correct-under-noise",
    "a new generator for each level, one batch of all draws",
    """
def correct_under_noise(classify, x, labels, levels, draws, seed):
    found = []
    for level in levels:
        g = torch.Generator()
        g.manual_seed(int(seed))
        noisy = x[None] + torch.randn(draws, len(x), x.shape[1], generator=g) * level
        said = classify(noisy.clip(0, 1).reshape(-1, x.shape[1]))
        found.append((said.reshape(draws, len(x)) == labels).to(torch.float64).mean(dim=0))
    return torch.stack(found, dim=0)
""",
)

_CROSSED = """
def crossed(d):
    d = np.asarray(d, dtype=float)
    if d.ndim != 2 or min(d.shape) < 2:
        raise ValueError("d")
    r, n = d.shape
    rows, columns = d.mean(1), d.mean(0)
    rest = ((d - rows[:, None] - columns + d.mean()) ** 2).sum() / ((r - 1) * (n - 1))
    seeds, pictures = rows.var(ddof=1) - rest / n, columns.var(ddof=1) - rest / r
    variance = max(seeds, 0) / r + max(pictures, 0) / n + rest / (r * n)
    return {"mean": d.mean(), "seeds": seeds, "pictures": pictures, "rest": rest,
            "error": variance**0.5}
"""
_CROSSED_IN_LINES = edited(
    _CROSSED,
    (
        'return {"mean": d.mean(), "seeds": seeds, "pictures": pictures, "rest": rest,\n'
        '            "error": variance**0.5}',
        "return {\n"
        '        "mean": d.mean(),\n'
        '        "seeds": seeds,\n'
        '        "pictures": pictures,\n'
        '        "rest": rest,\n'
        '        "error": variance**0.5,\n'
        "    }",
    ),
)


def wrong_split(what, loses, *changes):
    wrong("crossed", what, loses, edited(_CROSSED, *changes))


wrong_split("variances of populations", ["", "-hidden"], ("rows.var(ddof=1)", "rows.var()"))
wrong_split("of the pictures too", ["", "-hidden"], ("columns.var(ddof=1)", "columns.var()"))
wrong_split("the rest over R N", ["", "-hidden"], ("((r - 1) * (n - 1))", "(r * n)"))
wrong_split("the rest is not subtracted", ["", "-hidden"], (" - rest / n", ""))
wrong_split("the rest of one seed is subtracted", ["", "-hidden"], (" - rest / n", " - rest / r"))
wrong_split("R and N changed over", ["", "-hidden"], ("rest / r\n", "rest / n\n"))
wrong_split("the pictures are left out", ["", "-hidden"], ("max(pictures, 0) / n + ", ""))
wrong_split("the seeds are left out", ["", "-hidden"], ("max(seeds, 0) / r + ", ""))
wrong_split("the rest is left out", ["", "-hidden"], (" + rest / (r * n)", ""))
wrong_split("the variance, not its root", ["", "-hidden"], ("variance**0.5", "variance"))
wrong_split(
    "both squared errors added: the rest counts three times",
    ["", "-hidden"],
    ("variance = max(seeds, 0) / r + max(pictures, 0) / n",
     "variance = rows.var(ddof=1) / r + columns.var(ddof=1) / n"),
)  # fmt: skip
wrong_split(
    "pseudoreplication",
    ["", "-hidden"],
    ("variance = max(seeds, 0) / r + max(pictures, 0) / n + rest / (r * n)",
     "variance = d.var(ddof=1) / d.size"),
)  # fmt: skip
wrong_split(
    "negative estimates are set to 0, so they are not unbiased",
    ["-hidden"],
    ("    variance =", "    seeds, pictures = max(seeds, 0), max(pictures, 0)\n    variance ="),
)
wrong_split(
    "negative estimates make the error smaller",
    ["-hidden"],
    ("max(seeds, 0) / r + max(pictures, 0) / n", "seeds / r + pictures / n"),
)
wrong_split(
    "d is centred in place",
    ["-hidden"],
    ("    r, n = d.shape", "    mean = d.mean()\n    d -= mean\n    r, n = d.shape"),
    ('"mean": d.mean()', '"mean": mean'),
)
wrong_split("a single seed passes, with nan", [""], (" or min(d.shape) < 2", ""))
wrong_split("a single picture passes", [""], ("min(d.shape) < 2", "len(d) < 2"))
wrong_split(
    "the mean of the medians",
    ["-hidden"],
    ('"mean": d.mean()', '"mean": np.median(d, 1).mean()'),
)

right(
    "crossed",
    "with torch, in loops",
    """
def crossed(d):
    d = torch.as_tensor(d, dtype=torch.float64)
    if d.dim() != 2 or d.shape[0] < 2 or d.shape[1] < 2:
        raise ValueError("two seeds and two pictures are needed")
    R, N = d.shape
    total, rows, columns = 0.0, d.mean(1), d.mean(0)
    for i in range(R):
        for j in range(N):
            total += (d[i, j] - rows[i] - columns[j] + d.mean()) ** 2
    rest = total / (R - 1) / (N - 1)
    seeds = torch.var(d.mean(1)) - rest / N
    pictures = torch.var(d.mean(0)) - rest / R
    error = (seeds.clamp(min=0) / R + pictures.clamp(min=0) / N + rest / R / N).sqrt()
    return dict(mean=d.mean(), seeds=seeds, pictures=pictures, rest=rest, error=error)
""",
)
right(
    "crossed",
    "by an analysis of variance",
    """
def crossed(d):
    d = np.array([[float(value) for value in row] for row in d]) if np.ndim(d) == 2 else None
    if d is None or len(d) < 2 or len(d[0]) < 2:
        raise ValueError("crossed: d")
    R, N = np.shape(d)
    ms_seeds = N * np.var(d.mean(1), ddof=1)
    ms_pictures = R * np.var(d.mean(0), ddof=1)
    total = np.sum((d - d.mean()) ** 2)
    ms_rest = (total - (R - 1) * ms_seeds - (N - 1) * ms_pictures) / (R - 1) / (N - 1)
    seeds, pictures = (ms_seeds - ms_rest) / N, (ms_pictures - ms_rest) / R
    parts = np.maximum(seeds, 0) / R, np.maximum(pictures, 0) / N, ms_rest / R / N
    return {"mean": np.mean(d), "seeds": seeds, "pictures": pictures, "rest": ms_rest,
            "error": np.sqrt(sum(parts))}
""",
)

# What a second look tried: answers kept, states left, shared noise, far values ----------

wrong(
    "log-prior",
    "codes cut at 1001: finite at 1000, no gradient farther out",
    [""],
    edited(_LOG_PRIOR, ("z.abs()", "z.clamp(-1001, 1001).abs()")),
)
wrong(
    "log-prior",
    "codes cut at 1200: one value for all that lie farther out",
    [""],
    """
def log_prior(z):
    t = z.double().clamp(-1200, 1200) * math.pi / math.sqrt(12)
    return (
        (
            math.log(math.pi / math.sqrt(48))
            - 2 * t.abs()
            - 2 * torch.log1p(torch.exp(-2 * t.abs()))
            + 2 * math.log(2)
        )
        .sum(-1)
        .to(z.dtype)
    )
""",
)
wrong(
    "log-prior",
    "float32 inside, for float64 too",
    [""],
    edited(_LOG_PRIOR, ("z.abs()", "z.float().abs()"), ("sum(-1)", "sum(-1).to(z.dtype)")),
)
wrong(
    "log-prior",
    "results kept by shape",
    [""],
    """
kept_ = {}


def log_prior(z):
    key = z.shape, z.dtype, z.requires_grad
    if key not in kept_:
        s = math.sqrt(3) / math.pi
        t = z.abs() / s
        kept_[key] = (-t - 2 * torch.log1p(torch.exp(-t)) - math.log(s)).sum(-1)
    return kept_[key]
""",
)
wrong(
    "log-prior",
    "the default dtype is left at float64",
    [""],
    edited(
        _LOG_PRIOR,
        ("t = z.abs() / s", "torch.set_default_dtype(torch.float64)\n    t = z.abs() / s"),
    ),
)
wrong(
    "log-prior",
    "the global seed is set",
    [""],
    edited(_LOG_PRIOR, ("t = z.abs() / s", "torch.manual_seed(0)\n    t = z.abs() / s")),
)
wrong(
    "log-prior",
    "the library's density by getattr",
    [""],
    """
def log_prior(z):
    import vaelib.priors as p

    s = torch.full_like(z[0], math.sqrt(3) / math.pi)
    return (
        getattr(p.Logistic(torch.zeros_like(s), s), "log_" + "prob")(z)
        .reshape(len(z), -1)
        .sum(-1)
    )
""",
)
right(
    "log-prior",
    "two logaddexp",
    """
def log_prior(z):
    s = 3**0.5 / np.pi
    zero = torch.zeros(())
    return -(
        torch.logaddexp(zero.to(z.dtype), z / s)
        + torch.logaddexp(zero.to(z.dtype), -z / s)
        + np.log(s)
    ).sum(dim=-1)
""",
)
right(
    "log-prior",
    "constants in float32",
    """
def log_prior(z):
    s = torch.sqrt(torch.tensor(3.0)) / torch.pi
    x = z / s
    return torch.sum(
        -x.abs() - 2 * torch.nn.functional.softplus(-x.abs()) - torch.log(s), -1
    )
""",
)
wrong(
    "prior-quantile",
    "results kept by shape",
    [""],
    """
kept_ = {}


def prior_quantile(u):
    key = u.shape, u.dtype, u.requires_grad
    if key not in kept_:
        tiny = torch.finfo(u.dtype).eps / 2
        kept_[key] = math.sqrt(3) / math.pi * torch.logit(u, tiny)
    return kept_[key]
""",
)
wrong(
    "prior-quantile",
    "the default dtype is left at float64",
    [""],
    """
def prior_quantile(u):
    s = math.sqrt(3) / math.pi
    torch.set_default_dtype(torch.float64)
    tiny = torch.finfo(u.dtype).eps / 2
    u = u.clamp(tiny, 1 - tiny)
    return s * (torch.log(u) - torch.log1p(-u))
""",
)
wrong(
    "prior-quantile",
    "the global seed is set",
    [""],
    """
def prior_quantile(u):
    s = math.sqrt(3) / math.pi
    torch.manual_seed(0)
    tiny = torch.finfo(u.dtype).eps / 2
    u = u.clamp(tiny, 1 - tiny)
    return s * (torch.log(u) - torch.log1p(-u))
""",
)
wrong(
    "prior-quantile",
    "a table and interpolation, with a made-up gradient",
    [""],
    """
grid_ = np.linspace(1e-7, 1 - 1e-7, 100001)


def prior_quantile(u):
    z = np.interp(u.detach().double().numpy(), grid_, np.log(grid_ / (1 - grid_)))
    return (torch.as_tensor(z) * 3**0.5 / math.pi).to(u.dtype) + (
        u - u.detach()
    ) * 3**0.5 / math.pi / 0.21
""",
)
right(
    "prior-quantile",
    "by atanh",
    """
def prior_quantile(u):
    e = torch.finfo(u.dtype).eps
    return 2 * math.sqrt(3) / math.pi * torch.atanh((2 * u - 1).clamp(-1 + e, 1 - e))
""",
)
wrong(
    "mistake",
    "the name of the program's namespace is read",
    ["", "-hidden"],
    """
def catches(program):
    return "05_vim" in program.surgery.__globals__["__name__"]


lines = mine.source.splitlines()
LINE = 1 + [line.strip() for line in lines].index("codes = mean + log_var.exp() * noise")
""",
)
wrong(
    "mistake",
    "the file name of the program's code is read",
    ["", "-hidden"],
    """
def catches(program):
    return program.surgery.__code__.co_filename.startswith("<05_vim")


lines = mine.source.splitlines()
LINE = 1 + [line.strip() for line in lines].index("codes = mean + log_var.exp() * noise")
""",
)
wrong(
    "mistake",
    "the first answer is kept",
    ["", "-hidden"],
    edited(
        _CASES_IN_LINES,
        ("def catches(program):", "kept_ = []\n\n\ndef catches_(program):"),
        (
            "lines = mine",
            "def catches(program):\n"
            "    if not kept_:\n"
            "        kept_.append(catches_(program))\n"
            "    return kept_[0]\n"
            "\n"
            "\n"
            "lines = mine",
        ),
    ),
)
right(
    "mistake",
    "a 0-d tensor as answer",
    edited(
        _CASES_IN_LINES,
        (
            "max(off.values()) > spread or abs(alone - math.log(150)) > 0.001",
            "torch.tensor(max(off.values()) > spread or abs(alone - math.log(150)) > 0.001)",
        ),
        (
            'LINE = 1 + [line.strip() for line in lines].index("codes = mean + '
            'log_var.exp() * noise")',
            'LINE = 1 + [line.strip() for line in lines].index("codes = mean + '
            'log_var.exp() * noise")\n'
            "\n"
            "LINE = int(LINE)",
        ),
    ),
)
wrong(
    "info-vae",
    "the KL averaged over coordinates, without its half: right for two",
    [""],
    edited(
        _INFO_IN_LINES,
        (
            "objective = objective - (1 - alpha) * vl.gaussian_kl(mean, log_var)",
            "objective = objective - (1 - alpha) * (mean**2 + log_var.exp() - 1 - "
            "log_var).mean(\n"
            "            1\n"
            "        )",
        ),
    ),
)
wrong(
    "info-vae",
    "antithetic noise in the two halves of a batch",
    ["-training"],
    edited(
        _INFO_IN_LINES,
        ("torch.randn_like", "anti_"),
        (
            "}",
            "}\n"
            "\n"
            "\n"
            "def anti_(mean):\n"
            "    half = torch.randn_like(mean[: (len(mean) + 1) // 2])\n"
            "    return torch.cat([half, -half])[: len(mean)]",
        ),
    ),
)
wrong(
    "info-vae",
    "antithetic noise, the last code against the first",
    ["-training"],
    edited(
        _INFO_IN_LINES,
        ("torch.randn_like", "anti_"),
        (
            "}",
            "}\n"
            "\n"
            "\n"
            "def anti_(mean):\n"
            "    e = torch.randn_like(mean)\n"
            "    return (e - e.flip(0)) / 2**0.5",
        ),
    ),
)
wrong(
    "info-vae",
    "the two halves of a batch share their noise",
    ["-training"],
    edited(
        _INFO_IN_LINES,
        (
            "z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)",
            "z = (\n"
            "        mean\n"
            "        + (0.5 * log_var).exp()\n"
            "        * torch.randn_like(mean[: (len(mean) + 1) // 2]).repeat(2, 1)[: "
            "len(mean)]\n"
            "    )",
        ),
    ),
)
wrong(
    "info-vae",
    "each draw of the prior twice",
    ["-training"],
    edited(
        _INFO_IN_LINES,
        (
            "mismatch = divergence(z, model.prior.rsample((len(x),)))",
            "mismatch = divergence(\n"
            "        z, model.prior.rsample(((len(x) + 1) // 2,)).repeat(2, 1)[: len(x)]\n"
            "    )",
        ),
    ),
)
wrong(
    "info-vae",
    "antithetic draws of the prior",
    ["-training"],
    edited(
        _INFO_IN_LINES,
        (
            "mismatch = divergence(z, model.prior.rsample((len(x),)))",
            "mismatch = divergence(\n"
            "        z,\n"
            "        (lambda p: torch.cat([p, -p])[: "
            "len(x)])(model.prior.rsample(((len(x) + 1) // 2,))),\n"
            "    )",
        ),
    ),
)
wrong(
    "info-vae",
    "a sum of three uniform numbers as noise",
    ["-training"],
    edited(
        _INFO_IN_LINES,
        (
            "z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)",
            "z = mean + (0.5 * log_var).exp() * 2 * (\n"
            "        torch.rand(3, *mean.shape, dtype=mean.dtype) - 0.5\n"
            "    ).sum(0)",
        ),
    ),
)
wrong(
    "info-vae",
    "the reconstruction of another draw is reported",
    ["-training"],
    edited(
        _INFO_IN_LINES,
        (
            "return {",
            "reconstruction = model.likelihood(\n"
            "        mean + (0.5 * log_var).exp() * torch.randn_like(mean), x\n"
            "    ).log_prob(x)\n"
            "    return {",
        ),
    ),
)
wrong(
    "info-vae",
    "the divergence of other draws is reported",
    ["-training"],
    edited(
        _INFO_IN_LINES,
        ("return {", "mismatch = divergence(z, model.prior.rsample((len(x),)))\n    return {"),
    ),
)
wrong(
    "info-vae",
    "a negative lam is refused, whatever alpha is",
    [""],
    edited(_INFO_IN_LINES, ("lam < 1", "lam < 1 or lam < 0")),
)
wrong(
    "info-vae",
    "rows from 0.95 pass",
    [""],
    edited(_INFO_IN_LINES, ("lam < 1", "lam < 0.95")),
)
wrong(
    "info-vae",
    "the model is left in evaluation",
    ["-training"],
    edited(_INFO_IN_LINES, ("mean, log_var =", "model.eval()\n    mean, log_var =")),
)
wrong(
    "info-vae",
    "NumPy's global seed is set",
    ["-training"],
    edited(_INFO_IN_LINES, ("mean, log_var =", "np.random.seed(0)\n    mean, log_var =")),
)
wrong(
    "info-vae",
    "own work for alpha = 1, the library's function otherwise",
    ["-training"],
    edited(
        _INFO_IN_LINES,
        (
            "mean, log_var =",
            "if alpha != 1:\n"
            "        return vl.info_vae(model, x, alpha, lam, divergence)\n"
            "    mean, log_var =",
        ),
    ),
)
wrong(
    "info-vae",
    "the KL by a draw",
    ["", "-gradient"],
    edited(
        _INFO_IN_LINES,
        (
            "objective = objective - (1 - alpha) * vl.gaussian_kl(mean, log_var)",
            "objective = objective - (1 - alpha) * (\n"
            "            torch.distributions.Normal(mean, (0.5 * log_var).exp()).log_prob(z)\n"
            "            - torch.distributions.Normal(0, 1).log_prob(z)\n"
            "        ).sum(1)",
        ),
    ),
)
wrong(
    "info-vae",
    "means cut at 10",
    [""],
    edited(_INFO_IN_LINES, ("z = mean", "mean = mean.clamp(-10, 10)\n    z = mean")),
)
right(
    "info-vae",
    "draws of torch.distributions, a loop over parts of the batch",
    """
def info_vae(model, x, alpha, lam, divergence):
    if alpha + lam < 1:
        raise ValueError((alpha, lam))
    mean, log_var = model.encode(x)
    z = torch.distributions.Normal(mean, torch.exp(log_var) ** 0.5).rsample()
    rec = model.likelihood(z, x).log_prob(x)
    d = divergence(z, model.prior.rsample(torch.Size([x.shape[0]])))
    obj = torch.cat([r - (alpha + lam - 1) * d for r in rec.split(100)])
    if alpha != 1:
        obj -= (1 - alpha) * torch.einsum(
            "bq->b", 0.5 * (mean**2 + log_var.exp() - 1 - log_var)
        )
    return {"objective": obj, "reconstruction": rec, "divergence": d}
""",
)
right(
    "info-vae",
    "both terms are reported without gradients",
    edited(
        _INFO_IN_LINES,
        ("reconstruction,", "reconstruction.detach(),"),
        ("mismatch,", "mismatch.detach(),"),
    ),
)
wrong(
    "correct-under-noise",
    "gradients are switched off for good",
    ["-hidden"],
    edited(_NOISE, ("for level", "torch.set_grad_enabled(False)\n    for level")),
)
wrong(
    "correct-under-noise",
    "antithetic draws",
    ["", "-hidden"],
    edited(
        _NOISE,
        (
            "for level",
            "noise = torch.cat([noise[: (draws + 1) // 2], -noise[: draws // 2]])\n    for level",
        ),
    ),
)
wrong(
    "correct-under-noise",
    "Laplace noise of the same spread",
    [""],
    edited(
        _NOISE,
        ("torch.randn(draws, *x.shape, generator=generator)", "lap_(draws, x, generator)"),
        (
            "return torch.stack(shares)",
            "return torch.stack(shares)\n"
            "\n"
            "\n"
            "def lap_(draws, x, generator):\n"
            "    u = torch.rand(draws, *x.shape, generator=generator) - 0.5\n"
            "    return -u.sign() * (1 - 2 * u.abs()).clamp(min=1e-7).log() / 2**0.5",
        ),
    ),
)
wrong(
    "correct-under-noise",
    "the noise depends on the labels",
    ["-hidden"],
    edited(_NOISE, ("manual_seed(seed)", "manual_seed(seed + int(labels.sum()))")),
)
wrong(
    "correct-under-noise",
    "the seed modulo 5",
    ["-hidden"],
    edited(_NOISE, ("manual_seed(seed)", "manual_seed(seed % 5)")),
)
right(
    "correct-under-noise",
    "the global generator's state is saved and given back",
    """
def correct_under_noise(classify, x, labels, levels, draws, seed):
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    big = torch.stack(
        [
            torch.stack([x + level * torch.randn_like(x) for _ in range(draws)])
            for level in levels
        ]
    ).clamp(0, 1)
    torch.set_rng_state(state)
    said = classify(big.reshape(-1, x.shape[1])).reshape(len(levels), draws, len(x))
    return (said == labels).double().mean(1)
""",
)
wrong(
    "crossed",
    "a variance by E[x²] - E[x]² in float32",
    ["-hidden"],
    edited(
        _CROSSED_IN_LINES,
        (
            "seeds, pictures = rows.var(ddof=1) - rest / n, columns.var(ddof=1) - rest / r",
            "seeds, pictures = (\n"
            "        float((np.float32(rows**2).mean() - np.float32(rows.mean()) ** 2) * "
            "r / (r - 1))\n"
            "        - rest / n,\n"
            "        columns.var(ddof=1) - rest / r,\n"
            "    )",
        ),
    ),
)
wrong(
    "crossed",
    "NumPy's global seed is set",
    ["-hidden"],
    edited(_CROSSED_IN_LINES, ("r, n = d.shape", "np.random.seed(0)\n    r, n = d.shape")),
)
wrong(
    "crossed",
    "0 for the sum of the two estimates, not for each",
    ["-hidden"],
    edited(
        _CROSSED_IN_LINES,
        ("max(seeds, 0) / r + max(pictures, 0) / n", "max(seeds / r + pictures / n, 0)"),
    ),
)
wrong(
    "crossed",
    "a tensor is centred in place",
    ["-hidden"],
    edited(
        _CROSSED_IN_LINES,
        (
            "d = np.asarray(d, dtype=float)",
            "given = d\n"
            "    d = np.asarray(d, dtype=float) if not torch.is_tensor(d) else d.numpy()",
        ),
        (
            "rows, columns",
            "mean = d.mean()\n"
            "    if torch.is_tensor(given):\n"
            "        d -= mean\n"
            "    else:\n"
            "        d = d - mean\n"
            "    rows, columns",
        ),
        (" + d.mean()", ""),
        ('"mean": d.mean(),', '"mean": mean,'),
    ),
)
wrong(
    "crossed",
    "the rest by sums of squares in float32",
    ["-hidden"],
    edited(
        _CROSSED_IN_LINES,
        (
            "rest = ((d - rows[:, None] - columns + d.mean()) ** 2).sum() / ((r - 1) * (n - 1))",
            "rest = float(\n"
            "        np.float32(d**2).sum()\n"
            "        - np.float32(n * rows**2).sum()\n"
            "        - np.float32(r * columns**2).sum()\n"
            "        + np.float32(r * n * d.mean() ** 2)\n"
            "    ) / ((r - 1) * (n - 1))",
        ),
    ),
)
right(
    "crossed",
    "by covariances of pairs",
    """
def crossed(d):
    d = np.array(d, dtype=np.float64)
    if d.ndim != 2 or d.shape[0] < 2 or d.shape[1] < 2:
        raise ValueError(d.shape)
    R, N = d.shape
    c = np.cov(d.T)  # N x N over seeds
    k = np.cov(d)  # R x R over pictures
    seeds = (c.sum() - np.trace(c)) / (N * (N - 1))
    pictures = (k.sum() - np.trace(k)) / (R * (R - 1))
    rest = np.trace(k) / R - pictures
    return {
        "mean": d.mean(),
        "seeds": seeds,
        "pictures": pictures,
        "rest": rest,
        "error": np.sqrt(max(seeds, 0) / R + max(pictures, 0) / N + rest / (R * N)),
    }
""",
)
right(
    "crossed",
    "torch in float32, numbers and 0-d tensors",
    """
def crossed(d):
    d = torch.tensor(np.array(d)).float() if not torch.is_tensor(d) else d.clone()
    if d.ndim != 2 or 1 in d.shape or 0 in d.shape:
        raise ValueError("shape")
    R, N = d.shape
    row, col = d.mean(1, keepdim=True), d.mean(0, keepdim=True)
    rest = (d - row - col + d.mean()).pow(2).sum().div((R - 1) * (N - 1))
    s, p = row.var() - rest / N, col.var() - rest / R
    e = torch.relu(s) / R + torch.relu(p) / N + rest / (R * N)
    return {
        "mean": float(d.mean()),
        "seeds": s.item(),
        "pictures": p,
        "rest": rest,
        "error": e.sqrt(),
    }
""",
)

# What a third look tried: far values, other models, small batches, arguments left as they are ---

_QUANTILE = """
def prior_quantile(u):
    s = math.sqrt(3) / math.pi
    tiny = torch.finfo(u.dtype).eps / 2
    v = u.clamp(tiny, 1 - tiny)
    return s * (torch.log(v) - torch.log1p(-v))
"""


def one_line_more(cell, what, loses, code, before, line):
    """A wrong answer: `line` is put in front of the line that starts with `before`."""
    wrong(cell, what, loses, edited(code, (f"\n    {before}", f"\n    {line}\n    {before}")))


one_line_more(
    "log-prior",
    "far codes are cut in place, behind the back of autograd",
    [""],
    _LOG_PRIOR,
    "t =",
    "z.data.clamp_(-2000, 2000)",
)
one_line_more(
    "log-prior", "the codes are made leaves", [""], _LOG_PRIOR, "t =", "z.requires_grad_()"
)
wrong(
    "prior-quantile",
    "the ends are kept finite in float32 only",
    [""],
    edited(_QUANTILE, ("eps / 2", "eps / 2 if u.dtype == torch.float32 else 0")),
)
one_line_more("prior-quantile", "u is made a leaf", [""], _QUANTILE, "v =", "u.requires_grad_()")
wrong(
    "prior-quantile",
    "right values, with the gradient of a cut u in the tails",
    [""],
    edited(
        _QUANTILE,
        ("return s", "z = s"),
        ("1p(-v))", "1p(-v))\n    cut = s * torch.logit(u.clamp(0.01, 0.99))"
         "\n    return cut + (z - cut).detach()"),
    ),
)  # fmt: skip
one_line_more(
    "info-vae",
    "a negative divergence counts as 0",
    [""],
    _INFO,
    "objective = rec",
    "mismatch = mismatch.clamp(min=0)",
)
wrong(
    "info-vae",
    "an alpha near 1 is taken for 1",
    [""],
    edited(_INFO, ("if alpha != 1:", "if abs(alpha - 1) > 0.1:")),
)
one_line_more(
    "info-vae",
    "log_var is cut as in latent diffusion",
    [""],
    _INFO,
    "z =",
    "log_var = log_var.clamp(-30, 20)",
)
one_line_more("info-vae", "far means are cut", [""], _INFO, "z =", "mean = mean.clamp(-2000, 2000)")
wrong(
    "info-vae",
    "a floor under the reconstruction",
    [""],
    edited(_INFO, (".log_prob(x)\n", ".log_prob(x).clamp(min=-100)\n")),
)
wrong(
    "info-vae",
    "a Gaussian of scale 0.5, whatever the model's likelihood",
    [""],
    edited(
        _INFO,
        (
            "model.likelihood(z, x).log_prob(x)",
            "torch.distributions.Normal(model.likelihood(z, x).mean, 0.5).log_prob(x).sum(1)",
        ),
    ),
)
one_line_more(
    "info-vae", "the model is set to training", ["-training"], _INFO, "mean, log", "model.train()"
)
one_line_more(
    "info-vae",
    "the gradients of the parameters are removed",
    ["-gradient"],
    _INFO,
    "mean, log",
    "model.zero_grad()",
)
one_line_more(
    "info-vae",
    "the pictures are made leaves",
    [""],
    _INFO,
    "mean, log",
    "torch._C._functorch.is_batchedtensor(x) or x.requires_grad_()",
)
dependent(
    "the noise is centred over the batch",
    ("torch.randn_like(mean)", "(lambda e: e - e.mean(0))(torch.randn_like(mean))"),
)
dependent(
    "the draws of the prior are centred over the batch",
    ("model.prior.rsample((len(x),))", "(lambda p: p - p.mean(0))(model.prior.rsample((len(x),)))"),
)
wrong(
    "info-vae",
    "a ceiling over the price of D",
    [""],
    edited(_INFO, ("- (alpha + lam - 1) * m", "- min(alpha + lam - 1, 500) * m")),
)
wrong(
    "info-vae",
    "D has no price in all rows with alpha = 0",
    [""],
    edited(_INFO, ("- (alpha + lam - 1) * m", "- (alpha + lam - 1 if alpha else 0) * m")),
)
wrong(
    "info-vae",
    "one width for all pictures of a batch",
    [""],
    edited(_INFO, ("(0.5 * log_var).exp()", "(0.5 * log_var).exp().mean(0)")),
)
wrong(
    "info-vae",
    "a floor under the width of the codes",
    [""],
    edited(_INFO, ("(0.5 * log_var).exp()", "((0.5 * log_var).exp() + 1e-3)")),
)
right(
    "info-vae",
    "no D is formed where it has no price",
    edited(
        _INFO,
        ("mismatch = div", "mismatch = torch.zeros(()) if alpha + lam == 1 else div"),
    ),
)
wrong(
    "correct-under-noise",
    "the noise depends on the pictures",
    [""],
    edited(_NOISE, ("manual_seed(seed)", "manual_seed(seed + int(1000 * x.sum()))")),
)
wrong(
    "correct-under-noise",
    "pixels are reflected at 0 and 1",
    [""],
    edited(_NOISE, ("(x + level * e)", "(1 - (1 - (x + level * e).abs()).abs())")),
)
wrong(
    "correct-under-noise",
    "the noise is cut, and then the pixels",
    [""],
    edited(_NOISE, ("level * e", "(level * e).clamp(-0.5, 0.5)")),
)
wrong(
    "correct-under-noise",
    "the first draw, rolled along the pixels, serves for all",
    [""],
    edited(
        _NOISE,
        ("\n    for", "\n    noise = [noise[0].roll(k, 1) for k in range(draws)]\n    for"),
    ),
)
wrong(
    "correct-under-noise",
    "no noise beyond three standard deviations",
    [""],
    edited(_NOISE, ("for e in noise", "for e in noise.clamp(-3, 3)")),
)
wrong(
    "correct-under-noise",
    "the noise depends on how many labels there are",
    ["-hidden"],
    edited(_NOISE, ("manual_seed(seed)", "manual_seed(seed * len(labels.unique()))")),
)
wrong(
    "correct-under-noise",
    "the last eight bits of the seed",
    ["-hidden"],
    edited(_NOISE, ("manual_seed(seed)", "manual_seed(seed & 255)")),
)
one_line_more(
    "correct-under-noise",
    "the pictures are made leaves",
    ["-hidden"],
    _NOISE,
    "generator =",
    "x.requires_grad_()",
)
wrong(
    "correct-under-noise",
    "one draw gives whole numbers",
    ["-hidden"],
    edited(_NOISE, ("stack(shares)", "stack(shares).to(torch.float if draws > 1 else torch.int)")),
)
wrong_split(
    "d is centred in place if it is float32",
    ["-hidden"],
    ("    d = np.asarray(d, dtype=float)", "    d = np.asarray(d)"),
    ("    r, n = d.shape", "    mean = d.mean()\n    if d.dtype == np.float32:\n        d -= mean"
     "\n        d = d + mean\n    r, n = d.shape"),
)  # fmt: skip
wrong_split(
    "the shape of a tensor is not looked at",
    [""],
    ("d = np.asarray(d, dtype=float)", "given, d = d, np.asarray(d, dtype=float)"),
    ("if d.ndim != 2 or min(d.shape) < 2", "if d is given and (d.ndim != 2 or min(d.shape) < 2)"),
)
wrong_split(
    "a single number is an IndexError",
    [""],
    ("d.ndim != 2 or min(d.shape) < 2", "d.shape[0] < 2 or d.ndim != 2 or d.shape[1] < 2"),
)
right(
    "crossed",
    "arrays and tensors, no lists",
    edited(
        _CROSSED,
        ("np.asarray(d, dtype=float)", "(d.double().numpy() if torch.is_tensor(d) else d) + 0.0"),
    ),
)
wrong(
    "mistake",
    "the bytecode is held against that of all programs",
    ["", "-hidden"],
    """
def code_of(program):
    names = program.surgery.__globals__
    parts = program.surgery, names.get("log_normal"), names.get("log_mean")
    codes = [part.__code__ for part in parts if part]
    return [(code.co_code, code.co_names, code.co_consts) for code in codes]


KNOWN = [code_of(cw.program("05_vim", n)) for n in range(60)]


def catches(program):
    return code_of(program) in KNOWN

"""
    + _LINE,
)
wrong(
    "prior-quantile",
    "the codes come sorted",
    [""],
    edited(_QUANTILE, ("v = u.", "v = (u.sort(-1)[0] if u.ndim else u).")),
)
wrong(
    "info-vae",
    "the model encodes in evaluation and is set back",
    ["-training"],
    edited(
        _INFO,
        (
            "mean, log_var = model.encode(x)",
            "mean, log_var = model.eval().encode(x)\n    model.train()",
        ),
    ),
)
dependent(
    "draws for the one logistic prior that was tested, normal ones for all others",
    (
        "model.prior.rsample((len(x),))",
        "(5.0 * torch.logit(torch.rand_like(z), 1e-7) if 'ogistic' in repr(model.prior)"
        " else torch.randn_like(z))",
    ),
)
wrong(
    "correct-under-noise",
    "the noise of each picture is scaled to the level",
    [""],
    edited(_NOISE, ("for e in noise", "for e in noise / noise.std(-1, keepdim=True)")),
)
wrong(
    "correct-under-noise",
    "the noise is centred over the pictures",
    [""],
    edited(_NOISE, ("for e in noise", "for e in noise - noise.mean(1, keepdim=True)")),
)
wrong(
    "correct-under-noise",
    "right for two classes",
    ["-hidden"],
    edited(_NOISE, (" == labels", ".clamp(max=1) == labels.clamp(max=1)")),
)
wrong_split(
    "large differences are cut",
    ["-hidden"],
    ("    r, n = d.shape", "    d = np.clip(d, -150, 150)\n    r, n = d.shape"),
)
wrong_split(
    "a small variance counts as 0",
    ["-hidden"],
    ("max(pictures, 0)", "(pictures if pictures > 1e-3 else 0)"),
)
wrong(
    "info-vae",
    "a KL is formed, and taken 0 times",
    [""],
    edited(_INFO, ("    if alpha != 1:\n        objective =", "    objective =")),
)
for what, number in (("one draw is left out", "max(draws - 1, 1)"), ("one more", "draws + 1")):
    wrong(
        "correct-under-noise",
        f"{what}, in the noise and in the average",
        [""],
        edited(_NOISE, ("randn(draws,", f"randn({number},")),
    )

test_variants = variant_tests("05_vim", VARIANTS)
