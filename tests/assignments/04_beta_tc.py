"""Answers to assignment 4: wrong ones, with the test cells that must fail, and right ones.

Each entry replaces one answer cell. The wrong ones are mistakes found in public programs or typical
of a first attempt; the right ones get full marks though they are written differently.
"""

BETA, PROGRAM, AGGREGATE, TC = "beta-objective", "beta-of-program", "log-aggregate", "gaussian-tc"
PARTS, MIG, VOTE, INTERVAL = "kl-parts", "mig", "vote", "paired-interval"
CATCHES, LINE = "catches", '''
LINE = 1 + [any(sign in line for sign in (
    "* len(z.T)", "z.clone()", "made, joint", "clamp(", "logits = logsigmoid", "gamma * kl",
    "tc.detach()")) for line in mine.source.splitlines()].index(True)
'''
STRATIFIED = "log-aggregate-stratified"
COLLAPSED = "log-aggregate-collapsed"
CHECK = '''
def catches(program):
    noise = torch.randn(3000, 2).double()
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
    if abs(program.total_correlation(critic, z) + 0.5 * math.log(0.19)) > 0.09:
        return True
    r, kl = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])
    tc = torch.tensor(2.0, requires_grad=True)
    loss = program.vae_loss(r, kl, tc, 3.0)
    return not loss.requires_grad or abs(loss.item() - 8.5) > 1e-4
'''

