"""Answers to assignment 4: wrong ones, with the test cells that must fail, and right ones.

Each entry replaces one answer cell. The wrong ones are mistakes found in public programs or typical
of a first attempt; the right ones get full marks though they are written differently.
"""

from harness import edited
from variant_tests import variant_tests

BETA, PROGRAM, AGGREGATE, TC = "beta-objective", "beta-of-program", "log-aggregate", "gaussian-tc"
PARTS, MIG, VOTE, INTERVAL = "kl-parts", "mig", "vote", "paired-interval"
CATCHES, LINE = (
    "catches",
    """
LINE = 1 + [any(sign in line for sign in (
    "* len(z.T)", "z.clone()", "made, joint", "clamp(", "logits = logsigmoid", "gamma * kl",
    "tc.detach()")) for line in mine.source.splitlines()].index(True)
""",
)
STRATIFIED = "log-aggregate-stratified"
COLLAPSED = "log-aggregate-collapsed"
CHECK = """
def catches(program):
    noise = torch.randn(30_000, 2).double()
    z = torch.stack([noise[:, 0], 0.9 * noise[:, 0] + 0.19**0.5 * noise[:, 1]], 1)
    made = program.shuffled(z.detach())
    if np.abs(np.corrcoef(made.numpy().T)[0, 1]) > 0.2:
        return True

    def critic(z):  # the best logits for a correlation of 0.9
        return 0.5 * ((z**2).sum(1) - (z[:, 0] ** 2 - 1.8 * z[:, 0] * z[:, 1] + z[:, 1] ** 2) / 0.19
                      - math.log(0.19))

    z.requires_grad_()
    if program.critic_loss(critic, z).requires_grad or program.critic_loss(critic, z) > 0.65:
        return True
    if abs(program.total_correlation(critic, z) + 0.5 * math.log(0.19)) > 0.045:
        return True
    r, kl = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    tc = torch.tensor(2.0, requires_grad=True)
    loss = program.vae_loss(r, kl, tc, 3.0)
    return not loss.requires_grad or abs(loss.item() - 8.5) > 1e-4
"""

# Right answers; most variants are changes of them.
BETA_RIGHT = """
def beta_objective(reconstruction, mean, log_var, beta):
    return reconstruction - beta * vl.gaussian_kl(mean, log_var)
"""
AGGREGATE_RIGHT = """
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
"""
TC_RIGHT = """
def gaussian_tc(covariance):
    std = covariance.diagonal().sqrt()
    return -0.5 * torch.linalg.eigvalsh(covariance / torch.outer(std, std)).log().sum()
"""
PARTS_RIGHT = """
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(-1)
    prior = log_normal(z, 0 * z, 0 * z).sum(-1)
    return own - joint, joint - each.sum(-1), each.sum(-1) - prior
"""
PARTS_PRODUCT = """
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(1)
    prior, product = log_normal(z, 0 * z, 0 * z).sum(1), each.sum(1)
    return own - joint, joint - product, product - prior
"""
MIG_RIGHT = """
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2))
        v = p[0].sum(0)
        v = v[v > 0]
        entropy = -(v * np.log(v)).sum()

        information = np.sort(information)
        gaps.append((information[-1] - information[-2]) / entropy)
    return float(np.mean(gaps))
"""
VOTE_RIGHT = """
def vote(batch, everything, floor=0.05):
    share = batch.var(0) / everything.var(0).clamp(min=1e-30)
    return int(torch.where(everything.std(0) >= floor, share, math.inf).argmin())
"""
INTERVAL_RIGHT = """
def paired_interval(a, b, level=0.95):
    if len(a) != len(b) or len(a) < 2:
        raise ValueError("fewer than two pairs")
    d = np.array([float(p) - float(q) for p, q in zip(a, b)])
    half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
"""

# fmt: off
WRONG = [
    (BETA, "the KL is averaged over the latents", ["beta-objective-test"],
     edited(BETA_RIGHT, ("vl.gaussian_kl(mean, log_var)",
                         "0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean(-1)"))),
    (BETA, "log σ² taken for log σ", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    kl = 0.5 * (mean**2 + (2 * log_var).exp() - 1 - 2 * log_var).sum(-1)
    return reconstruction - beta * kl
'''),
    (BETA, "the loss, not the objective", ["beta-objective-test"],
     edited(BETA_RIGHT,
            ("reconstruction - beta * vl.gaussian_kl(mean, log_var)",
             "-reconstruction + beta * 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)"))),
    (BETA, "every picture pays the batch's average KL", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
    return reconstruction - beta * kl.mean()
'''),
    (BETA, "β on the reconstruction", ["beta-objective-test"],
     edited(BETA_RIGHT,
            ("reconstruction - beta * vl.gaussian_kl(mean, log_var)",
             "beta * reconstruction - 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)"))),
    (BETA, "β is forgotten", ["beta-objective-test"], edited(BETA_RIGHT, ("beta * vl", "vl"))),
    (BETA, "σ² where log σ² is given: its logarithm is -inf", ["beta-objective-test"],
     edited(BETA_RIGHT, ("return reconstruction - beta * vl.gaussian_kl(mean, log_var)",
                         "kl = 0.5 * (mean**2 + log_var - 1 - log_var.log()).sum(-1)\n"
                         "    return reconstruction - beta * kl"))),
    (BETA, "the KL is detached: no gradient of the price", ["beta-objective-test"],
     edited(BETA_RIGHT, ("vl.gaussian_kl(mean, log_var)",
                         "vl.gaussian_kl(mean, log_var).detach()"))),
    (BETA, "the reconstruction is detached", ["beta-objective-test"],
     edited(BETA_RIGHT, ("reconstruction - beta", "reconstruction.detach() - beta"))),
    (BETA, "the variance is detached", ["beta-objective-test"],
     edited(BETA_RIGHT, ("vl.gaussian_kl(mean, log_var)",
                         "vl.gaussian_kl(mean, log_var.detach())"))),
    (BETA, "the arguments are changed in place", ["beta-objective-test"],
     edited(BETA_RIGHT,
            ("return reconstruction",
             "with torch.no_grad():\n        log_var.clamp_(-3, 3)\n    return reconstruction"))),
    (PROGRAM, "a mean over latents taken for a higher price", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    beta = weight * (pixels if reconstruction == "mean" else 1)
    return beta * (latents if kl == "mean" else 1) / (1 if variance is None else 2 * variance)
'''),
    (PROGRAM, "a mean over pixels taken for a lower price", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    beta = weight / (pixels if reconstruction == "mean" else 1)
    return beta / (latents if kl == "mean" else 1) / (1 if variance is None else 2 * variance)
'''),
    (PROGRAM, "the weight taken for β, whatever is averaged", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    return weight
'''),
    (PROGRAM, "a squared error taken for -log p", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    beta = weight * (pixels if reconstruction == "mean" else 1)
    return beta / (latents if kl == "mean" else 1)
'''),
    (PROGRAM, "σ in place of σ²", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    beta = weight * (pixels if reconstruction == "mean" else 1)
    half = 1 if variance is None else 2 * variance**0.5
    return beta / (latents if kl == "mean" else 1) / half
'''),
    (PROGRAM, "a factor ½ in place of the variance", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    beta = weight * (pixels if reconstruction == "mean" else 1)
    return beta / (latents if kl == "mean" else 1) / (1 if variance is None else 2)
'''),
    (PROGRAM, "the variance on the wrong side", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    beta = weight * (pixels if reconstruction == "mean" else 1)
    return beta / (latents if kl == "mean" else 1) * (1 if variance is None else variance / 2)
'''),
    (AGGREGATE, "the stratified sum through densities, -inf for far codes", [COLLAPSED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    if estimator == "mss":
        w = torch.full((m, m), (n - 1) / (n * (m - 1)), dtype=z.dtype).fill_diagonal_(1 / n)
        return ((w * pairs.sum(-1).exp()).sum(1).log(),
                (w[..., None] * pairs.exp()).sum(1).log())
    w = -math.log(m if estimator == "exact" else n * m)
    return torch.logsumexp(pairs.sum(-1), 1) + w, torch.logsumexp(pairs, 1) + w
'''),
    (AGGREGATE, "without gradients", [COLLAPSED],
     edited(AGGREGATE_RIGHT, ("def log_aggregate", "@torch.no_grad()\ndef log_aggregate"))),
    (AGGREGATE, "the posteriors are detached", [COLLAPSED],
     edited(AGGREGATE_RIGHT, ("z[:, None], mean, log_var",
                              "z[:, None], mean.detach(), log_var.detach()"))),
    (AGGREGATE, "the data set's size with exact", ["log-aggregate-test"],
     edited(AGGREGATE_RIGHT, ("1 / m", "1 / n"))),
    (AGGREGATE, "the library's, under another name",
     ["log-aggregate-test", COLLAPSED, STRATIFIED], '''
from vaelib import log_aggregate_posterior as f

def log_aggregate(z, mean, log_var, dataset_size, estimator):
    return f(z, mean, log_var, len(mean) if estimator == "exact" else dataset_size, estimator)
'''),
    (AGGREGATE, "stratified weights down the first column", [COLLAPSED, STRATIFIED],
     edited(AGGREGATE_RIGHT, ("w.fill_diagonal_(1 / n)", "w[:, 0] = 1 / n"))),
    (AGGREGATE, "the public program: strides of B through a B × B matrix",
     [COLLAPSED, STRATIFIED],
     edited(AGGREGATE_RIGHT,
            ("n, m", "n, b"),
            ('(len(z), m), 1 / m if estimator == "exact" else 1 / (n * m)',
             '(len(z), b), 1 / b if estimator == "exact" else 1 / (n * b)'),
            ("w[:] = (n - 1) / (n * (m - 1))\n        w.fill_diagonal_(1 / n)",
             "m = b - 1\n"
             "        strat = (n - m) / (n * m)\n"
             "        w = torch.full((b, b), 1 / m, dtype=z.dtype)\n"
             "        w.view(-1)[:: m + 1] = 1 / n\n"
             "        w.view(-1)[1 :: m + 1] = strat\n"
             "        w[m - 1, 0] = strat"))),
    (AGGREGATE, "the log-weight is added once for each coordinate",
     ["log-aggregate-test", COLLAPSED, STRATIFIED],
     edited(AGGREGATE_RIGHT,
            ("return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),\n"
             "            torch.logsumexp(pairs + w.log()[..., None], 1))",
             "pairs = pairs + w.log()[..., None]\n"
             "    return torch.logsumexp(pairs.sum(-1), 1), torch.logsumexp(pairs, 1)"))),
    (AGGREGATE, "weighted sampling without its constant", [COLLAPSED],
     edited(AGGREGATE_RIGHT, ("1 / (n * m)", "1.0"))),
    (AGGREGATE, "the batch's size in place of the data set's", [COLLAPSED, STRATIFIED],
     edited(AGGREGATE_RIGHT, ("n, m = dataset_size, len(mean)", "n = m = len(mean)"))),
    (AGGREGATE, "own and other weights exchanged", [COLLAPSED, STRATIFIED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = 1 / n
        w.fill_diagonal_((n - 1) / (n * (m - 1)))
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
'''),
    (AGGREGATE, "stratified sampling as a plain mean over the batch", [STRATIFIED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    w = -math.log(dataset_size * len(mean)) if estimator == "mws" else -math.log(len(mean))
    return torch.logsumexp(pairs.sum(-1), 1) + w, torch.logsumexp(pairs, 1) + w
'''),
    (AGGREGATE, "weights for the joint, a plain mean for the coordinates",
     [COLLAPSED, STRATIFIED],
     edited(AGGREGATE_RIGHT,
            ("return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),\n"
             "            torch.logsumexp(pairs + w.log()[..., None], 1))",
             "return torch.logsumexp(pairs.sum(-1) + w.log(), 1), torch.logsumexp(pairs, "
             "1) - math.log(m)"))),
    (AGGREGATE, "the sum runs over codes, not over posteriors",
     ["log-aggregate-test", COLLAPSED, STRATIFIED],
     edited(AGGREGATE_RIGHT,
            ("w.log(), 1", "w.log(), 0"),
            ("w.log()[..., None], 1", "w.log()[..., None], 0"))),
    (AGGREGATE, "densities first, the logarithm then", [COLLAPSED],
     edited(AGGREGATE_RIGHT,
            ("return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),\n"
             "            torch.logsumexp(pairs + w.log()[..., None], 1))",
             "return (w * pairs.sum(-1).exp()).sum(1).log(), (w[..., None] * "
             "pairs.exp()).sum(1).log()"))),
    (AGGREGATE, "the exact mixture as a sum", ["log-aggregate-test", COLLAPSED],
     edited(AGGREGATE_RIGHT, ("1 / m", "1.0"))),
    (TC, "the determinant of the covariance in place of the correlation", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    return -0.5 * torch.linalg.slogdet(covariance)[1]
'''),
    (TC, "a determinant that is 0 in floating point", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    return -0.5 * torch.log(torch.linalg.det(covariance) / covariance.diagonal().prod())
'''),
    (TC, "the ½ is forgotten", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    return covariance.diagonal().log().sum() - torch.linalg.slogdet(covariance)[1]
'''),
    (TC, "divided by variances in place of standard deviations", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    v = covariance.diagonal()
    return -0.5 * torch.linalg.slogdet(covariance / v / v[:, None])[1]
'''),
    (TC, "absolute correlations", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    return 0.5 * (covariance.diagonal().log().sum() - torch.linalg.slogdet(covariance.abs())[1])
'''),
    (TC, "something added to the diagonal", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    c = covariance + 1e-6 * torch.eye(len(covariance), dtype=covariance.dtype)
    return 0.5 * (c.diagonal().log().sum() - torch.linalg.slogdet(c)[1])
'''),
    (TC, "something added to the diagonal of the correlations", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    std = covariance.diagonal().sqrt()
    r = covariance / torch.outer(std, std)
    return -0.5 * torch.linalg.slogdet(r + 1e-6 * torch.eye(len(r), dtype=r.dtype))[1]
'''),
    (TC, "the covariance is changed in place", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    std = covariance.diagonal().sqrt()
    covariance /= torch.outer(std, std)
    return -0.5 * torch.linalg.slogdet(covariance)[1]
'''),
    (TC, "the library's, under another name", ["gaussian-tc-test"], '''
from vaelib.oracles import gaussian_total_correlation as f

def gaussian_tc(covariance):
    std = covariance.diagonal().sqrt()
    return f(covariance / torch.outer(std, std))
'''),
    (PARTS, "the information with the prior in place of q(z): the whole KL, twice charged",
     ["kl-parts-test", "kl-parts-known"], edited(PARTS_RIGHT, ("- joint", "- prior"))),
    (PARTS, "the dimension-wise KL with the joint: the total correlation counted twice",
     ["kl-parts-test", "kl-parts-known"],
     edited(PARTS_RIGHT, ("each.sum(-1) - prior", "joint - prior"))),
    (PARTS, "averages over the batch", ["kl-parts-test", "kl-parts-known"],
     edited(PARTS_RIGHT,
            ("return own - joint, joint - each.sum(-1), each.sum(-1) - prior",
             "product = each.sum(-1)\n"
             "    return (own - joint).mean(), (joint - product).mean(), (product - "
             "prior).mean()"))),
    (PARTS, "a prior that is too wide by 1 nat of log-variance",
     ["kl-parts-test", "kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(-1)
    prior = log_normal(z, 0 * z, 0 * z + 1).sum(-1)
    return own - joint, joint - each.sum(-1), each.sum(-1) - prior
'''),
    (PARTS, "the own density without its scale: invisible where log_var is 0",
     ["kl-parts-known"],
     edited(PARTS_RIGHT, ("log_normal(z, mean, log_var)", "log_normal(z, mean, 0 * log_var)"))),
    (PARTS, "q(z) is detached", ["kl-parts-known"],
     edited(PARTS_RIGHT, ("return own - joint, joint - each.sum(-1), each.sum(-1) - prior",
                          "joint, product = joint.detach(), each.sum(-1)\n"
                          "    return own - joint, joint - product, product - prior"))),
    (PARTS, "the own density is detached", ["kl-parts-known"],
     edited(PARTS_RIGHT,
            ("log_normal(z, mean, log_var)", "log_normal(z, mean.detach(), log_var)"),
            ("return own - joint, joint - each.sum(-1), each.sum(-1) - prior",
             "product = each.sum(-1)\n    return own - joint, joint - product, product - prior"))),
    (MIG, "the median over factors", ["mig-known"], '''
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = np.sort(
            (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2)))
        v = p[0].sum(0)
        v = v[v > 0]
        gaps.append((information[-1] - information[-2]) / -(v * np.log(v)).sum())
    return float(np.median(gaps))
'''),
    (MIG, "a value that never occurs gives NaN", ["mig-known"], '''
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = np.sort(
            (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2)))
        v = p[0].sum(0)
        gaps.append((information[-1] - information[-2]) / -(v * np.log(v)).sum())
    return float(np.mean(gaps))
'''),
    (MIG, "divided by the logarithm of the number of values", ["mig-test", "mig-known"], '''
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = np.sort(
            (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2)))
        gaps.append((information[-1] - information[-2]) / np.log(table.shape[2]))
    return float(np.mean(gaps))
'''),
    (MIG, "divided by the entropy of the best coordinate's bins", ["mig-test", "mig-known"],
     edited(MIG_RIGHT,
            ("v = p[0].sum(0)\n"
             "        v = v[v > 0]\n"
             "        entropy = -(v * np.log(v)).sum()\n"
             "\n"
             "        information = np.sort(information)\n"
             "        gaps.append((information[-1] - information[-2]) / entropy)",
             "first, second = np.argsort(information)[::-1][:2]\n"
             "        bins = p[first].sum(1)\n"
             "        bins = bins[bins > 0]\n"
             "        gaps.append((information[first] - information[second]) / -(bins * "
             "np.log(bins)).sum())"))),
    (MIG, "the information in bits, the entropy in nats", ["mig-test", "mig-known"],
     edited(MIG_RIGHT,
            ("information = (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), "
             "1))).sum((1, 2))",
             "information = np.sort(\n"
             "            (p * np.log2(np.where(p > 0, p / np.where(q > 0, q, 1), "
             "1))).sum((1, 2)))"),
            ("entropy = -(v * np.log(v)).sum()\n"
             "\n"
             "        information = np.sort(information)\n"
             "        gaps.append((information[-1] - information[-2]) / entropy)",
             "gaps.append((information[-1] - information[-2]) / -(v * np.log(v)).sum())"))),
    (MIG, "not divided by any entropy", ["mig-test", "mig-known"], '''
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = np.sort(
            (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2)))
        gaps.append(information[-1] - information[-2])
    return float(np.mean(gaps))
'''),
    (MIG, "0 log 0 is NaN", ["mig-test", "mig-known"],
     edited(MIG_RIGHT,
            ("(p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2))",
             "np.sort((p * np.log(p / q)).sum((1, 2)))"),
            ("v = v[v > 0]\n"
             "        entropy = -(v * np.log(v)).sum()\n"
             "\n"
             "        information = np.sort(information)\n"
             "        gaps.append((information[-1] - information[-2]) / entropy)",
             "gaps.append((information[-1] - information[-2]) / -(v * np.log(v)).sum())"))),
    (MIG, "a sum of gaps over a sum of entropies", ["mig-known"], '''