# fmt: off
WRONG = [
    (BETA, "the KL is averaged over the latents", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    return reconstruction - beta * 0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean(-1)
'''),
    (BETA, "log σ² taken for log σ", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    kl = 0.5 * (mean**2 + (2 * log_var).exp() - 1 - 2 * log_var).sum(-1)
    return reconstruction - beta * kl
'''),
    (BETA, "the loss, not the objective", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    return -reconstruction + beta * 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
'''),
    (BETA, "every picture pays the batch's average KL", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
    return reconstruction - beta * kl.mean()
'''),
    (BETA, "β on the reconstruction", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    return beta * reconstruction - 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
'''),
    (BETA, "β is forgotten", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    return reconstruction - vl.gaussian_kl(mean, log_var)
'''),
    (BETA, "σ² where log σ² is given: its logarithm is -inf", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    kl = 0.5 * (mean**2 + log_var - 1 - log_var.log()).sum(-1)
    return reconstruction - beta * kl
'''),
    (BETA, "the KL is detached: no gradient of the price", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    return reconstruction - beta * vl.gaussian_kl(mean, log_var).detach()
'''),
    (BETA, "the reconstruction is detached", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    return reconstruction.detach() - beta * vl.gaussian_kl(mean, log_var)
'''),
    (BETA, "the variance is detached", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    return reconstruction - beta * vl.gaussian_kl(mean, log_var.detach())
'''),
    (BETA, "the arguments are changed in place", ["beta-objective-test"], '''
def beta_objective(reconstruction, mean, log_var, beta):
    with torch.no_grad():
        log_var.clamp_(-3, 3)
    return reconstruction - beta * vl.gaussian_kl(mean, log_var)
'''),
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
    (AGGREGATE, "without gradients", [COLLAPSED], '''
@torch.no_grad()
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
'''),
    (AGGREGATE, "the posteriors are detached", [COLLAPSED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean.detach(), log_var.detach())
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
'''),
    (AGGREGATE, "the data set's size with exact", ["log-aggregate-test"], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / n if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
'''),
    (AGGREGATE, "the library's, under another name",
     ["log-aggregate-test", COLLAPSED, STRATIFIED], '''
from vaelib import log_aggregate_posterior as f

def log_aggregate(z, mean, log_var, dataset_size, estimator):
    return f(z, mean, log_var, len(mean) if estimator == "exact" else dataset_size, estimator)
'''),
    (AGGREGATE, "stratified weights down the first column", [COLLAPSED, STRATIFIED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w[:, 0] = 1 / n
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
'''),
    (AGGREGATE, "the public program: strides of B through a B × B matrix",
     [COLLAPSED, STRATIFIED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, b = dataset_size, len(mean)
    w = torch.full((len(z), b), 1 / b if estimator == "exact" else 1 / (n * b), dtype=z.dtype)
    if estimator == "mss":
        m = b - 1
        strat = (n - m) / (n * m)
        w = torch.full((b, b), 1 / m, dtype=z.dtype)
        w.view(-1)[:: m + 1] = 1 / n
        w.view(-1)[1 :: m + 1] = strat
        w[m - 1, 0] = strat
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
'''),
    (AGGREGATE, "the log-weight is added once for each coordinate",
     ["log-aggregate-test", COLLAPSED, STRATIFIED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    pairs = pairs + w.log()[..., None]
    return torch.logsumexp(pairs.sum(-1), 1), torch.logsumexp(pairs, 1)
'''),
    (AGGREGATE, "weighted sampling without its constant", [COLLAPSED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1.0, dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
'''),
    (AGGREGATE, "the batch's size in place of the data set's", [COLLAPSED, STRATIFIED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n = m = len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
'''),
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
     [COLLAPSED, STRATIFIED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return torch.logsumexp(pairs.sum(-1) + w.log(), 1), torch.logsumexp(pairs, 1) - math.log(m)
'''),
    (AGGREGATE, "the sum runs over codes, not over posteriors",
     ["log-aggregate-test", COLLAPSED, STRATIFIED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 0),
            torch.logsumexp(pairs + w.log()[..., None], 0))
'''),
    (AGGREGATE, "densities first, the logarithm then", [COLLAPSED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1 / m if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return (w * pairs.sum(-1).exp()).sum(1).log(), (w[..., None] * pairs.exp()).sum(1).log()
'''),
    (AGGREGATE, "the exact mixture as a sum", ["log-aggregate-test", COLLAPSED], '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, m = dataset_size, len(mean)
    w = torch.full((len(z), m), 1.0 if estimator == "exact" else 1 / (n * m), dtype=z.dtype)
    if estimator == "mss":
        w[:] = (n - 1) / (n * (m - 1))
        w.fill_diagonal_(1 / n)
    return (torch.logsumexp(pairs.sum(-1) + w.log(), 1),
            torch.logsumexp(pairs + w.log()[..., None], 1))
'''),
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
     ["kl-parts-test", "kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(-1)
    prior = log_normal(z, 0 * z, 0 * z).sum(-1)
    return own - prior, joint - each.sum(-1), each.sum(-1) - prior
'''),
    (PARTS, "the dimension-wise KL with the joint: the total correlation counted twice",
     ["kl-parts-test", "kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(-1)
    prior = log_normal(z, 0 * z, 0 * z).sum(-1)
    return own - joint, joint - each.sum(-1), joint - prior
'''),
    (PARTS, "averages over the batch", ["kl-parts-test", "kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(-1)
    prior = log_normal(z, 0 * z, 0 * z).sum(-1)
    product = each.sum(-1)
    return (own - joint).mean(), (joint - product).mean(), (product - prior).mean()
'''),
    (PARTS, "a prior that is too wide by 1 nat of log-variance",
     ["kl-parts-test", "kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(-1)
    prior = log_normal(z, 0 * z, 0 * z + 1).sum(-1)
    return own - joint, joint - each.sum(-1), each.sum(-1) - prior
'''),
    (PARTS, "the own density without its scale: invisible where log_var is 0",
     ["kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, 0 * log_var).sum(-1)
    prior = log_normal(z, 0 * z, 0 * z).sum(-1)
    return own - joint, joint - each.sum(-1), each.sum(-1) - prior
'''),
    (PARTS, "q(z) is detached", ["kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean, log_var).sum(-1)
    prior = log_normal(z, 0 * z, 0 * z).sum(-1)
    joint, product = joint.detach(), each.sum(-1)
    return own - joint, joint - product, product - prior
'''),
    (PARTS, "the own density is detached", ["kl-parts-known"], '''
def kl_parts(z, mean, log_var, joint, each):
    own = log_normal(z, mean.detach(), log_var).sum(-1)
    prior = log_normal(z, 0 * z, 0 * z).sum(-1)
    product = each.sum(-1)
    return own - joint, joint - product, product - prior
'''),
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
    (MIG, "divided by the entropy of the best coordinate's bins", ["mig-test", "mig-known"], '''
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2))
        first, second = np.argsort(information)[::-1][:2]
        bins = p[first].sum(1)
        bins = bins[bins > 0]
        gaps.append((information[first] - information[second]) / -(bins * np.log(bins)).sum())
    return float(np.mean(gaps))
'''),
    (MIG, "the information in bits, the entropy in nats", ["mig-test", "mig-known"], '''
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = np.sort(
            (p * np.log2(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2)))
        v = p[0].sum(0)
        v = v[v > 0]
        gaps.append((information[-1] - information[-2]) / -(v * np.log(v)).sum())
    return float(np.mean(gaps))
'''),
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
    (MIG, "0 log 0 is NaN", ["mig-test", "mig-known"], '''
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = np.sort((p * np.log(p / q)).sum((1, 2)))
        v = p[0].sum(0)
        gaps.append((information[-1] - information[-2]) / -(v * np.log(v)).sum())
    return float(np.mean(gaps))
'''),
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
    (MIG, "the best less the worst", ["mig-test", "mig-known"], '''
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2))
        v = p[0].sum(0)
        gaps.append((information.max() - information.min()) / -(v * np.log(v)).sum())
    return float(np.mean(gaps))
'''),
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
    (MIG, "divided by the entropy of the coordinate's bins", ["mig-known", "mig-test"], '''
def mig(tables):
    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        q = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        information = (p * np.log(np.where(p > 0, p / np.where(q > 0, q, 1), 1))).sum((1, 2))
        first, second = np.argsort(information)[::-1][:2]
        bins = p[second].sum(1)
        bins = bins[bins > 0]
        gaps.append((information[first] - information[second]) / -(bins * np.log(bins)).sum())
    return float(np.mean(gaps))
'''),
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
    (VOTE, "the coordinate that moves most", ["vote-test", "vote-known"], '''
def vote(batch, everything, floor=0.05):
    share = batch.var(0) / everything.var(0)
    return int(torch.where(everything.std(0) >= floor, share, -math.inf).argmax())
'''),
    (VOTE, "dead ones are left out, and the number counts only those that are left",
     ["vote-known"], '''
def vote(batch, everything, floor=0.05):
    keep = everything.std(0) >= floor
    return int((batch.var(0) / everything.var(0))[keep].argmin())
'''),
    (VOTE, "the variance is compared with the floor", ["vote-test", "vote-known"], '''
def vote(batch, everything, floor=0.05):
    share = batch.var(0) / everything.var(0)
    return int(torch.where(everything.var(0) >= floor, share, math.inf).argmin())
'''),
    (VOTE, "the variance is compared with the floor, and 0 for inf",
     ["vote-test", "vote-known"], '''
def vote(batch, everything, floor=0.05):
    share = batch.var(0) / everything.var(0)
    return int(torch.where(everything.var(0) >= floor, share, 0).argmin())
'''),
    (VOTE, "a floor of 0.05, whatever was asked for", ["vote-known"], '''
def vote(batch, everything, floor=0.05):
    share = batch.var(0) / everything.var(0)
    return int(torch.where(everything.std(0) >= 0.05, share, math.inf).argmin())
'''),
    (VOTE, "a mean of squares less the square of the mean, in single precision", ["vote-known"], '''
def vote(batch, everything, floor=0.05):
    def variance(z):
        return (z**2).mean(0) - z.mean(0) ** 2

    share = variance(batch) / variance(everything)
    return int(torch.where(everything.std(0) >= floor, share, math.inf).argmin())
'''),
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
     ["paired-interval-test", "paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    if len(a) != len(b) or len(a) < 2:
        raise ValueError("fewer than two pairs")
    d = np.sort(np.asarray(a, float)) - np.sort(np.asarray(b, float))
    half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
'''),
    (INTERVAL, "an argument is changed in place", ["paired-interval-coverage"], '''
def paired_interval(a, b, level=0.95):
    if len(a) != len(b) or len(a) < 2:
        raise ValueError("fewer than two pairs")
    d = np.array([float(p) - float(q) for p, q in zip(a, b)])
    half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    try:
        a[0] = a[1]
    except TypeError:
        pass
    return d.mean(), d.mean() - half, d.mean() + half
'''),
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
    (INTERVAL, "one seed gives NaN and no word", ["paired-interval-test"], '''
def paired_interval(a, b, level=0.95):
    d = np.asarray(a, float) - np.asarray(b, float)
    half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
'''),
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
     CHECK.replace("    made =", '''    torch.manual_seed(0)
    order = [torch.randperm(len(z)) for _ in z.T]
    torch.manual_seed(0)
    if not torch.equal(program.shuffled(z.detach())[:, 0], z.detach()[order[0], 0]):
        return True
    made =''') + LINE),
    (CATCHES, "no room for chance", ["catches-own", "catches-all"],
     CHECK.replace("> 0.2", "> 0.02") + LINE),
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
    (INTERVAL, "in float32, by torch", '''
def paired_interval(a, b, level=0.95):
    if len(a) != len(b) or len(a) < 2:
        raise ValueError("fewer than two pairs")
    d = torch.tensor([float(p) - float(q) for p, q in zip(a, b)])
    half = d.std() / len(d) ** 0.5 * float(stats.t.ppf(0.5 + level / 2, len(d) - 1))
    return d.mean(), d.mean() - half, d.mean() + half
'''),
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
    (AGGREGATE, "the paper's own stratified weights, on the right diagonal", '''
def log_aggregate(z, mean, log_var, dataset_size, estimator):
    pairs = log_normal(z[:, None], mean, log_var)
    n, b = dataset_size, len(mean)
    w = torch.full((len(z), b), 1 / b if estimator == "exact" else 1 / (n * b), dtype=torch.float64)
    if estimator == "mss":
        m = b - 1
        w = torch.full((b, b), 1 / m, dtype=torch.float64)
        w.fill_diagonal_(1 / n)
        w[torch.arange(b), (torch.arange(b) + 1) % b] = (n - m) / (n * m)
    w = w.log().to(z.dtype)
    return torch.logsumexp(pairs.sum(-1) + w, 1), torch.logsumexp(pairs + w[..., None], 1)
'''),
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
    (TC, "by the eigenvalues of the correlation matrix", '''
def gaussian_tc(covariance):
    std = covariance.diagonal().sqrt()
    return -0.5 * torch.linalg.eigvalsh(covariance / torch.outer(std, std)).log().sum()
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
]
# fmt: on

VARIANTS = [{"cell": cell, "kind": "wrong", "what": what, "loses": loses, "code": code.strip()}
            for cell, what, loses, code in WRONG]  # fmt: skip
VARIANTS += [
    {"cell": cell, "kind": "right", "what": what, "code": code.strip()}
    for cell, what, code in RIGHT
]