def mig(tables):
    gaps, entropies = [], []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = np.sort(
            (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2)))
        v = p[0].sum(0)
        gaps.append(information[-1] - information[-2])
        entropies.append(-(v * np.log(v)).sum())
    return float(np.sum(gaps) / np.sum(entropies))
'''),
    (MIG, "the best less the worst", ["mig-test", "mig-known"],
     edited(MIG_RIGHT,
            ("v = v[v > 0]\n"
             "        entropy = -(v * np.log(v)).sum()\n"
             "\n"
             "        information = np.sort(information)\n"
             "        gaps.append((information[-1] - information[-2]) / entropy)",
             "gaps.append((information.max() - information.min()) / -(v * np.log(v)).sum())"))),
    (MIG, "counts taken for probabilities", ["mig-test", "mig-known"], '''
def mig(tables):
    gaps = []
    for p in tables:
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = np.sort(
            (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2)))
        v = p[0].sum(0)
        gaps.append((information[-1] - information[-2]) / -(v * np.log(v)).sum())
    return float(np.mean(gaps))
'''),
    (MIG, "the tables are normalized in place", ["mig-known"], '''
def mig(tables):
    gaps = []
    for p in tables:
        p /= p.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = np.sort(
            (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2)))
        v = p[0].sum(0)
        gaps.append((information[-1] - information[-2]) / -(v * np.log(v)).sum())
    return float(np.mean(gaps))
'''),
    (MIG, "divided by the entropy of the coordinate's bins", ["mig-known", "mig-test"],
     edited(MIG_RIGHT,
            ("v = p[0].sum(0)\n"
             "        v = v[v > 0]\n"
             "        entropy = -(v * np.log(v)).sum()\n"
             "\n"
             "        information = np.sort(information)\n"
             "        gaps.append((information[-1] - information[-2]) / entropy)",
             "first, second = np.argsort(information)[::-1][:2]\n"
             "        bins = p[second].sum(1)\n"
             "        bins = bins[bins > 0]\n"
             "        gaps.append((information[first] - information[second]) / -(bins * "
             "np.log(bins)).sum())"))),
    (VOTE, "the variance in the batch alone: the smallest scale wins",
     ["vote-test", "vote-known"], '''
def vote(batch, everything, floor=0.05):
    variance = batch.var(0)
    variance[everything.std(0) < floor] = math.inf
    return int(variance.argmin())
'''),
    (VOTE, "dead coordinates vote: 0/0", ["vote-test", "vote-known"], '''
def vote(batch, everything, floor=0.05):
    return int((batch.var(0) / everything.var(0)).argmin())
'''),
    (VOTE, "a small number in the denominator, so that a dead coordinate has the share 0",
     ["vote-test", "vote-known"], '''
def vote(batch, everything, floor=0.05):
    return int((batch.var(0) / (everything.var(0) + 1e-8)).argmin())
'''),
    (VOTE, "the coordinate that moves most", ["vote-test", "vote-known"],
     edited(VOTE_RIGHT,
            ("var(0).clamp(min=1e-30)", "var(0)"),
            ("where(everything.std(0) >= floor, share, math.inf).argmin()",
             "where(everything.std(0) >= floor, share, -math.inf).argmax()"))),
    (VOTE, "dead ones are left out, and the number counts only those that are left",
     ["vote-known"], '''
def vote(batch, everything, floor=0.05):
    keep = everything.std(0) >= floor
    return int((batch.var(0) / everything.var(0))[keep].argmin())
'''),
    (VOTE, "the variance is compared with the floor", ["vote-test", "vote-known"],
     edited(VOTE_RIGHT, ("var(0).clamp(min=1e-30)", "var(0)"), ("std(0)", "var(0)"))),
    (VOTE, "the variance is compared with the floor, and 0 for inf",
     ["vote-test", "vote-known"],
     edited(VOTE_RIGHT,
            ("var(0).clamp(min=1e-30)", "var(0)"),
            ("std(0) >= floor, share, math.inf", "var(0) >= floor, share, 0"))),
    (VOTE, "a floor of 0.05, whatever was asked for", ["vote-known"],
     edited(VOTE_RIGHT, ("var(0).clamp(min=1e-30)", "var(0)"), ("floor, share", "0.05, share"))),
    (VOTE, "a mean of squares less the square of the mean, in single precision", ["vote-known"],
     edited(VOTE_RIGHT,
            ("share = batch.var(0) / everything.var(0).clamp(min=1e-30)",
             "def variance(z):\n"
             "        return (z**2).mean(0) - z.mean(0) ** 2\n"
             "\n"
             "    share = variance(batch) / variance(everything)"))),
    (VOTE, "the variance in the batch about the mean of everything", ["vote-known"], '''
def vote(batch, everything, floor=0.05):
    std = everything.std(0)
    share = (((batch - everything.mean(0)) / std) ** 2).mean(0)
    return int(torch.where(std >= floor, share, math.inf).argmin())
'''),
    (VOTE, "the dead coordinates are set to 0 in place", ["vote-known"], '''
def vote(batch, everything, floor=0.05):
    share = batch.var(0) / everything.var(0)
    alive = everything.std(0) >= floor
    batch[:, ~alive] = 0
    return int(torch.where(alive, share, math.inf).argmin())
'''),
    (INTERVAL, "the pairs are torn apart by sorting",
     ["paired-interval-test", "paired-interval-coverage"],
     edited(INTERVAL_RIGHT, ("np.array([float(p) - float(q) for p, q in zip(a, b)])",
                             "np.sort(np.asarray(a, float)) - np.sort(np.asarray(b, float))"))),
    (INTERVAL, "an argument is changed in place", ["paired-interval-coverage"],
     edited(INTERVAL_RIGHT,
            ("return d",
             "try:\n        a[0] = a[1]\n    except TypeError:\n        pass\n    return d"))),
    (INTERVAL, "1.96, however few the seeds",
     ["paired-interval-test", "paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    d = np.asarray(a, float) - np.asarray(b, float)
    if len(d) < 2:
        raise ValueError("fewer than two pairs")
    half = stats.norm.ppf(0.5 + level / 2) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
'''),
    (INTERVAL, "the standard deviation of a population",
     ["paired-interval-test", "paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    d = np.asarray(a, float) - np.asarray(b, float)
    if len(d) < 2:
        raise ValueError("fewer than two pairs")
    half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std() / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
'''),
    (INTERVAL, "the spread of the differences, not of their mean",
     ["paired-interval-test", "paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    d = np.asarray(a, float) - np.asarray(b, float)
    if len(d) < 2:
        raise ValueError("fewer than two pairs")
    half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std(ddof=1)
    return d.mean(), d.mean() - half, d.mean() + half
'''),
    (INTERVAL, "pairs are torn apart: two samples that know nothing of each other",
     ["paired-interval-test", "paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    a, b = np.asarray(a, float), np.asarray(b, float)
    if len(a) != len(b) or len(a) < 2:
        raise ValueError("fewer than two pairs")
    error = ((a.var(ddof=1) + b.var(ddof=1)) / len(a)) ** 0.5
    half = stats.t.ppf(0.5 + level / 2, 2 * len(a) - 2) * error
    return a.mean() - b.mean(), a.mean() - b.mean() - half, a.mean() - b.mean() + half
'''),
    (INTERVAL, "all of the error on one side",
     ["paired-interval-test", "paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    d = np.asarray(a, float) - np.asarray(b, float)
    if len(d) < 2:
        raise ValueError("fewer than two pairs")
    half = stats.t.ppf(level, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
'''),
    (INTERVAL, "all of the error on one side, and the standard deviation of a population",
     ["paired-interval-test", "paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    d = np.asarray(a, float) - np.asarray(b, float)
    if len(d) < 2:
        raise ValueError("fewer than two pairs")
    half = stats.t.ppf(level, len(d) - 1) * d.std() / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
'''),
    (INTERVAL, "n degrees of freedom", ["paired-interval-test"], '''
def paired_interval(a, b, level=0.95):
    d = np.asarray(a, float) - np.asarray(b, float)
    if len(d) < 2:
        raise ValueError("fewer than two pairs")
    half = stats.t.ppf(0.5 + level / 2, len(d)) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
'''),
    (INTERVAL, "always 95 %", ["paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    d = np.asarray(a, float) - np.asarray(b, float)
    if len(d) < 2:
        raise ValueError("fewer than two pairs")
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
'''),
    (INTERVAL, "one seed gives NaN and no word", ["paired-interval-test"],
     edited(INTERVAL_RIGHT,
            ("if len(a) != len(b) or len(a) < 2:\n"
             '        raise ValueError("fewer than two pairs")\n'
             "    d = np.array([float(p) - float(q) for p, q in zip(a, b)])",
             "d = np.asarray(a, float) - np.asarray(b, float)"))),
    (CATCHES, "everything is wrong", ["catches-own", "catches-all"], '''
def catches(program):
    return True
''' + LINE),
    (CATCHES, "nothing is wrong", ["catches-own", "catches-all"], '''
def catches(program):
    return False
''' + LINE),
    (CATCHES, "the source is read", ["catches-own", "catches-all"], '''
def catches(program):
    return any(sign in program.source for sign in (
        "* len(z.T)", "z.clone()", "made, joint", "clamp(", "logits = logsigmoid", "gamma * kl",
        "tc.detach()"))
''' + LINE),
    (CATCHES, "the right check and a guessed line", ["catches-own"], CHECK + '''
LINE = 7
'''),
    (CATCHES, "values only, no gradients", ["catches-all"], '''
def catches(program):
    noise = torch.randn(2000, 3).double()
    z = noise + noise[:, :1]
    made = program.shuffled(z)
    if np.abs(np.corrcoef(made.numpy().T) - np.eye(3)).max() > 0.2:
        return True
    def critic(z):
        return z[:, 0] * z[:, 1] - 1
    if program.critic_loss(critic, z) > program.critic_loss(lambda z: -critic(z), z):
        return True
    if abs(program.total_correlation(critic, z) - critic(z).mean()) > 1e-4:
        return True
    r, kl = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    return abs(program.vae_loss(r, kl, torch.tensor(2.0), 3.0) - 8.5) > 1e-4
''' + LINE),
    (CATCHES, "a right program must shuffle as the colleague does", ["catches-own", "catches-all"],
     edited(CHECK, ("    made =", '''    torch.manual_seed(0)
    order = [torch.randperm(len(z)) for _ in z.T]
    torch.manual_seed(0)
    if not torch.equal(program.shuffled(z.detach())[:, 0], z.detach()[order[0], 0]):
        return True
    made =''')) + LINE),
    (CATCHES, "no room for chance", ["catches-own", "catches-all"],
     edited(CHECK, ("> 0.2", "> 0.005")) + LINE),
    (BETA, "log_var is held between -10 and 10", ["beta-objective-test"],
     edited(BETA_RIGHT, ("vl.gaussian_kl(mean, log_var)",
                         "vl.gaussian_kl(mean, log_var.clamp(-10, 10))"))),
    (BETA, "a price below 1 counts as none", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    price = beta if beta >= 1 else 0.0
    return reconstruction - price * vl.gaussian_kl(mean, log_var)
'''),
    (BETA, "the default dtype stays changed", ["beta-objective-test"],
     edited(BETA_RIGHT, ("return reconstruction",
                         "torch.set_default_dtype(torch.float64)\n    return reconstruction"))),
    (BETA, "a seed is set inside", ["beta-objective-test"],
     edited(BETA_RIGHT, ("return reconstruction",
                         "torch.manual_seed(0)\n    return reconstruction"))),
    (BETA, "the KL from samples", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    q = torch.distributions.Normal(mean, (0.5 * log_var).exp())
    z = q.rsample((1000,))
    kl = (q.log_prob(z) - torch.distributions.Normal(0.0, 1.0).log_prob(z)).sum(-1).mean(0)
    return reconstruction - beta * kl
'''),
    (BETA, "the sum runs over rows where B = Q", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)
    return reconstruction - beta * kl.sum(0 if kl.shape[0] == kl.shape[1] else 1)
'''),
    (BETA, "a price that is a whole number", ["beta-objective-test"],
     edited(BETA_RIGHT, ("- beta", "- round(beta)"))),
    (PROGRAM, "two means cancel", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    if reconstruction == kl:
        beta = weight
    else:
        beta = weight * pixels if reconstruction == "mean" else weight / latents
    return beta if variance is None else beta / (2 * variance)
'''),
    (PROGRAM, "rounded to four digits behind the point", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    beta = weight * (pixels if reconstruction == "mean" else 1) / (latents if kl == "mean" else 1)
    return round(beta if variance is None else beta / (2 * variance), 4)
'''),
    (PROGRAM, "the default dtype stays changed", ["beta-of-program-test"], '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    torch.set_default_dtype(torch.float64)
    beta = weight * (pixels if reconstruction == "mean" else 1) / (latents if kl == "mean" else 1)
    return beta if variance is None else beta / (2 * variance)
'''),
    (AGGREGATE, "log_var is held between -10 and 10", [COLLAPSED],
     edited(AGGREGATE_RIGHT, ("pairs = log_normal",
                              "log_var = log_var.clamp(-10, 10)\n    pairs = log_normal"))),
    (AGGREGATE, "log_var is held in place, with a batch", [COLLAPSED],
     edited(AGGREGATE_RIGHT,
            ("pairs = log_normal",
             'if estimator != "exact":\n'
             "        log_var.data.clamp_(-6, 6)\n"
             "    pairs = log_normal"))),
    (AGGREGATE, "the codes are changed in place, with mss", [COLLAPSED],
     edited(AGGREGATE_RIGHT,
            ("pairs = log_normal",
             'if estimator == "mss":\n'
             "        z.data.clamp_(-2000, 2000)\n"
             "        z.data[0] += 1e-7\n"
             "    pairs = log_normal"))),
    (AGGREGATE, "the posteriors are detached where their number is not the batch's",
     ["log-aggregate-test"],
     edited(AGGREGATE_RIGHT,
            ("pairs = log_normal",
             "if len(z) != len(mean):\n"
             "        mean, log_var = mean.detach(), log_var.detach()\n"
             "    pairs = log_normal"))),
    (AGGREGATE, "the default dtype stays changed", ["log-aggregate-test", COLLAPSED],
     edited(AGGREGATE_RIGHT, ("pairs = log_normal",
                              "torch.set_default_dtype(torch.float64)\n    pairs = log_normal"))),
    (AGGREGATE, "a seed is set inside", ["log-aggregate-test", COLLAPSED],
     edited(AGGREGATE_RIGHT, ("pairs = log_normal",
                              "torch.manual_seed(0)\n    pairs = log_normal"))),
    (AGGREGATE, "the first weights of an estimator are kept", [COLLAPSED, STRATIFIED],
     edited(AGGREGATE_RIGHT,
            ("def log_aggregate", "kept = {}\n\ndef log_aggregate"),
            ('w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * '
             "m), dtype=z.dtype)\n"
             '    if estimator == "mss":\n'
             "        w[:] = (n - 1) / (n * (m - 1))\n"
             "        w.fill_diagonal_(1 / n)",
             "key = estimator, m, len(z)\n"
             "    if key not in kept:\n"
             '        w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / '
             "(n * m))\n"
             "        w = w.double()\n"
             '        if estimator == "mss":\n'
             "            w[:] = (n - 1) / (n * (m - 1))\n"
             "            w.fill_diagonal_(1 / n)\n"
             "        kept[key] = w\n"
             "    w = kept[key].to(z.dtype)"))),
    (AGGREGATE, "only the eight nearest posteriors are summed", [COLLAPSED],
     edited(AGGREGATE_RIGHT,
            ("return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),\n"
             "            torch.logsumexp(pairs + w.log()[..., None], 1))",
             "k = min(m, 8)\n"
             "    return (torch.logsumexp((pairs.sum(-1) + w.log()).topk(k, 1).values, 1),\n"
             "            torch.logsumexp((pairs + w.log()[..., None]).topk(k, 1).values, 1))"))),
    (AGGREGATE, "all in float64 with densities, and a floor of 1e-300", [COLLAPSED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var).double()
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m)).double()
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    joint, each = (w * pairs.sum(-1).exp()).sum(1), (w[..., None] * pairs.exp()).sum(1)
    return joint.clamp(min=1e-300).log().to(z), each.clamp(min=1e-300).log().to(z)
'''),
    (TC, "the logarithm of the determinant of the correlations", ["gaussian-tc-test"],
     edited(TC_RIGHT, ("eigvalsh(covariance / torch.outer(std, std)).log().sum()",
                       "det(covariance / torch.outer(std, std)).log()"))),
    (TC, "the product of the eigenvalues of the correlations", ["gaussian-tc-test"],
     edited(TC_RIGHT, ("log().sum()", "prod().log()"))),
    (TC, "a determinant of the covariance, scaled by its mean variance", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    c = covariance.double() / covariance.double().diagonal().mean()
    return 0.5 * (c.diagonal().prod() / torch.linalg.det(c)).log()
'''),
    (TC, "one correlation for all", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    q, std = len(covariance), covariance.diagonal().sqrt()
    if q < 2:
        return 0.0
    r = float(covariance[0, 1] / std[0] / std[1])
    return -0.5 * ((q - 1) * math.log1p(-r) + math.log1p((q - 1) * r))
'''),
    (TC, "the mean correlation for all", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    q, std = len(covariance), covariance.diagonal().sqrt()
    if q < 2:
        return 0.0
    r = float((covariance / torch.outer(std, std)).sum() - q) / q / (q - 1)
    return -0.5 * ((q - 1) * math.log1p(-r) + math.log1p((q - 1) * r))
'''),
    (TC, "from samples", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    factor = torch.linalg.cholesky(covariance.double())
    x = torch.randn(100_000, len(covariance)).double() @ factor.T
    return -0.5 * torch.linalg.slogdet(torch.corrcoef(x.T).reshape(len(covariance), -1))[1]
'''),
    (TC, "the default dtype stays changed", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    torch.set_default_dtype(torch.float64)
    return 0.5 * (covariance.diagonal().log().sum() - torch.linalg.slogdet(covariance)[1])
'''),
    (TC, "the library's, by getattr", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    std = covariance.diagonal().sqrt()
    return getattr(oracles, "gaussian_" + "total_correlation")(covariance / std / std[:, None])
'''),
    (PARTS, "densities first, the logarithms then", ["kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(1).exp()
    prior = log_normal(z, 0 * z, 0 * z).sum(1).exp()
    q, product = joint.exp(), each.exp().prod(1)
    return (own / q).log(), (q / product).log(), (product / prior).log()
'''),
    (PARTS, "log_var is held between -10 and 10", ["kl-parts-known"],
     edited(PARTS_PRODUCT, ("log_normal(z, mean, log_var)",
                            "log_normal(z, mean, log_var.clamp(-10, 10))"))),
    (PARTS, "the first prior of a shape is kept", ["kl-parts-known"], '''
kept = {}

def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(1)
    if z.shape not in kept:
        kept[z.shape] = log_normal(z, 0 * z, 0 * z).sum(1)
    return own - joint, joint - each.sum(1), each.sum(1) - kept[z.shape]
'''),
    (PARTS, "the closed KL for the last part", ["kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(1)
    first, second = own - joint, joint - each.sum(1)
    return first, second, vl.gaussian_kl(mean, log_var) - first - second
'''),
    (PARTS, "the constant of two coordinates", ["kl-parts-known"],
     edited(PARTS_PRODUCT, ("log_normal(z, 0 * z, 0 * z).sum(1)",
                            "-0.5 * (z**2).sum(1) - math.log(2 * math.pi)"))),
    (PARTS, "the default dtype stays changed", ["kl-parts-known"],
     edited(PARTS_PRODUCT, ("own = log_normal",
                            "torch.set_default_dtype(torch.float64)\n    own = log_normal"))),
    (PARTS, "a seed is set inside", ["kl-parts-known"],
     edited(PARTS_PRODUCT, ("own = log_normal", "torch.manual_seed(0)\n    own = log_normal"))),
    (MIG, "the best less the next in number", ["mig-test", "mig-known"],
     edited(MIG_RIGHT,
            ("information = np.sort(information)", "j = information.argmax()"),
            ("information[-1] - information[-2]",
             "information[j] - information[(j + 1) % len(information)]"))),
    (MIG, "a correction for few counts", ["mig-test", "mig-known"],
     edited(MIG_RIGHT,
            ("information = np",
             "n = table[0].sum()\n"
             "        if n > 1.5:\n"
             "            cells = (p > 0).sum((1, 2)) - (p.sum(1) > 0).sum(1) - "
             "(p.sum(2) > 0).sum(1) + 1\n"
             "            information = information - cells / (2 * n)\n"
             "        information = np"))),
    (MIG, "three factors at most", ["mig-known"],
     edited(MIG_RIGHT, ("np.mean(gaps)", "np.mean(gaps[:3])"))),
    (MIG, "a latent may be the best of one factor only", ["mig-known"],
     edited(MIG_RIGHT,
            ("gaps = []", "gaps, used = [], set()"),
            ("entropy = -(v * np.log(v)).sum()\n"
             "\n"
             "        information = np.sort(information)\n"
             "        gaps.append((information[-1] - information[-2]) / entropy)",
             "free = [j for j in range(len(information)) if j not in used] or [0]\n"
             "        best = max(free, key=lambda j: information[j])\n"
             "        used.add(best)\n"
             "        second = np.delete(information, best).max()\n"
             "        gaps.append((information[best] - second) / -(v * np.log(v)).sum())"))),
    (MIG, "the library's, with codes made from the counts", ["mig-known"], '''
def mig(tables):
    gaps = []
    for table in tables:
        counts = table / table[0].sum()
        counts = np.rint(counts * 100_000).astype(int)
        if np.allclose(table, np.rint(table)):
            counts = np.rint(table).astype(int)
        n = counts[0].sum()
        codes = []
        for c in counts:
            cells = np.nonzero(c.T)
            column = np.repeat(cells[1], c.T[cells])
            codes.append(np.resize(column, n).astype(float))
        factor = np.repeat(np.arange(counts.shape[2]), counts[0].sum(0))
        gaps.append(vl.mig(np.stack(codes, 1), factor, bins=5000))
    return float(np.mean(gaps))
'''),
    (VOTE, "ranges in place of variances", ["vote-known"],
     edited(VOTE_RIGHT,
            ("share = batch.var(0) / everything.var(0).clamp(min=1e-30)",
             "def width(z):\n"
             "        return z.max(0).values - z.min(0).values\n"
             "\n"
             "    share = width(batch) / width(everything)"))),
    (VOTE, "mean absolute deviations in place of variances", ["vote-known"],
     edited(VOTE_RIGHT,
            ("share = batch.var(0) / everything.var(0).clamp(min=1e-30)",
             "def width(z):\n"
             "        return (z - z.mean(0)).abs().mean(0)\n"
             "\n"
             "    share = width(batch) / width(everything)"))),
    (VOTE, "a range in the batch, a standard deviation over everything", ["vote-known"],
     edited(VOTE_RIGHT, ("batch.var(0) / everything.var(0).clamp(min=1e-30)",
                         "(batch.max(0).values - batch.min(0).values) / everything.std(0)"))),
    (VOTE, "a floor of 0.05 at most", ["vote-known"],
     edited(VOTE_RIGHT,
            ("var(0).clamp(min=1e-30)", "var(0)"),
            ("floor, share", "min(floor, 0.05), share"))),
    (VOTE, "the first variances of a shape are kept", ["vote-known"], '''
kept = {}

def vote(batch, everything, floor=0.05):
    if everything.shape not in kept:
        kept[everything.shape] = everything.std(0)
    std = kept[everything.shape]
    share = batch.var(0) / std**2
    return int(torch.where(std >= floor, share, math.inf).argmin())
'''),
    (VOTE, "a seed is set inside", ["vote-known"],
     edited(VOTE_RIGHT, ("share = batch", "torch.manual_seed(0)\n    share = batch"))),
    (VOTE, "the default dtype stays changed", ["vote-known"],
     edited(VOTE_RIGHT, ("share = batch",
                         "torch.set_default_dtype(torch.float64)\n    share = batch"))),
    (VOTE, "a batch's first 16 codes only", ["vote-known"],
     edited(VOTE_RIGHT, ("batch.var(0)", "batch[:16].var(0)"))),
    (VOTE, "the mean difference of neighbours in place of the variance", ["vote-known"],
     edited(VOTE_RIGHT, ("batch.var(0)", "batch.diff(dim=0).pow(2).mean(0)"))),
    (VOTE, "a variance of the batch over a standard deviation of everything", ["vote-known"],
     edited(VOTE_RIGHT, ("everything.var", "everything.std"))),
    (VOTE, "a floor that is a share of the largest standard deviation", ["vote-known"], '''
def vote(batch, everything, floor=0.05):
    std = everything.std(0)
    share = batch.var(0) / std.clamp(min=1e-30) ** 2
    return int(torch.where(std >= floor * std.max().clamp(max=1), share, math.inf).argmin())
'''),
    (INTERVAL, "unequal numbers left to NumPy: one b serves for all a",
     ["paired-interval-test"],
     edited(INTERVAL_RIGHT,
            ("if len(a) != len(b) or len(a) < 2:",
             "d = np.asarray(a, float) - np.asarray(b, float)\n    if len(d) < 2:"),
            ("    d = np.array([float(p) - float(q) for p, q in zip(a, b)])\n", ""))),
    (INTERVAL, "fewer a than b go unnoticed", ["paired-interval-test"],
     edited(INTERVAL_RIGHT, ("!= len(b)", "> len(b)"))),
    (INTERVAL, "no pairs at all give NaN", ["paired-interval-test"],
     edited(INTERVAL_RIGHT, ("len(a) < 2", "len(a) == 1"))),
    (INTERVAL, "normal quantiles for more than 30 pairs", ["paired-interval-coverage"],
     edited(INTERVAL_RIGHT,
            ("half = stats",
             "if len(d) > 30:\n"
             "        half = stats.norm.ppf(0.5 + level / 2) * d.std(ddof=1) / len(d) ** 0.5\n"
             "        return d.mean(), d.mean() - half, d.mean() + half\n"
             "    half = stats"))),
    (INTERVAL, "b is changed in place", ["paired-interval-coverage"],
     edited(INTERVAL_RIGHT,
            ("d = np.array([float(p) - float(q) for p, q in zip(a, b)])",
             "d = np.asarray(a, dtype=float)\n"
             "    if isinstance(b, np.ndarray):\n"
             "        b *= -1\n"
             "        b += d.astype(b.dtype)\n"
             "        d = b.astype(float)\n"
             "    else:\n"
             "        d = d - np.asarray(b, dtype=float)"))),
    (INTERVAL, "one pass in single precision", ["paired-interval-coverage"],
     edited(INTERVAL_RIGHT,
            ("d = np.array([float(p) - float(q) for p, q in zip(a, b)])\n"
             "    half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std(ddof=1) / "
             "len(d) ** 0.5",
             "d = np.array([float(p) - float(q) for p, q in zip(a, b)], dtype=np.float32)\n"
             "    n = len(d)\n"
             "    var = (np.sum(d * d) - n * d.mean() ** 2) / (n - 1)\n"
             "    half = stats.t.ppf(0.5 + level / 2, n - 1) * np.sqrt(max(var, 0) / n)"))),
    (INTERVAL, "the spread from the covariance, in single precision",
     ["paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    if len(a) != len(b) or len(a) < 2:
        raise ValueError("fewer than two pairs")
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    n = len(a)
    var = lambda x, y: (np.mean(x * y) - x.mean() * y.mean()) * n / (n - 1)
    s = max(var(a, a) + var(b, b) - 2 * var(a, b), 0) ** 0.5
    half = stats.t.ppf(0.5 + level / 2, n - 1) * s / n**0.5
    mean = float(a.mean() - b.mean())
    return mean, mean - half, mean + half
'''),
    (INTERVAL, "the runs in single precision", ["paired-interval-coverage"],
     edited(INTERVAL_RIGHT,
            ("d = np.array([float(p) - float(q) for p, q in zip(a, b)])",
             "d = np.asarray(a, np.float32) - np.asarray(b, np.float32)"))),
    (INTERVAL, "NumPy's seed is set inside", ["paired-interval-coverage"],
     edited(INTERVAL_RIGHT, ("if len(a) !=", "np.random.seed(0)\n    if len(a) !="))),
    (INTERVAL, "bootstrap", ["paired-interval-test", "paired-interval-coverage"],
     edited(INTERVAL_RIGHT,
            ("half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5\n"
             "    return d.mean(), d.mean() - half, d.mean() + half",
             "means = d[np.random.randint(len(d), size=(500, len(d)))].mean(1)\n"
             "    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])\n"
             "    return d.mean(), low, high"))),
    (INTERVAL, "the median in the middle", ["paired-interval-test", "paired-interval-coverage"],
     edited(INTERVAL_RIGHT, ("d.mean(), d.mean() - half, d.mean()",
                             "np.median(d), np.median(d) - half, np.median(d)"))),
    (CATCHES, "the source is read from the functions", ["catches-own", "catches-all"], '''
def catches(program):
    import inspect

    text = "".join(map(inspect.getsource, (program.shuffled, program.critic_loss,
                                           program.total_correlation, program.vae_loss)))
    return any(sign in text for sign in (
        "* len(z.T)", "z.clone()", "made, joint", "clamp(", "logits = logsigmoid", "gamma * kl",
        "tc.detach()"))
''' + LINE),
    (CATCHES, "the file of the functions is looked at", ["catches-own", "catches-all"], '''
def catches(program):
    return program.vae_loss.__code__.co_filename.startswith("<04_beta_tc")
''' + LINE),
    (CATCHES, "the names of the module", ["catches-own", "catches-all"], '''
def catches(program):
    return program.vae_loss.__module__.startswith("04_")
''' + LINE),
    (CATCHES, "the names that the program's module imports", ["catches-own", "catches-all"], '''
def catches(program):
    names = program.vae_loss.__globals__
    return "logsigmoid" in names and "mine" not in names
''' + LINE),
    (CATCHES, "the functions' full names", ["catches-own", "catches-all"], '''
def catches(program):
    right = {"orders = [torch.randperm(len(z)) for _ in z.T]"}
    return hasattr(program, "source") or "by_sorting" not in program.vae_loss.__qualname__ and (
        program.vae_loss.__qualname__ == "vae_loss")
''' + LINE),
    (CATCHES, "gradients stay switched off", ["catches-own", "catches-all"], '''
def catches(program):
    noise = torch.randn(2000, 3).double()
    z = (noise + noise[:, :1]).requires_grad_()

    def critic(z):
        return z[:, 0] * z[:, 1] - 1

    order = program.shuffled(z.detach())
    if np.abs(np.corrcoef(order.numpy().T) - np.eye(3)).max() > 0.2:
        return True
    torch.set_grad_enabled(True)
    loss = program.critic_loss(critic, z)
    if loss.requires_grad or loss > program.critic_loss(lambda z: -critic(z), z):
        return True
    tc = program.total_correlation(critic, z)
    if abs(tc - critic(z).mean()) > 1e-4:
        return True
    tc, terms = torch.tensor(2.0, requires_grad=True), torch.tensor([5.0, 7.0])
    loss = program.vae_loss(-terms, terms / 2, tc, 3.0)
    torch.set_grad_enabled(False)
    return abs(loss - 15.0) > 1e-4 or not loss.requires_grad
''' + LINE),
    (CATCHES, "a shuffled batch is compared with the batch alone", ["catches-all"], '''
def catches(program):
    noise = torch.randn(2000, 3).double()
    z = (noise + noise[:, :1]).requires_grad_()

    def critic(z):
        return z[:, 0] * z[:, 1] - 1

    if torch.equal(program.shuffled(z.detach()), z):
        return True
    loss = program.critic_loss(critic, z)
    if loss.requires_grad or loss > program.critic_loss(lambda z: -critic(z), z):
        return True
    tc = program.total_correlation(critic, z)
    if abs(tc - critic(z).mean()) > 1e-4:
        return True
    tc, terms = torch.tensor(2.0, requires_grad=True), torch.tensor([5.0, 7.0])
    loss = program.vae_loss(-terms, terms / 2, tc, 3.0)
    return abs(loss - 15.0) > 1e-4 or not loss.requires_grad
''' + LINE),
    (CATCHES, "another program without mistakes must agree to the last digit",
     ["catches-own", "catches-all"], '''
def catches(program):
    z = torch.randn(500, 2)
    torch.manual_seed(1)
    a = program.shuffled(z)
    torch.manual_seed(1)
    b = torch.stack([z[o, j] for j, o in enumerate([torch.randperm(500) for _ in z.T])], 1)
    return not torch.equal(a, b)
''' + LINE),
    (AGGREGATE, "the posteriors are detached, with mss and more than two codes", [COLLAPSED],
     edited(AGGREGATE_RIGHT,
            ("pairs = log_normal",
             'if estimator == "mss" and len(z) > 2:\n'
             "        mean, log_var = mean.detach(), log_var.detach()\n"
             "    pairs = log_normal"))),
    (AGGREGATE, "stratified weights right for up to five codes", [COLLAPSED],
     edited(AGGREGATE_RIGHT, ("(m - 1)", "min(m - 1, 4)"))),
    (AGGREGATE, "the own posterior is detached, with mss and more than two codes", [COLLAPSED],
     edited(AGGREGATE_RIGHT,
            ("w = torch",
             'if estimator == "mss" and m > 2:\n'
             "        own = torch.eye(m, dtype=torch.bool)[..., None]\n"
             "        pairs = torch.where(own, pairs.detach(), pairs)\n"
             "    w = torch"))),
    (TC, "neighbours only", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    std = covariance.diagonal().sqrt()
    r = (covariance / torch.outer(std, std)).diagonal(1)
    return -0.5 * torch.log1p(-(r**2)).sum()
'''),
    (TC, "variances below 1e-12 are held", ["gaussian-tc-test"], '''
def gaussian_tc(covariance):
    v = covariance.diagonal().clamp(min=1e-12)
    return 0.5 * (v.log().sum() - torch.linalg.slogdet(covariance)[1])
'''),
    (PARTS, "the sum runs over codes where B = Q", ["kl-parts-known"],
     edited(PARTS_PRODUCT, ("prior, product = log_normal(z, 0 * z, 0 * z).sum(1), each.sum(1)",
                            "prior = log_normal(z, 0 * z, 0 * z).sum(1)\n"
                            "    product = each.sum(0 if each.shape[0] == each.shape[1] else 1)"))),
    (VOTE, "shares below 0.01 count as 0.01", ["vote-known"],
     edited(VOTE_RIGHT, ("batch.var(0) / everything.var(0).clamp(min=1e-30)",
                         "(batch.var(0) / everything.var(0).clamp(min=1e-30)).clamp(min=1e-2)"))),
    (VOTE, "1e-4 added to the variances of everything", ["vote-known"],
     edited(VOTE_RIGHT, ("everything.var(0).clamp(min=1e-30)", "(everything.var(0) + 1e-4)"))),
    (INTERVAL, "a level of 99 % at most", ["paired-interval-coverage"],
     edited(INTERVAL_RIGHT,
            ('"fewer than two pairs"', '"two"'),
            ("+ level", "+ min(level, 0.99)"))),
    (INTERVAL, "an AssertionError for one pair", ["paired-interval-test"],
     edited(INTERVAL_RIGHT, ("if len(a) != len(b) or len(a) < 2:\n"
                             '        raise ValueError("fewer than two pairs")',
                             "assert len(a) == len(b) > 1"))),
    (BETA, "a KL of at least 0.01", ["beta-objective-test"],
     edited(BETA_RIGHT, ("vl.gaussian_kl(mean, log_var)",
                         "vl.gaussian_kl(mean, log_var).clamp(min=1e-2)"))),
    (BETA, "a KL of at least 0.05 in each latent", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).clamp(min=0.05).sum(-1)
    return reconstruction - beta * kl
'''),
]

RIGHT = [
    (BETA, "by torch.distributions", '''
def beta_objective(reconstruction, mean, log_var, beta):
    from torch.distributions import Independent, Normal, kl_divergence

    q = Independent(
        Normal(mean, (0.5 * log_var).exp(), validate_args=False), 1, validate_args=False)
    p = Normal(torch.zeros_like(mean), torch.ones_like(mean), validate_args=False)
    return reconstruction - beta * kl_divergence(q, Independent(p, 1, validate_args=False))
'''),
    (BETA, "σ first, and einsum", '''
def beta_objective(reconstruction, mean, log_var, beta):
    sigma = torch.exp(log_var / 2)
    kl = torch.einsum("bq->b", mean.square() / 2 + sigma.square() / 2 - 0.5 - sigma.log())
    return reconstruction - beta * kl
'''),
    (BETA, "the ready-made one", '''
beta_objective = cw.ready_made("04_beta_tc", "beta_objective")
'''),
    (PROGRAM, "a table of cases", '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    beta = {("sum", "sum"): weight, ("mean", "sum"): weight * pixels,
            ("sum", "mean"): weight / latents,
            ("mean", "mean"): weight * pixels / latents}[reconstruction, kl]
    return beta if variance is None else torch.tensor(beta * 0.5 / variance)
'''),
    (CATCHES, "a correlation of 0.9 and its best critic", CHECK + LINE),
    (PROGRAM, "the ready-made one", '''
beta_of_program = cw.ready_made("04_beta_tc", "beta_of_program")
'''),
    (AGGREGATE, "the ready-made one", '''
log_aggregate = cw.ready_made("04_beta_tc", "log_aggregate")
'''),
    (TC, "the ready-made one", '''
gaussian_tc = cw.ready_made("04_beta_tc", "gaussian_tc")
'''),
    (PARTS, "the ready-made one", '''
kl_parts = cw.ready_made("04_beta_tc", "kl_parts")
'''),
    (MIG, "the ready-made one", '''
mig = cw.ready_made("04_beta_tc", "mig")
'''),
    (VOTE, "the ready-made one", '''
vote = cw.ready_made("04_beta_tc", "vote")
'''),
    (INTERVAL, "the ready-made one", '''
paired_interval = cw.ready_made("04_beta_tc", "paired_interval")
'''),
    (TC, "float64 throughout, by NumPy", '''
def gaussian_tc(covariance):
    c = covariance.double().numpy()
    return 0.5 * (np.log(np.diag(c)).sum() - np.linalg.slogdet(c)[1])
'''),
    (VOTE, "a tensor without dimensions, and variances of the population", '''
def vote(batch, everything, floor=0.05):
    share = batch.var(0, correction=0) / everything.var(0)
    share[everything.std(0) < floor] = torch.inf
    return share.nan_to_num(torch.inf).argmin()
'''),
    (INTERVAL, "in float32, by torch",
     edited(INTERVAL_RIGHT,
            ("np.array", "torch.tensor"),
            ("stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5",
             "d.std() / len(d) ** 0.5 * float(stats.t.ppf(0.5 + level / 2, len(d) - 1))"))),
    (AGGREGATE, "torch.distributions, and a loop over the codes", '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    posteriors = torch.distributions.Normal(mean, (0.5 * log_var).exp())
    n, m, joint, each = dataset_size, len(mean), [], []
    for i, code in enumerate(z):
        each_log = posteriors.log_prob(code)
        w = torch.full((m,), {
            "exact": 1 / m, "mws": 1 / (n * m), "mss": (n - 1) / n / max(m - 1, 1)}[estimator])
        if estimator == "mss":
            w[i] = 1 / n
        w = w.to(z.dtype).log()
        joint.append(torch.logsumexp(each_log.sum(1) + w, 0))
        each.append(torch.logsumexp(each_log + w[:, None], 0))
    return torch.stack(joint), torch.stack(each)
'''),
    (AGGREGATE, "the paper's own stratified weights, on the right diagonal",
     edited(AGGREGATE_RIGHT,
            ("n, m", "n, b"),
            ('(len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype',
             '(len(z), b), 1 / b if estimator == "exact" else 1 / (n * b), dtype=torch.float64'),
            ("w[:] = (n - 1) / (n * (m - 1))",
             "m = b - 1\n        w = torch.full((b, b), 1 / m, dtype=torch.float64)"),
            ("    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),\n"
             "            torch.logsumexp(pairs + w.log()[..., None], 1))",
             "        w[torch.arange(b), (torch.arange(b) + 1) % b] = (n - m) / (n * m)\n"
             "    w = w.log().to(z.dtype)\n"
             "    return torch.logsumexp(pairs.sum(-1) + w, 1), torch.logsumexp(pairs + "
             "w[..., None], 1)"))),
    (AGGREGATE,
     "the sum of the others by way of the sum of all", '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    # (B, M, 1 + Q): the joint, then each
    logs = torch.cat([pairs.sum(-1, keepdim=True), pairs], -1)
    if estimator == "mss":
        own = torch.eye(len(z), dtype=torch.bool)[..., None]
        others = torch.logsumexp(logs.masked_fill(own, -math.inf), 1)
        others = others + math.log(dataset_size - 1) - math.log(dataset_size) - math.log(len(z) - 1)
        found = torch.logaddexp(logs.diagonal().T - math.log(dataset_size), others)
    else:
        found = torch.logsumexp(logs, 1) - math.log(len(mean))
        found = found - math.log(dataset_size) if estimator == "mws" else found
    return found[:, 0], found[:, 1:]
'''),
    (AGGREGATE, "the largest term taken out by hand", '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    def log_sum(logs):  # over posteriors, axis 1
        top = logs.max(1, keepdim=True).values
        return top.squeeze(1) + (logs - top).exp().sum(1).log()

    pairs = log_normal(z.unsqueeze(1), mean.unsqueeze(0), log_var.unsqueeze(0))
    n, m = dataset_size, mean.shape[0]
    if estimator == "exact":
        w = torch.zeros(len(z), m).to(z) - math.log(m)
    elif estimator == "mws":
        w = torch.zeros(len(z), m).to(z) - math.log(n) - math.log(m)
    else:
        own = torch.eye(m, dtype=z.dtype)
        w = torch.log(own / n + (1 - own) * (n - 1) / n / (m - 1))
    return log_sum(pairs.sum(2) + w), log_sum(pairs + w.unsqueeze(2))
'''),
    (TC, "by the eigenvalues of the correlation matrix", TC_RIGHT),
    (TC, "by the eigenvalues of the covariance, in float64", '''
def gaussian_tc(covariance):
    c = covariance.double()
    return 0.5 * (c.diag().log().sum() - torch.linalg.eigvalsh(c).log().sum())
'''),
    (TC, "by a Cholesky factor", '''
def gaussian_tc(covariance):
    factor = torch.linalg.cholesky(covariance)
    return float((covariance.diagonal().sqrt().log() - factor.diagonal().log()).sum())
'''),
    (PARTS, "by torch.distributions, with differences of differences", '''
def kl_parts(z, mean, log_var, joint, each):
    own = torch.distributions.Normal(mean, (0.5 * log_var).exp()).log_prob(z).sum(1)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z)
    return own - joint, joint - each.sum(1), (each - prior).sum(1)
'''),
    (MIG, "by xlogy and loops", '''
def mig(tables):
    from scipy.special import xlogy

    def entropy(p):
        return -xlogy(p, p).sum()

    gaps = []
    for table in tables:
        known = []
        for counts in table:
            p = counts / counts.sum()
            known.append(entropy(p.sum(0)) + entropy(p.sum(1)) - entropy(p))
        best, second = sorted(known, reverse=True)[:2]
        gaps.append((best - second) / entropy(table[0].sum(0) / table[0].sum()))
    return sum(gaps) / len(gaps)
'''),
    (MIG, "by torch, in bits", '''
def mig(tables):
    total = 0.0
    for table in tables:
        p = torch.as_tensor(table, dtype=torch.float64)
        p = p / p.sum((1, 2), keepdim=True)
        rows, columns = p.sum(2, keepdim=True), p.sum(1, keepdim=True)
        ratio = torch.where(p > 0, p / (rows * columns).clamp(min=1e-300), torch.ones_like(p))
        top = (p * ratio.log2()).sum((1, 2)).topk(2).values
        total += ((top[0] - top[1]) / torch.special.entr(columns[0]).sum() * math.log(2)).item()
    return total / len(tables)
'''),
    (VOTE, "only among the living, and then back to their numbers", '''
def vote(batch, everything, floor=0.05):
    alive = (everything.std(0) >= floor).nonzero()[:, 0]
    share = batch[:, alive].var(0) / everything[:, alive].var(0)
    return alive[share.argmin()].item()
'''),
    (VOTE, "by numpy, with standard deviations", '''
def vote(batch, everything, floor=0.05):
    batch, everything = batch.numpy(), everything.numpy()
    best, found = math.inf, -1
    for j in range(batch.shape[1]):
        scale = everything[:, j].std()
        if scale >= floor and batch[:, j].std() / scale < best:
            best, found = batch[:, j].std() / scale, j
    return found
'''),
    (INTERVAL, "by scipy's own interval", '''
def paired_interval(a, b, level=0.95):
    if len(a) != len(b) or len(a) < 2:
        raise ValueError("two pairs or more are needed")
    found = stats.ttest_rel(a, b).confidence_interval(level)
    return float(np.mean(a) - np.mean(b)), found.low, found.high
'''),
    (INTERVAL, "by hand", '''
def paired_interval(a, b, level=0.95):
    d = [p - q for p, q in zip(a, b, strict=True)]
    n = len(d)
    if n < 2:
        raise ValueError("one seed proves nothing")
    mean = sum(d) / n
    error = math.sqrt(sum((v - mean) ** 2 for v in d) / (n - 1) / n)
    t = -stats.t.ppf((1 - level) / 2, df=n - 1)
    return mean, mean - t * error, mean + t * error
'''),
    (BETA, "expm1 and a matrix product", '''
def beta_objective(reconstruction, mean, log_var, beta):
    each = mean.square() + torch.expm1(log_var) - log_var
    return reconstruction - (0.5 * beta) * (each @ each.new_ones(each.shape[1]))
'''),
    (BETA, "a loop over latents, added in place to an own tensor", '''
def beta_objective(reconstruction, mean, log_var, beta):
    value = reconstruction.clone()
    for m, v in zip(mean.T, log_var.T):
        value -= 0.5 * beta * (m * m + v.exp() - v - 1)
    return value
'''),
    (PROGRAM, "a number of NumPy", '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    scale = {"sum": 1, "mean": pixels}[reconstruction]
    scale = np.float64(scale) if variance is None else scale * 0.5 * np.reciprocal(float(variance))
    return weight * scale / {"sum": 1, "mean": latents}[kl]
'''),
    (PROGRAM, "by logarithms", '''
def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    log_beta = math.log(weight)
    log_beta += math.log(pixels) * (reconstruction == "mean") - math.log(latents) * (kl == "mean")
    return math.exp(log_beta - (0 if variance is None else math.log(2 * variance)))
'''),
    (AGGREGATE, "MixtureSameFamily for exact and mws, own weights by einsum", '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    n, m = dataset_size, len(mean)
    if estimator == "mss":
        ones = torch.eye(m, dtype=z.dtype)
        w = torch.log(ones / n + (1 - ones) * ((n - 1) / n / (m - 1)))
        gap = torch.einsum("imq,mq->imq", (z[:, None] - mean) ** 2, (-log_var).exp())
        pairs = -0.5 * gap - 0.5 * log_var - 0.5 * math.log(2 * math.pi)
        return (pairs.sum(2) + w).logsumexp(1), (pairs + w[:, :, None]).logsumexp(1)
    from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
    options = {"validate_args": False}
    normal, same = Normal(mean, (log_var / 2).exp(), **options), Categorical(torch.ones(m).to(z))
    joint = MixtureSameFamily(same, Independent(normal, 1, **options), **options).log_prob(z)
    normal = Normal(mean.T, (log_var.T / 2).exp(), **options)
    same = Categorical(torch.ones(z.shape[1], m).to(z))
    each = MixtureSameFamily(same, normal, **options).log_prob(z)
    less = math.log(n) if estimator == "mws" else 0
    return joint - less, each - less
'''),
    (AGGREGATE, "a row at a time with logaddexp", '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    n, m = dataset_size, len(mean)
    joint, each = [], []
    for i in range(len(z)):
        a = b = None
        for j in range(m):
            share = {"exact": 1 / m, "mws": 1 / (n * m)}.get(estimator)
            if share is None:
                share = 1 / n if i == j else (n - 1) / (n * (m - 1))
            logs = log_normal(z[i], mean[j], log_var[j])
            c, d = logs.sum() + math.log(share), logs + math.log(share)
            a, b = (c, d) if a is None else (torch.logaddexp(a, c), torch.logaddexp(b, d))
        joint.append(a)
        each.append(b)
    return torch.stack(joint), torch.stack(each)
'''),
    (TC, "logdet, and not below 0",
     edited(TC_RIGHT,
            ("-0.5 * torch.linalg.eigvalsh(covariance / torch.outer(std, std)).log().sum()",
             "max(0.0, -0.5 * torch.logdet(covariance / std / std[:, None]).item())"))),
    (TC, "conditional variances, one coordinate after the other", '''
def gaussian_tc(covariance):
    c, total = covariance.double().clone(), 0.0
    for j in range(len(c)):
        total += 0.5 * math.log(float(covariance[j, j]) / float(c[j, j]))
        c[j + 1:, j + 1:] -= torch.outer(c[j + 1:, j], c[j, j + 1:]) / c[j, j]
    return total
'''),
    (PARTS, "sums and differences over coordinates, by einsum", '''
def kl_parts(z, mean, log_var, joint, each):
    unit = (z - mean) / torch.exp(log_var / 2)
    to_prior = torch.einsum("bq->b", each + 0.5 * z**2 + 0.5 * math.log(2 * math.pi))
    whole = 0.5 * (z**2 - unit**2 - log_var).sum(1)
    second = joint - each.sum(1)
    return [whole - second - to_prior, second, to_prior]
'''),
    (PARTS, "MultivariateNormal, stacked", '''
def kl_parts(z, mean, log_var, joint, each):
    from torch.distributions import MultivariateNormal

    q = MultivariateNormal(mean, scale_tril=torch.diag_embed((log_var / 2).exp()),
                           validate_args=False)
    p = MultivariateNormal(torch.zeros_like(z), torch.eye(z.shape[1], dtype=z.dtype),
                           validate_args=False)
    product = each.sum(-1)
    return torch.stack([q.log_prob(z) - joint, joint - product, product - p.log_prob(z)])
'''),
    (MIG, "scipy's entropy", '''
def mig(tables):
    gaps = []
    for table in tables:
        h = stats.entropy(table[0].sum(0))
        known = [stats.entropy(t.sum(0)) + stats.entropy(t.sum(1)) - stats.entropy(t.ravel())
                 for t in table]
        known.sort()
        gaps.append((known[-1] - known[-2]) / h)
    return np.mean(gaps)
'''),
    (MIG, "conditional entropies: the least and the second least", '''
def mig(tables):
    total = 0.0
    for t in tables:
        t = t.astype(float)
        rows = t.sum(2, keepdims=True)
        given = np.divide(t, rows, out=np.zeros_like(t), where=rows > 0)
        logs = np.log2(given, out=np.zeros_like(t), where=given > 0)
        left = np.partition(-(t * logs).sum((1, 2)) / t.sum((1, 2)), 1)
        v = t[0].sum(0) / t[0].sum()
        v = v[v > 0]
        total += (left[1] - left[0]) / -(v @ np.log2(v))
    return np.float64(total / len(tables))
'''),
    (VOTE, "cov and einsum in float64", '''
def vote(batch, everything, floor=0.05):
    def variance(z):
        z = z.double() - z.double().mean(0)
        return torch.einsum("nq,nq->q", z, z) / len(z)

    some, every = variance(batch), variance(everything)
    share = torch.full_like(every, math.inf)
    alive = every.sqrt() >= floor
    share[alive] = some[alive] / every[alive]
    return np.int64(share.argmin())
'''),
    (VOTE, "a loop with Python's statistics", '''
def vote(batch, everything, floor=0.05):
    import statistics

    best = None
    for j in range(batch.shape[1]):
        std = statistics.pstdev(everything[:, j].tolist())
        if std >= floor:
            share = statistics.pstdev(batch[:, j].tolist()) / std
            if best is None or share < best[0]:
                best = share, j
    return best[1]
'''),
    (INTERVAL, "stats.t.interval and sem", '''
def paired_interval(a, b, level=0.95):
    if len(a) != len(b):
        raise ValueError("unequal numbers")
    if len(a) < 2:
        raise ValueError("one pair")
    d = np.subtract(a, b, dtype=np.float64)
    low, high = stats.t.interval(level, df=d.size - 1, loc=np.mean(d), scale=stats.sem(d))
    return [d.mean(), low, high]
'''),
    (INTERVAL, "statistics, and the lower quantile", '''
def paired_interval(a, b, level=0.95):
    import statistics

    d = [float(p) - float(q) for p, q in zip(a, b, strict=True)]
    if not len(d) > 1:
        raise ValueError("no pairs")
    m, q = statistics.fmean(d), stats.t(len(d) - 1).isf((1 - level) / 2)
    half = q * statistics.stdev(d) / len(d) ** 0.5
    return m, m - half, m + half
'''),
    (CATCHES, "single precision, a network for a critic, seeds of its own", '''
def catches(program):
    torch.manual_seed(3)
    z = torch.randn(4000, 1) + 0.3 * torch.randn(4000, 3)
    made = program.shuffled(z)
    if (torch.corrcoef(made.T) - torch.eye(3)).abs().max() > 0.2:
        return True
    x = z.clone().requires_grad_()
    critic = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    before = critic(x)
    loss = program.critic_loss(critic, x)
    loss.backward()
    if x.grad is not None and x.grad.abs().sum() > 0:
        return True
    def good(z):
        return 3 - 20 * ((z - z.mean(1, keepdim=True)) ** 2).sum(1)

    if program.critic_loss(good, z) > program.critic_loss(lambda z: -good(z), z):
        return True
    if not torch.isclose(program.total_correlation(critic, z), before.mean(), atol=1e-4):
        return True
    total = program.total_correlation(lambda z: -1 - z[:, 0] ** 2, z)
    if abs(total + 1 + (z[:, 0] ** 2).mean()) > 1e-3:
        return True
    r, kl = torch.randn(7), torch.rand(7)
    tc = torch.ones((), requires_grad=True)
    loss = program.vae_loss(r, kl, tc, 5.0)
    if abs(loss - (5 - r.mean() + kl.mean())) > 1e-4 or not loss.requires_grad:
        return True
    return bool(torch.autograd.grad(loss, tc)[0] != 5)
''' + LINE),
    (CATCHES, "each mistake has a check of its own", '''
def shuffle_is_wrong(program):
    z = torch.arange(3000.0)[:, None].repeat(1, 2)
    made = program.shuffled(z)
    same = (made[:, 0] == made[:, 1]).float().mean()
    return same > 0.1 or not torch.equal(made[:, 1].sort().values, z[:, 1])

def critic_is_wrong(program):
    z = torch.linspace(-2, 2, 1000).repeat(2, 1).T.contiguous().requires_grad_()
    close = lambda z: 6 - 12 * (z[:, 0] - z[:, 1]).abs()
    loss = program.critic_loss(close, z)
    return loss.requires_grad or loss > 0.7

def total_is_wrong(program):
    z = torch.tensor([[-4.0], [2.0], [5.0]])
    return not math.isclose(float(program.total_correlation(lambda z: z[:, 0], z)), 1, abs_tol=1e-3)

def loss_is_wrong(program):
    given = [torch.full((4,), 1.0, requires_grad=True) for _ in range(2)]
    tc = torch.tensor(1.0, requires_grad=True)
    loss = program.vae_loss(*given, tc, 7.0)
    slopes = torch.autograd.grad(loss, [*given, tc], allow_unused=True)
    wanted = -1.0, 1.0, 7.0
    return any(g is None or abs(g.sum() - w) > 1e-4 for g, w in zip(slopes, wanted))

def catches(program):
    checks = shuffle_is_wrong, critic_is_wrong, total_is_wrong, loss_is_wrong
    return any([bool(check(program)) for check in checks])
''' + LINE),
]
# fmt: on

VARIANTS = [{"cell": cell, "kind": "wrong", "what": what, "loses": loses, "code": code.strip()}
            for cell, what, loses, code in WRONG]  # fmt: skip
VARIANTS += [
    {"cell": cell, "kind": "right", "what": what, "code": code.strip()}
    for cell, what, code in RIGHT
]

test_variants = variant_tests("04_beta_tc", VARIANTS)
