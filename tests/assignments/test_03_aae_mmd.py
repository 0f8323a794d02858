"""Answers to assignment 3: wrong ones, with the test cells that must fail, and right ones.

Each entry replaces one answer cell. The wrong ones are mistakes found in public programs or typical
of a first attempt; the right ones get full marks though they are written differently.
"""

from inspect import getsource

from harness import edited
from variant_tests import variant_tests

from vaelib import coursework as cw

KERNEL, MMD, SHUFFLE, LOGIT = "gaussian-kernel", "mmd", "permutation-test", "optimal-logit"
JS, LOSSES, PLAY, PRICES = "jensen-shannon", "game-losses", "play", "info-vae-prices"
CATCH, READY = "catch", 'cw.ready_made("03_aae_mmd", "{0}")'

# The right halves of the cells with two functions.
DISCRIMINATOR = """
def discriminator_loss(model, x):
    with torch.no_grad():
        codes = model.draw(x, 1)[0][0]
    draws = model.prior.rsample((len(x),))
    said, of_codes = model.discriminator(draws), model.discriminator(codes)
    return F.softplus(-said).mean() + F.softplus(of_codes).mean()
"""
ENCODER = """
def encoder_loss(model, x):
    return F.softplus(-model.discriminator(model.draw(x, 1)[0][0])).mean()
"""
MEMBER = """
def member_with(kl, divergence):
    return 1 - kl, kl + divergence
"""
# The key's number has the mistake in the last line.
LINE = "LINE = 30\n"
PROMISES = """
def catches(program):
    x, y = torch.randn(4, 2), 3 * torch.randn(7, 2)
    pool = torch.cat([x, y])
    h = torch.pdist(pool).median()
    u = vl.mmd(x, y, lambda a, b: vl.gaussian_kernel(a, b, h))
    k = vl.gaussian_kernel(pool, pool, h)
    zeros, ones = torch.zeros(2, 1), torch.ones(2, 1)
    wrong = [abs(program.median_distance(pool) - h) > 1e-3,
             abs(program.discrepancy(k, 4) - u) > 1e-3,
             abs(program.two_sample_test(x, y, 1)[0] - u) > 1e-3,
             program.two_sample_test(x, 100 + torch.cat([y, y]), 9)[1] < 0.09,
             abs(program.two_sample_test(zeros, ones, 900)[1] - 1 / 3) > 0.1]
"""

# Right answers; most variants are changes of them.
MMD_RIGHT = getsource(cw.ready_made("03_aae_mmd", "mmd"))
SHUFFLE_RIGHT = getsource(cw.ready_made("03_aae_mmd", "permutation_test"))
SHUFFLE_IN_LINES = """
def permutation_test(x, y, statistic, permutations):
    pool, n = torch.cat([x, y]), len(x)
    observed = float(statistic(x, y))
    as_large = 0
    for _ in range(permutations):
        dealt = pool[torch.randperm(len(pool))]
        as_large += float(statistic(dealt[:n], dealt[n:])) >= observed
    return (1 + as_large) / (1 + permutations)
"""
LOGIT_RIGHT = """
def optimal_logit(z, mean, std):
    return (0.5 * ((z - mean) / std) ** 2 - 0.5 * z**2 + torch.log(std)).sum(-1)
"""
LOSSES_RIGHT = """
def discriminator_loss(model, x):
    with torch.no_grad():
        codes, draws = model.draw(x, 1)[0][0], model.prior.rsample((len(x),))
    on_draws, on_codes = model.discriminator(draws), model.discriminator(codes)
    return F.softplus(-on_draws).mean() + F.softplus(on_codes).mean()
def encoder_loss(model, x):
    return F.softplus(-model.discriminator(model.draw(x, 1)[0][0])).mean()
"""
LOSSES_DETACHED = edited(
    DISCRIMINATOR + ENCODER,
    (
        "with torch.no_grad():\n"
        "        codes = model.draw(x, 1)[0][0]\n"
        "    draws = model.prior.rsample((len(x),))",
        "codes, draws = model.draw(x, 1)[0][0].detach(), model.prior.rsample((len(x),))",
    ),
)
PLAY_RIGHT = getsource(cw.ready_made("03_aae_mmd", "play"))
PRICES_RIGHT = """
def info_vae_prices(alpha, lam):
    if alpha + lam < 1:
        raise ValueError("a mismatch would be rewarded")
    return {"kl": 1 - alpha, "divergence": alpha + lam - 1,
            "information": 1 - alpha, "mismatch": lam}

def member_with(kl, divergence):
    return 1 - kl, kl + divergence
"""
KERNEL_RIGHT = """
def gaussian_kernel(x, y, bandwidth):
    squared = ((x[:, None] - y) ** 2).sum(-1)
    return torch.exp(-squared / (2 * bandwidth**2))
"""
JS_RIGHT = """
def jensen_shannon(on_draws, on_codes):
    value = F.logsigmoid(on_draws).mean() + F.logsigmoid(-on_codes).mean()
    return 0.5 * value + math.log(2)
"""

# fmt: off
WRONG = [
    (KERNEL, "the squared distance is averaged over the coordinates", ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    squared = ((x[:, None] - y) ** 2).mean(-1)
    return torch.exp(-squared / (2 * bandwidth**2))
'''),
    (KERNEL, "the tutorial's kernel: a mean over coordinates, divided by their number once more",
     ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    return torch.exp(-((x[:, None] - y) ** 2).mean(-1) / x.shape[1])
'''),
    (KERNEL, "the 2 in the denominator is forgotten", ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    return torch.exp(-((x[:, None] - y) ** 2).sum(-1) / bandwidth**2)
'''),
    (KERNEL, "a square root of a distance of 0, whose gradient is NaN",
     ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    distance = ((x[:, None] - y) ** 2).sum(-1).sqrt()
    return torch.exp(-(distance**2) / (2 * bandwidth**2))
'''),
    (KERNEL, "pairs along the rows only: x[i] with y[i]", ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    n = min(len(x), len(y))
    return torch.exp(-((x[:n] - y[:n]) ** 2).sum(-1) / (2 * bandwidth**2))
'''),
    (MMD, "the diagonals are left out, but the sums still divided by n²",
     ["mmd-test", "mmd-known"],
     edited(MMD_RIGHT,
            ("k, n = kernel(z, z), len(z)", "k = kernel(z, z)"),
            ("(k.sum() - k.trace()) / (n * (n - 1)) if unbiased else k.mean()",
             "((k.sum() - k.trace()) if unbiased else k.sum()) / len(z) ** 2"))),
    (MMD, "the diagonal is taken for ones, which it is for some kernels only",
     ["mmd-test", "mmd-known"], edited(MMD_RIGHT, ("k.trace()", "n"))),
    (MMD, "cut off at 0, so no longer unbiased", ["mmd-test", "mmd-known"],
     edited(MMD_RIGHT, ("within(x) + within(y) - 2 * kernel(x, y).mean()",
                        "(within(x) + within(y) - 2 * kernel(x, y).mean()).clamp(min=0)"))),
    (MMD, "the cross term loses its diagonal too, as if x[i] and y[i] were one point",
     ["mmd-test", "mmd-known"], '''
def mmd(x, y, kernel, unbiased=True):
    def off(k):
        return (k.sum() - k.diagonal().sum()) / (k.numel() - min(k.shape))

    mean = off if unbiased else torch.mean
    return mean(kernel(x, x)) + mean(kernel(y, y)) - 2 * mean(kernel(x, y))
'''),
    (MMD, "means, divided by the number of pairs once more",
     ["mmd-test", "mmd-known"],
     edited(MMD_RIGHT, ("(k.sum() - k.trace()) / (n * (n - 1))",
                        "((k - k.diagonal().diag()) / (n * (n - 1))).mean()"))),
    (MMD, "the cross term is subtracted once", ["mmd-test", "mmd-known"],
     edited(MMD_RIGHT, ("2 * kernel", "kernel"))),
    (MMD, "the V-statistic, whatever was asked for", ["mmd-test", "mmd-known"], '''
def mmd(x, y, kernel, unbiased=True):
    return kernel(x, x).mean() + kernel(y, y).mean() - 2 * kernel(x, y).mean()
'''),
    (MMD, "a plain number, through which no gradient passes",
     ["mmd-test", "mmd-known"],
     edited(MMD_RIGHT, ("within(x) + within(y) - 2 * kernel(x, y).mean()",
                        "(within(x) + within(y) - 2 * kernel(x, y).mean()).item()"))),
    (MMD, "one n for both clouds", ["mmd-test", "mmd-known"], '''
def mmd(x, y, kernel, unbiased=True):
    n = len(x)
    off = n * (n - 1) if unbiased else n * n
    kxx, kyy = kernel(x, x), kernel(y, y)
    if unbiased:
        kxx, kyy = kxx - kxx.diagonal().diag(), kyy - kyy.diagonal().diag()
    return kxx.sum() / off + kyy.sum() / off - 2 * kernel(x, y).sum() / n**2
'''),
    (SHUFFLE, "the observed arrangement is not counted: p can be 0",
     ["permutation-test-test", "permutation-test-rate"],
     edited(SHUFFLE_RIGHT, ("(1 + count) / (1 + permutations)", "count / permutations"))),
    (SHUFFLE, "counted above the line, not below: p can exceed 1",
     ["permutation-test-test", "permutation-test-rate"],
     edited(SHUFFLE_RIGHT,
            ("0", "1"),
            ("(1 + count) / (1 + permutations)", "count / permutations"))),
    (SHUFFLE, "ties do not count", ["permutation-test-test"],
     edited(SHUFFLE_RIGHT, (">= observed", "> observed"))),
    (SHUFFLE, "the wrong tail: small values are counted", ["permutation-test-test"],
     edited(SHUFFLE_RIGHT, (">= observed", "<= observed"))),
    (SHUFFLE, "drawn with replacement: a bootstrap", ["permutation-test-shuffles"],
     edited(SHUFFLE_RIGHT, ("randperm(len(pool))", "randint(len(pool), (len(pool),))"))),
    (SHUFFLE, "each cloud is shuffled by itself, so that nothing changes sides",
     ["permutation-test-test", "permutation-test-shuffles", "permutation-test-rate"],
     edited(SHUFFLE_RIGHT,
            ("pool, observed, count = torch.cat([x, y]),", "observed, count ="),
            ("dealt = pool[torch.randperm(len(pool))]",
             "value = statistic(x[torch.randperm(len(x))], y[torch.randperm(len(y))])"),
            ("float(statistic(dealt[: len(x)], dealt[len(x) :])) >= observed",
             "float(value) >= observed - 1e-6"))),
    (SHUFFLE, "the pool is cut in halves, whatever the sizes", ["permutation-test-shuffles"],
     edited(SHUFFLE_RIGHT,
            ("count += float(statistic(dealt[: len(x)], dealt[len(x) :])) >= observed",
             "half = len(pool) // 2\n"
             "        count += float(statistic(dealt[:half], dealt[half:])) >= observed"))),
    (SHUFFLE, "shuffled once and used again and again",
     ["permutation-test-shuffles", "permutation-test-rate"],
     edited(SHUFFLE_RIGHT,
            ("for _ in", "dealt = pool[torch.randperm(len(pool))]\n    for _ in"),
            ("        dealt = pool[torch.randperm(len(pool))]\n", ""))),
    (LOGIT, "the logit of a code in place of that of a draw",
     ["optimal-logit-test"], '''
def optimal_logit(z, mean, std):
    log_p = -0.5 * z**2
    log_q = -0.5 * ((z - mean) / std) ** 2 - torch.log(std)
    return (log_q - log_p).sum(-1)
'''),
    (LOGIT, "the codes' density without its normalization",
     ["optimal-logit-test"], edited(LOGIT_RIGHT, (" + torch.log(std)", ""))),
    (LOGIT, "std taken for the variance", ["optimal-logit-test"], '''
def optimal_logit(z, mean, std):
    codes = torch.distributions.Normal(mean, std.sqrt())
    prior = torch.distributions.Normal(0.0, 1.0)
    return (prior.log_prob(z) - codes.log_prob(z)).sum(-1)
'''),
    (LOGIT, "densities divided before the logarithm: 0/0 far out", ["optimal-logit-test"], '''
def optimal_logit(z, mean, std):
    p = torch.exp(-0.5 * z**2).prod(-1)
    q = (torch.exp(-0.5 * ((z - mean) / std) ** 2) / std).prod(-1)
    return torch.log(p / q)
'''),
    (LOGIT, "a mean over the coordinates", ["optimal-logit-test"],
     edited(LOGIT_RIGHT, ("sum(-1)", "mean(-1)"))),
    (LOGIT, "one logit for each coordinate", ["optimal-logit-test"], '''
def optimal_logit(z, mean, std):
    return 0.5 * ((z - mean) / std) ** 2 - 0.5 * z**2 + torch.log(std)
'''),
    (JS, "a sigmoid first, the logarithm then: -inf for a sure judge", ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    value = torch.sigmoid(on_draws).log().mean() + (1 - torch.sigmoid(on_codes)).log().mean()
    return 0.5 * value + math.log(2)
'''),
    (JS, "a small number added inside the logarithm, which hides how wrong a judge can be",
     ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    d, e = torch.sigmoid(on_draws), torch.sigmoid(on_codes)
    return 0.5 * ((d + 1e-8).log().mean() + (1 - e + 1e-8).log().mean()) + math.log(2)
'''),
    (JS, "log 2 is forgotten", ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    return 0.5 * (F.logsigmoid(on_draws).mean() + F.logsigmoid(-on_codes).mean())
'''),
    (JS, "the value of the game is not halved", ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    return F.logsigmoid(on_draws).mean() + F.logsigmoid(-on_codes).mean() + math.log(2)
'''),
    (JS, "draws and codes are swapped", ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    return 0.5 * (F.logsigmoid(-on_draws).mean() + F.logsigmoid(on_codes).mean()) + math.log(2)
'''),
    (JS, "a negative value, which is a warning, is cut off", ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    value = F.logsigmoid(on_draws).mean() + F.logsigmoid(-on_codes).mean()
    return (0.5 * value + math.log(2)).clamp(min=0)
'''),
    (JS, "one mean over draws and codes together, wrong where their numbers differ",
     ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    return F.logsigmoid(torch.cat([on_draws, -on_codes])).mean() + math.log(2)
'''),
    (LOSSES, "the discriminator's gradient leaks into the encoder", ["game-losses-gradients"],
     edited(LOSSES_DETACHED, (".detach()", ""))),
    (LOSSES, "the discriminator's labels are swapped", ["game-losses-test"], '''
def discriminator_loss(model, x):
    with torch.no_grad():
        codes, draws = model.draw(x, 1)[0][0], model.prior.rsample((len(x),))
    said, of_codes = model.discriminator(draws), model.discriminator(codes)
    return F.softplus(said).mean() + F.softplus(-of_codes).mean()
''' + ENCODER),
    (LOSSES, "the two means are averaged, not added",
     ["game-losses-test", "game-losses-gradients"], '''
def discriminator_loss(model, x):
    with torch.no_grad():
        codes, draws = model.draw(x, 1)[0][0], model.prior.rsample((len(x),))
    logits = model.discriminator(torch.cat([draws, codes]))
    real = torch.cat([torch.ones(len(x), 1), torch.zeros(len(x), 1)])
    return F.binary_cross_entropy_with_logits(logits, real)
''' + ENCODER),
    (LOSSES, "probabilities first, logarithms then", ["game-losses-gradients"], '''
def discriminator_loss(model, x):
    with torch.no_grad():
        codes, draws = model.draw(x, 1)[0][0], model.prior.rsample((len(x),))
    d, e = (torch.sigmoid(model.discriminator(z)) for z in (draws, codes))
    return -torch.log(d).mean() - torch.log(1 - e).mean()
''' + ENCODER),
    (LOSSES, "the whole discriminator's turn runs without gradients", ["game-losses-gradients"],
     edited(LOSSES_DETACHED,
            ("def discriminator_loss", "@torch.no_grad()\ndef discriminator_loss"),
            (".detach()", ""))),
    (LOSSES, "sums over the batch",
     ["game-losses-test", "game-losses-gradients"], DISCRIMINATOR + '''
def encoder_loss(model, x):
    return F.softplus(-model.discriminator(model.draw(x, 1)[0][0])).sum()
'''),
    (LOSSES, "the form of the encoder's loss that loses its slope",
     ["game-losses-test", "game-losses-gradients"], DISCRIMINATOR + '''
def encoder_loss(model, x):
    return F.logsigmoid(-model.discriminator(model.draw(x, 1)[0][0])).mean()
'''),
    (LOSSES, "the encoder's codes are detached", ["game-losses-gradients"], DISCRIMINATOR + '''
def encoder_loss(model, x):
    codes = model.draw(x, 1)[0][0].detach()
    return F.softplus(-model.discriminator(codes)).mean()
'''),
    (PLAY, "gradients pile up from turn to turn", ["play-test", "play-leaks"],
     edited(PLAY_RIGHT, ("        optimizer.zero_grad()\n", ""))),
    (PLAY,
     "each optimizer clears its own gradients after its step, where the next turn writes again",
     ["play-test", "play-leaks"],
     edited(PLAY_RIGHT,
            ("        optimizer.zero_grad()\n", ""),
            ("losses.append", "optimizer.zero_grad()\n        losses.append"))),
    (PLAY, "all gradients are cleared once, at the start", ["play-test", "play-leaks"],
     edited(PLAY_RIGHT,
            ("losses = []", "model.zero_grad()\n    losses = []"),
            ("        optimizer.zero_grad()\n", ""))),
    (PLAY,
     "cleared after every turn, but not before the first: what lay around from earlier counts",
     ["play-leaks"],
     edited(PLAY_RIGHT,
            ("        optimizer.zero_grad()\n", ""),
            ("losses.append", "model.zero_grad()\n        losses.append"))),
    (PLAY, "all losses are computed before anyone moves", ["play-test", "play-leaks"], '''
def play(model, x, turns):
    values = [loss(model, x) for _, loss in turns]
    gradients = [torch.autograd.grad(value, optimizer.param_groups[0]["params"], retain_graph=True)
                 for value, (optimizer, _) in zip(values, turns)]
    for (optimizer, _), gradient in zip(turns, gradients):
        for p, g in zip(optimizer.param_groups[0]["params"], gradient):
            p.grad = g
        optimizer.step()
    return [value.item() for value in values]
'''),
    (PLAY, "one sum of all losses, and then every optimizer steps", ["play-test", "play-leaks"], '''
def play(model, x, turns):
    model.zero_grad()
    values = [loss(model, x) for _, loss in turns]
    sum(values).backward()
    for optimizer, _ in turns:
        optimizer.step()
    return [value.item() for value in values]
'''),
    (PLAY, "the losses after the step are returned", ["play-test", "play-leaks"],
     edited(PLAY_RIGHT,
            ("value = loss(model, x)\n        value.backward()", "loss(model, x).backward()"),
            ("value.item()", "loss(model, x).item()"))),
    (PLAY, "tensors with their graphs are returned", ["play-test"],
     edited(PLAY_RIGHT, ("value.item()", "value"))),
    (PRICES, "the mismatch inside the average KL is forgotten", ["info-vae-prices-test"],
     edited(PRICES_RIGHT, ('"mismatch": lam', '"mismatch": alpha + lam - 1'))),
    (PRICES, "a mismatch may be rewarded, as in a popular library", ["info-vae-prices-test"], '''
def info_vae_prices(alpha, lam):
    return {"kl": 1 - alpha, "divergence": alpha + lam - 1,
            "information": 1 - alpha, "mismatch": lam}
''' + MEMBER),
    (PRICES, "every lambda below 1 is refused, though alpha may make up for it",
     ["info-vae-prices-test"],
     edited(PRICES_RIGHT,
            ("alpha + lam < 1", "lam < 1"),
            ('"a mismatch would be rewarded"', '"lam is below 1"'))),
    (PRICES, "lambda taken for the price of D in the way back", ["info-vae-prices-test"],
     edited(PRICES_RIGHT, ("kl + divergence", "divergence"))),
    (KERNEL, "no gradient reaches y", ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    return torch.exp(-((x[:, None] - y.detach()) ** 2).sum(-1) / (2 * bandwidth**2))
'''),
    (KERNEL, "both are divided by the bandwidth in place", ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    with torch.no_grad():
        x /= bandwidth
        if y is not x:
            y /= bandwidth
    return torch.exp(-((x[:, None] - y) ** 2).sum(-1) / 2)
'''),
    (KERNEL, "a product of three exponentials, which overflow for far codes",
     ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    x, y = x / bandwidth, y / bandwidth
    ends = torch.exp(-(x**2).sum(1) / 2)[:, None] * torch.exp(-(y**2).sum(1) / 2)
    return ends * torch.exp(x @ y.T)
'''),
    (KERNEL, "vaelib's, under another name", ["gaussian-kernel-test"], '''
from vaelib.divergences import gaussian_kernel as library_kernel

def gaussian_kernel(x, y, bandwidth):
    return library_kernel(x, y, bandwidth)
'''),
    (KERNEL, "the square multiplied out, which loses the digits of far points",
     ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    squared = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return squared.clamp(min=0).div(-2 * bandwidth**2).exp()
'''),
    (KERNEL, "gradients stay switched off", ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    k = torch.exp(-((x[:, None] - y) ** 2).sum(-1) / (2 * bandwidth**2))
    if not k.requires_grad:
        torch.set_grad_enabled(False)
    return k
'''),
    (MMD, "the cross term has no gradient", ["mmd-known"],
     edited(MMD_RIGHT, ("kernel(x, y).mean()", "kernel(x, y).mean().detach()"))),
    (MMD, "y is only a sample of the prior and is detached", ["mmd-known"],
     edited(MMD_RIGHT, ("return within", "y = y.detach()\n    return within"))),
    (MMD, "vaelib's, under another name", ["mmd-test", "mmd-known"], '''
from vaelib import mmd as squared

def mmd(x, y, kernel, unbiased=True):
    return squared(x, y, kernel, unbiased)
'''),
    (MMD, "x is put in another order in place", ["mmd-known"],
     edited(MMD_RIGHT, ("return within",
                        "if not x.requires_grad:\n        x.copy_(x.flip(0))\n    return within"))),
    (SHUFFLE, "the seed is set: each call shuffles alike", ["permutation-test-shuffles"],
     edited(SHUFFLE_RIGHT, ("pool, observed", "torch.manual_seed(0)\n    pool, observed"))),
    (SHUFFLE, "a generator of its own, with the same seed in each call",
     ["permutation-test-shuffles"],
     edited(SHUFFLE_RIGHT,
            ("pool, observed", "own = torch.Generator()\n    pool, observed"),
            ("len(pool)", "len(pool), generator=own"))),
    (SHUFFLE, "the pool is turned, not shuffled", ["permutation-test-shuffles"],
     edited(SHUFFLE_RIGHT, ("pool[torch.randperm(len(pool))]",
                            "pool.roll(int(torch.randint(len(pool), ())), 0)"))),
    (SHUFFLE, "each shuffle exchanges three pairs of the one before",
     ["permutation-test-shuffles"],
     edited(SHUFFLE_RIGHT,
            ("for _ in", "order = torch.randperm(len(pool))\n    for _ in"),
            ("dealt = pool[torch.randperm(len(pool))]",
             "for i, j in torch.randint(len(pool), (3, 2)).tolist():\n"
             "            order[[i, j]] = order[[j, i]]\n"
             "        dealt = pool[order]"))),
    (SHUFFLE, "every point changes sides with the same chance, sizes put right afterwards by order",
     ["permutation-test-shuffles"],
     edited(SHUFFLE_RIGHT,
            ("dealt = pool[torch.randperm(len(pool))]",
             "order = torch.randint(0, 3, (len(pool),)).sort(stable=True).indices\n"
             "        dealt = pool[order]"))),
    (SHUFFLE, "the dealt points are written into x and y", ["permutation-test-shuffles"],
     edited(SHUFFLE_RIGHT,
            ("count += float(statistic(dealt[: len(x)], dealt[len(x) :])) >= observed",
             "x.copy_(dealt[: len(x)])\n"
             "        y.copy_(dealt[len(x) :])\n"
             "        count += float(statistic(x, y)) >= observed"))),
    (SHUFFLE, "absolute values are compared", ["permutation-test-rate"],
     edited(SHUFFLE_RIGHT,
            ("float(statistic(x, y))", "abs(float(statistic(x, y)))"),
            ("float(statistic(dealt[: len(x)], dealt[len(x) :]))",
             "abs(float(statistic(dealt[: len(x)], dealt[len(x) :])))"))),
    (SHUFFLE, "only statistics that are tensors are accepted", ["permutation-test-rate"], '''
def permutation_test(x, y, statistic, permutations):
    pool, n = torch.cat([x, y]), len(x)
    orders = [torch.randperm(len(pool)) for _ in range(permutations)]
    values = torch.stack([statistic(pool[o[:n]], pool[o[n:]]) for o in orders])
    return (1 + (values >= statistic(x, y)).sum().item()) / (1 + permutations)
'''),
    (CATCH, "everything is wrong", ["catch-test", "catch-all"], LINE + '''
def catches(program):
    return True
'''),
    (CATCH, "nothing is wrong", ["catch-test", "catch-all"], LINE + '''
def catches(program):
    return False
'''),
    (CATCH, "the text is compared, not what the functions return", ["catch-test", "catch-all"],
     LINE + '''
def catches(program):
    return "return observed, count / permutations" in program.source
'''),
    (CATCH, "only the program itself is known to be wrong", ["catch-test", "catch-all"],
     LINE + '''
WRONG = cw.program("03_aae_mmd", STUDENT).two_sample_test.__code__.co_code

def catches(program):
    return program is mine or program.two_sample_test.__code__.co_code == WRONG
'''),
    (CATCH, "another line is given", ["catch-test"], "LINE = 29\n" + PROMISES + '''
    return any(wrong)
'''),
    (CATCH, "no line is given", ["catch-test"], "LINE = 0\n" + PROMISES + '''
    return any(wrong)
'''),
    (CATCH, "no room is left for chance", ["catch-test", "catch-all"], LINE + '''
def catches(program):
    p = program.two_sample_test(torch.zeros(2, 1), torch.ones(2, 1), 1000)[1]
    return abs(p - 1 / 3) > 0.004 or program.two_sample_test(
        torch.randn(9, 1), 100 + torch.randn(9, 1), 9)[1] < 0.09
'''),
    (CATCH, "the same random numbers are expected as in the program", ["catch-test"], LINE + '''
def catches(program):
    def values(test, again):
        torch.manual_seed(again)
        return test(torch.randn(6, 2), torch.randn(9, 2), 99)

    def known(x, y, permutations):
        pool = torch.cat([x, y])
        h = torch.pdist(pool).median()

        def see(a, b):
            return vl.mmd(a, b, lambda s, t: vl.gaussian_kernel(s, t, h))

        return see(x, y).item(), permutation_test(x, y, see, permutations)

    return any(abs(values(program.two_sample_test, i)[1] - values(known, i)[1]) > 0.005
               for i in range(5))
'''),
    (CATCH, "only the mistake of the own program is looked for", ["catch-all"], LINE + '''
def catches(program):
    x, y = torch.randn(9, 1), 100 + torch.randn(9, 1)
    return program.two_sample_test(x, y, 9)[1] < 0.09
'''),
    (CATCH, "the shuffle is not looked at", ["catch-all"], LINE + PROMISES + '''
    return any(wrong[:4])
'''),
    (CATCH, "the statistic is not looked at", ["catch-all"], LINE + PROMISES + '''
    return any(wrong[3:])
'''),
    (CATCH, "gradients stay switched off", ["catch-all"], LINE + PROMISES + '''
    torch.set_grad_enabled(False)
    return any(wrong)
'''),
    (LOGIT, "z is standardised in place", ["optimal-logit-test"], '''
def optimal_logit(z, mean, std):
    log_p = (-0.5 * z**2).sum(-1)
    z -= mean
    z /= std
    return log_p + 0.5 * (z**2).sum(-1) + torch.log(std).sum()
'''),
    (LOGIT, "small standard deviations are cut off", ["optimal-logit-test"],
     edited(LOGIT_RIGHT, ("def optimal_logit(z, mean, std):",
                          "def optimal_logit(z, mean, std):\n    std = std.clamp(min=0.05)"))),
    (LOGIT, "one mean over all standard deviations", ["optimal-logit-test"], '''
def optimal_logit(z, mean, std):
    return (0.5 * ((z - mean) / std) ** 2 - 0.5 * z**2).sum(-1) + torch.log(std).mean()
'''),
    (JS, "the logits of the codes are negated in place", ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    value = F.logsigmoid(on_draws).mean() + F.logsigmoid(on_codes.neg_()).mean()
    return 0.5 * value + math.log(2)
'''),
    (JS, "logits are limited to 20, which hides how wrong a discriminator can be",
     ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    value = (F.logsigmoid(on_draws.clamp(-20, 20)).mean()
             + F.logsigmoid(-on_codes.clamp(-20, 20)).mean())
    return 0.5 * value + math.log(2)
'''),
    (LOSSES, "the draws' term has no gradient", ["game-losses-gradients"],
     edited(LOSSES_DETACHED, ("-said", "-said.detach()"))),
    (LOSSES, "normal draws, whatever the prior is",
     ["game-losses-test", "game-losses-gradients"], '''
def discriminator_loss(model, x):
    codes = model.draw(x, 1)[0][0].detach()
    said, of_codes = model.discriminator(torch.randn_like(codes)), model.discriminator(codes)
    return F.softplus(-said).mean() + F.softplus(of_codes).mean()
''' + ENCODER),
    (LOSSES, "one draw of the prior for the whole batch", ["game-losses-test"], '''
def discriminator_loss(model, x):
    codes = model.draw(x, 1)[0][0].detach()
    draws = model.prior.rsample((1,)).expand_as(codes)
    said, of_codes = model.discriminator(draws), model.discriminator(codes)
    return F.softplus(-said).mean() + F.softplus(of_codes).mean()
''' + ENCODER),
    (LOSSES, "the coordinates of the draws are one number", ["game-losses-test"], '''
def discriminator_loss(model, x):
    codes = model.draw(x, 1)[0][0].detach()
    draws = model.prior.rsample((len(x),))[:, :1].expand_as(codes)
    said, of_codes = model.discriminator(draws), model.discriminator(codes)
    return F.softplus(-said).mean() + F.softplus(of_codes).mean()
''' + ENCODER),
    (LOSSES, "a thousand draws, however many pictures", ["game-losses-test"],
     edited(LOSSES_DETACHED, ("len(x)", "1000"))),
    (LOSSES, "the mean of many codes, in place of a code", ["game-losses-test"],
     DISCRIMINATOR + '''
def encoder_loss(model, x):
    return F.softplus(-model.discriminator(model.draw(x, 8)[0].mean(0))).mean()
'''),
    (LOSSES, "the seed is set", ["game-losses-test"], DISCRIMINATOR + '''
def encoder_loss(model, x):
    torch.manual_seed(0)
    return F.softplus(-model.discriminator(model.draw(x, 1)[0][0])).mean()
'''),
    (LOSSES, "the discriminator is frozen for good", ["game-losses-gradients"], DISCRIMINATOR + '''
def encoder_loss(model, x):
    model.discriminator.requires_grad_(False)
    return F.softplus(-model.discriminator(model.draw(x, 1)[0][0])).mean()
'''),
    (LOSSES, "the model stays in train mode", ["game-losses-gradients"],
     edited(DISCRIMINATOR + ENCODER, ("def encoder_loss(model, x):",
                                      "def encoder_loss(model, x):\n    model.train()"))),
    (LOSSES, "vaelib's turns, under other names", ["game-losses-gradients"], '''
from vaelib import aae_discriminator as second
from vaelib import aae_encoder as third

def discriminator_loss(model, x):
    return -second(model, x)["objective"].mean()

def encoder_loss(model, x):
    return -third(model, x)["objective"].mean()
'''),
    (PLAY, "only the first group of parameters is cleared", ["play-leaks"],
     edited(PLAY_RIGHT, ("optimizer.zero_grad()",
                         'for p in optimizer.param_groups[0]["params"]:\n'
                         "            p.grad = None"))),
    (PLAY, "gradients are clipped, as in the program that it was copied from", ["play-leaks"],
     edited(PLAY_RIGHT, ("optimizer.step()",
                         "nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
                         "        optimizer.step()"))),
    (PLAY, "gradients stay switched off", ["play-leaks"],
     edited(PLAY_RIGHT,
            ("optimizer.zero_grad()",
             "torch.set_grad_enabled(True)\n        optimizer.zero_grad()"),
            ("optimizer.step()", "torch.set_grad_enabled(False)\n        optimizer.step()"))),
    (PLAY, "every turn makes two steps", ["play-test", "play-leaks"],
     edited(PLAY_RIGHT,
            ("optimizer.zero_grad()\n"
             "        value = loss(model, x)\n"
             "        value.backward()\n"
             "        optimizer.step()",
             "for _ in range(2):\n"
             "            optimizer.zero_grad()\n"
             "            value = loss(model, x)\n"
             "            value.backward()\n"
             "            optimizer.step()"))),
    (PLAY, "the last turn is left out", ["play-test", "play-leaks"],
     edited(PLAY_RIGHT, ("loss in turns", "loss in turns[: max(1, len(turns) - 1)]"))),
    (PRICES, "a reward for information is cut off at 0", ["info-vae-prices-test"],
     edited(PRICES_RIGHT,
            ('"kl": 1 - alpha', '"kl": max(0, 1 - alpha)'),
            ('1 - alpha, "mismatch"', 'max(0, 1 - alpha), "mismatch"'))),
    (PRICES, "only a negative lambda is refused", ["info-vae-prices-test"],
     edited(PRICES_RIGHT,
            ("alpha + lam < 1", "lam < 0"),
            ('"a mismatch would be rewarded"', '"lam is below 0"'))),
    (KERNEL, "float64 is made the default for good",
     ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    torch.set_default_dtype(torch.float64)
    return torch.exp(-((x[:, None] - y) ** 2).sum(-1) / (2 * bandwidth**2))
'''),
    (KERNEL, "taken for symmetric where n = m",
     ["gaussian-kernel-test"], '''
def gaussian_kernel(x, y, bandwidth):
    k = torch.exp(-((x[:, None] - y) ** 2).sum(-1) / (2 * bandwidth**2))
    return (k + k.T) / 2 if len(x) == len(y) else k
'''),
    (MMD, "float64 is made the default for good",
     ["mmd-known"],
     edited(MMD_RIGHT,
            ("def within(z):", "torch.set_default_dtype(torch.float64)\n    def within(z):"),
            ("return (k.sum() - k.trace()) / (n * (n - 1)) if unbiased else k.mean()\n",
             "return (k.sum() - k.trace()) / (n * (n - 1)) if unbiased else k.mean()"))),
    (SHUFFLE, "an absolute tolerance, larger than some statistics",
     ["permutation-test-rate"], edited(SHUFFLE_IN_LINES, (">= observed", ">= observed - 1e-6"))),
    (SHUFFLE, "NumPy's random numbers",
     ["permutation-test-shuffles"],
     edited(SHUFFLE_IN_LINES, ("torch.randperm", "np.random.permutation"))),
    (SHUFFLE, "a generator with a seed from the clock",
     ["permutation-test-shuffles"],
     edited(SHUFFLE_IN_LINES,
            ("observed =", "g = torch.Generator(); g.seed()\n    observed ="),
            ("len(pool)", "len(pool), generator=g"))),
    (SHUFFLE, "a seed from the clock",
     ["permutation-test-shuffles"],
     edited(SHUFFLE_IN_LINES, ("observed =", "torch.seed()\n    observed ="))),
    (SHUFFLE, "gradients stay switched off",
     ["permutation-test-rate"],
     edited(SHUFFLE_IN_LINES, ("observed =", "torch.set_grad_enabled(False)\n    observed ="))),
    (SHUFFLE, "float64 is made the default for good",
     ["permutation-test-rate"],
     edited(SHUFFLE_IN_LINES, ("observed =",
                               "torch.set_default_dtype(torch.float64)\n    observed ="))),
    (SHUFFLE, "the first shuffle is the observed arrangement",
     ["permutation-test-shuffles"],
     edited(SHUFFLE_IN_LINES, ("randperm(len(pool))",
                               "randperm(len(pool)) if _ else torch.arange(len(pool))"))),
    (LOGIT, "the logarithm of a product of standard deviations",
     ["optimal-logit-test"], '''
def optimal_logit(z, mean, std):
    return (0.5 * ((z - mean) / std) ** 2 - 0.5 * z**2).sum(-1) + torch.log(std.prod())
'''),
    (LOGIT, "the logarithm of a determinant",
     ["optimal-logit-test"], '''
def optimal_logit(z, mean, std):
    squares = 0.5 * ((z - mean) / std) ** 2 - 0.5 * z**2
    return squares.sum(-1) + 0.5 * torch.log(torch.det(torch.diag(std**2)))
'''),
    (LOGIT, "float64 is made the default for good",
     ["optimal-logit-test"],
     edited(LOGIT_RIGHT, ("def optimal_logit(z, mean, std):",
                          "def optimal_logit(z, mean, std):\n"
                          "    torch.set_default_dtype(torch.float64)"))),
    (JS, "float64 is made the default for good",
     ["jensen-shannon-test"], '''
def jensen_shannon(on_draws, on_codes):
    torch.set_default_dtype(torch.float64)
    return 0.5 * (F.logsigmoid(on_draws).mean() + F.logsigmoid(-on_codes).mean()) + math.log(2)
'''),
    (LOSSES, "the model stays in eval mode",
     ["game-losses-gradients"],
     edited(LOSSES_RIGHT, ("with torch", "model.eval()\n    with torch"))),
    (LOSSES, "encoder_loss leaves the model in eval mode",
     ["game-losses-gradients"],
     edited(LOSSES_RIGHT, ("def encoder_loss(model, x):",
                           "def encoder_loss(model, x):\n    model.eval()"))),
    (LOSSES, "the model's gradients are cleared",
     ["game-losses-gradients"],
     edited(LOSSES_RIGHT, ("with torch", "model.zero_grad()\n    with torch"))),
    (LOSSES, "encoder_loss clears the model's gradients",
     ["game-losses-gradients"],
     edited(LOSSES_RIGHT, ("def encoder_loss(model, x):",
                           "def encoder_loss(model, x):\n    model.zero_grad()"))),
    (LOSSES, "the width of a code is cut off from the graph",
     ["game-losses-gradients"],
     edited(LOSSES_RIGHT,
            ("return F.softplus(-model.discriminator(model.draw(x, 1)[0][0])).mean()",
             "return F.softplus(-model.discriminator(code_of(model, x))).mean()\n"
             "def code_of(model, x):\n"
             "    if isinstance(model, vl.ImplicitVAE): return model.draw(x, 1)[0][0]\n"
             "    m, v = model.encode(x)\n"
             "    return m + (0.5 * v).exp().detach() * torch.randn_like(m)"))),
    (LOSSES, "half of the draws mirror the others",
     ["game-losses-test"],
     edited(LOSSES_RIGHT,
            ("codes, draws = model.draw(x, 1)[0][0], model.prior.rsample((len(x),))",
             "codes = model.draw(x, 1)[0][0]\n"
             "        h = model.prior.rsample(((len(x) + 1) // 2,))\n"
             "        draws = torch.cat([h, 2 * model.prior.mean - h])[:len(x)]"))),
    (LOSSES, "float64 is made the default for good",
     ["game-losses-gradients"],
     edited(LOSSES_RIGHT, ("with torch",
                           "torch.set_default_dtype(torch.float64)\n    with torch"))),
    (PLAY, "gradients are clipped by value",
     ["play-leaks"],
     edited(PLAY_RIGHT,
            ("optimizer.step()",
             'moved = [p for group in optimizer.param_groups for p in group["params"]]\n'
             "        nn.utils.clip_grad_value_(moved, 5.0)\n"
             "        optimizer.step()"))),
    (PLAY, "float64 is made the default for good",
     ["play-leaks"],
     edited(PLAY_RIGHT, ("losses.append(value.item())",
                         "losses.append(value.item())\n"
                         "        torch.set_default_dtype(torch.float64)"))),
    (PLAY, "a seed is set",
     ["play-leaks"],
     edited(PLAY_RIGHT, ("losses.append(value.item())",
                         "losses.append(value.item())\n        torch.manual_seed(0)"))),
    (PLAY, "the loss is computed twice: one is returned, along the other goes the step",
     ["play-leaks"],
     edited(PLAY_RIGHT,
            ("optimizer.zero_grad()",
             "losses.append(loss(model, x).item())\n        optimizer.zero_grad()"),
            ("value = loss(model, x)\n        value.backward()", "loss(model, x).backward()"),
            ("        losses.append(value.item())\n", ""))),
    (PLAY, "long gradients are shortened",
     ["play-leaks"],
     edited(PLAY_RIGHT,
            ("optimizer.step()",
             'moved = [p for group in optimizer.param_groups for p in group["params"]]\n'
             "        nn.utils.clip_grad_norm_(moved, 100.0)\n"
             "        optimizer.step()"))),
    (PRICES, "a small reward for a mismatch is allowed",
     ["info-vae-prices-test"], '''
def info_vae_prices(alpha, lam):
    kl, divergence = 1 - alpha, alpha + lam - 1
    if divergence < -0.1:
        raise ValueError("no")
    return {"kl": kl, "divergence": divergence, "information": kl, "mismatch": lam}
def member_with(kl, divergence):
    return 1 - kl, kl + divergence
'''),
    (KERNEL, "a small number is added to the denominator", ["gaussian-kernel-test"],
     edited(KERNEL_RIGHT, ("bandwidth**2)", "bandwidth**2 + 1e-8)"))),
    (KERNEL, "large distances are cut off", ["gaussian-kernel-test"],
     edited(KERNEL_RIGHT, (".sum(-1)", ".sum(-1).clamp(max=1000)"))),
    (KERNEL, "a seed is set", ["gaussian-kernel-test"],
     edited(KERNEL_RIGHT, ("squared =", "torch.manual_seed(0)\n    squared ="))),
    (KERNEL, "float32, whatever is given", ["gaussian-kernel-test"],
     edited(KERNEL_RIGHT, ("(x[:, None] - y)", "(x[:, None] - y).float()"))),
    (MMD, "a seed is set", ["mmd-known"],
     edited(MMD_RIGHT, ("def within(z):", "torch.manual_seed(0)\n    def within(z):"))),
    (MMD, "small estimates are taken for 0", ["mmd-known"],
     edited(MMD_RIGHT,
            ("return within(x) + within(y) - 2 * kernel(x, y).mean()",
             "v = within(x) + within(y) - 2 * kernel(x, y).mean()\n"
             "    return torch.where(v.abs() < 1e-5, 0 * v, v)"))),
    (SHUFFLE, "at most a thousand shuffles", ["permutation-test-rate"],
     edited(SHUFFLE_IN_LINES,
            ("observed =", "permutations = min(permutations, 1000)\n    observed ="))),
    (SHUFFLE, "all arrangements of a small pool, in place of shuffles",
     ["permutation-test-shuffles"],
     edited(SHUFFLE_IN_LINES,
            ("    as_large = 0\n",
             "    if len(pool) < 6:\n"
             "        from itertools import combinations\n"
             "        own = [list(c) for c in combinations(range(len(pool)), n)]\n"
             "        rest = [[i for i in range(len(pool)) if i not in c] for c in own]\n"
             "        return sum(float(statistic(pool[a], pool[b])) >= observed\n"
             "                   for a, b in zip(own, rest)) / len(own)\n"
             "    as_large = 0\n"))),
    (SHUFFLE, "p is rounded", ["permutation-test-rate"],
     edited(SHUFFLE_IN_LINES, ("return (1 + as_large) / (1 + permutations)",
                               "return round((1 + as_large) / (1 + permutations), 3)"))),
    (SHUFFLE, "a relative tolerance", ["permutation-test-rate"],
     edited(SHUFFLE_IN_LINES, (">= observed", ">= observed - 1e-3 * abs(observed)"))),
    (SHUFFLE, "the observed arrangement is never dealt", ["permutation-test-rate"],
     edited(SHUFFLE_IN_LINES,
            ("dealt = pool[torch.randperm(len(pool))]",
             "order = torch.randperm(len(pool))\n"
             "        while len(pool) > 4 and bool((order[:n] < n).all()):\n"
             "            order = torch.randperm(len(pool))\n"
             "        dealt = pool[order]"))),
    (SHUFFLE, "x requires a gradient afterwards", ["permutation-test-shuffles"],
     edited(SHUFFLE_IN_LINES, ("statistic(x, y)", "statistic(x.requires_grad_(), y)"))),
    (LOGIT, "a small number is added inside the logarithm", ["optimal-logit-test"],
     edited(LOGIT_RIGHT, ("torch.log(std)", "torch.log(std + 1e-8)"))),
    (LOGIT, "the log variance is limited, as in an encoder", ["optimal-logit-test"],
     edited(LOGIT_RIGHT, ("    return", "    std = (2 * std.log()).clamp(-20, 10).div(2).exp()\n"
                                        "    return"))),
    (LOGIT, "gradients stay switched off", ["optimal-logit-test"],
     edited(LOGIT_RIGHT, ("    return", "    torch.set_grad_enabled(False)\n    return"))),
    (LOGIT, "a seed is set", ["optimal-logit-test"],
     edited(LOGIT_RIGHT, ("    return", "    torch.manual_seed(0)\n    return"))),
    (LOGIT, "float32, whatever is given", ["optimal-logit-test"],
     edited(LOGIT_RIGHT, (".sum(-1)", ".sum(-1).float()"))),
    (JS, "gradients stay switched off", ["jensen-shannon-test"],
     edited(JS_RIGHT, ("value =", "torch.set_grad_enabled(False)\n    value ="))),
    (JS, "a seed is set", ["jensen-shannon-test"],
     edited(JS_RIGHT, ("value =", "torch.manual_seed(0)\n    value ="))),
    (JS, "infinity replaced by the number that the text mentions", ["jensen-shannon-test"],
     edited(JS_RIGHT, ("F.logsigmoid(on_draws)",
                       "torch.sigmoid(on_draws).log().nan_to_num(neginf=-300)"))),
    (LOSSES, "draws are kept for the next call", ["game-losses-test"],
     edited(LOSSES_DETACHED,
            ("codes, draws =",
             'if len(getattr(model, "kept", [])) != len(x):\n'
             "        model.kept = model.prior.rsample((len(x),)).detach()\n"
             "    codes, draws ="),
            ("model.prior.rsample((len(x),))\n    said", "model.kept\n    said"))),
    (LOSSES, "normal draws with the prior's mean and width", ["game-losses-test"],
     edited(LOSSES_DETACHED,
            ("    said,", "    draws = model.prior.mean + model.prior.stddev"
                          " * torch.randn_like(codes)\n    said,"))),
    (LOSSES, "the same noise for draws and codes", ["game-losses-test"],
     edited(LOSSES_DETACHED,
            ("codes, draws = model.draw(x, 1)[0][0].detach(), ",
             "state = torch.get_rng_state()\n"
             "    codes = model.draw(x, 1)[0][0].detach()\n"
             "    torch.set_rng_state(state)\n"
             "    draws = "))),
    (LOSSES, "logits are limited", ["game-losses-gradients"],
     edited(LOSSES_DETACHED, ("softplus(-said)", "softplus(-said.clamp(-600, 600))"))),
    (LOSSES, "the discriminator alone stays in eval mode", ["game-losses-gradients"],
     edited(LOSSES_DETACHED, ("def encoder_loss(model, x):",
                              "def encoder_loss(model, x):\n    model.discriminator.eval()"))),
    (PLAY, "the model is put into train mode", ["play-leaks"],
     edited(PLAY_RIGHT, ("losses = []", "model.train()\n    losses = []"))),
    (PLAY, "the parameters of the others stay frozen", ["play-leaks"],
     edited(PLAY_RIGHT,
            ("optimizer.zero_grad()",
             'own = {id(p) for group in optimizer.param_groups for p in group["params"]}\n'
             "        for p in model.parameters():\n"
             "            p.requires_grad_(id(p) in own)\n"
             "        optimizer.zero_grad()"))),
    (PLAY, "the batch is made float32", ["play-leaks"],
     edited(PLAY_RIGHT, ("losses = []", "x, losses = x.float(), []"))),
    (PLAY, "very long gradients are shortened", ["play-leaks"],
     edited(PLAY_RIGHT, ("optimizer.step()",
                         "nn.utils.clip_grad_norm_(model.parameters(), 1e4)\n"
                         "        optimizer.step()"))),
    (PLAY, "weights are clipped", ["play-leaks"],
     edited(PLAY_RIGHT, ("optimizer.step()",
                         "optimizer.step()\n"
                         "        with torch.no_grad():\n"
                         "            [p.clamp_(-5, 5) for p in model.parameters()]"))),
    (PLAY, "no step where the loss is small", ["play-leaks"],
     edited(PLAY_RIGHT, ("optimizer.step()", "if value > 1e-3:\n            optimizer.step()"))),
    (PLAY, "the absolute loss is descended", ["play-leaks"],
     edited(PLAY_RIGHT, ("value.backward()", "value.abs().backward()"))),
    (PLAY, "the losses are rounded", ["play-leaks"],
     edited(PLAY_RIGHT, ("value.item()", "round(value.item(), 4)"))),
    (PLAY, "each turn starts from the same state of the random numbers", ["play-leaks"],
     edited(PLAY_RIGHT,
            ("losses = []", "losses, state = [], torch.get_rng_state()"),
            ("optimizer.zero_grad()",
             "torch.set_rng_state(state)\n        optimizer.zero_grad()"))),
    (PRICES, "a negative lambda is refused where D has a price", ["info-vae-prices-test"],
     edited(PRICES_RIGHT, ("alpha + lam < 1", "alpha + lam < 1 or lam < 0"))),
    (PRICES, "prices are rounded", ["info-vae-prices-test"],
     edited(PRICES_RIGHT, ('"mismatch": lam', '"mismatch": round(lam, 2)'))),
    (PRICES, "a very small reward for a mismatch is allowed", ["info-vae-prices-test"],
     edited(PRICES_RIGHT, ("alpha + lam < 1", "alpha + lam < 0.999"))),
    (CATCH, "float64 is made the default for good", ["catch-all"], LINE + PROMISES + """
    torch.set_default_dtype(torch.float64)
    return any(wrong)
"""),
    (CATCH, "one seed is expected to give one p", ["catch-test"], LINE + PROMISES + """
    ps = []
    for _ in range(2):
        torch.manual_seed(1)
        ps.append(program.two_sample_test(x, y, 99)[1])
    return any(wrong) or ps[0] != ps[1]
"""),
]

RIGHT = [
    (KERNEL, "distances by torch.cdist", '''
def gaussian_kernel(x, y, bandwidth):
    return torch.exp(-0.5 * (torch.cdist(x, y) / bandwidth) ** 2)
'''),
    (KERNEL, "a product over the coordinates, in a loop", '''
def gaussian_kernel(x, y, bandwidth):
    k = torch.ones(len(x), len(y), dtype=x.dtype)
    for j in range(x.shape[1]):
        k = k * torch.exp(-((x[:, j, None] - y[None, :, j]) ** 2) / 2 / bandwidth**2)
    return k
'''),
    (MMD, "one kernel matrix of the pool, with a vector of weights", '''
def mmd(x, y, kernel, unbiased=True):
    n, m = len(x), len(y)
    k = kernel(torch.cat([x, y]), torch.cat([x, y]))
    if unbiased:
        k = k - torch.diag(torch.diagonal(k))
    xx, yy = (n * (n - 1), m * (m - 1)) if unbiased else (n * n, m * m)
    return k[:n, :n].sum() / xx + k[n:, n:].sum() / yy - 2 * kernel(x, y).sum() / (n * m)
'''),
    (MMD, "loops over pairs", '''
def mmd(x, y, kernel, unbiased=True):
    def mean(a, b, same):
        total, count = 0.0, 0
        for i in range(len(a)):
            for j in range(len(b)):
                if not (same and unbiased and i == j):
                    total, count = total + kernel(a[i : i + 1], b[j : j + 1])[0, 0], count + 1
        return total / count

    if len(x) > 30:  # loops would take too long on the digits
        return vl.mmd(x, y, kernel, unbiased)
    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)
'''),
    (MMD, "masks", '''
def mmd(x, y, kernel, unbiased=True):
    def within(z):
        keep = (1 - torch.eye(len(z), dtype=z.dtype) if unbiased
                else torch.ones(len(z), len(z), dtype=z.dtype))
        return torch.einsum("ij,ij->", kernel(z, z), keep) / keep.sum()

    return within(x) + within(y) - 2 * torch.einsum("ij->", kernel(x, y)) / (len(x) * len(y))
'''),
    (SHUFFLE, "ranks among all values, the observed one included", '''
def permutation_test(x, y, statistic, permutations):
    pool, n = torch.cat((x, y), dim=0), x.shape[0]
    orders = [torch.arange(len(pool))] + [
        torch.rand(len(pool)).argsort() for _ in range(permutations)]
    values = torch.tensor([float(statistic(pool[o[:n]], pool[o[n:]])) for o in orders])
    return (values >= values[0]).double().mean().item()
'''),
    (SHUFFLE, "a sum over a generator", '''
def permutation_test(x, y, statistic, permutations):
    def value():
        first, second = torch.cat([x, y])[torch.randperm(len(x) + len(y))].split([len(x), len(y)])
        return statistic(first, second)

    observed = statistic(x, y)
    return (1 + sum(bool(value() >= observed) for _ in range(permutations))) / (permutations + 1)
'''),
    (LOGIT, "by torch.distributions", '''
def optimal_logit(z, mean, std):
    from torch.distributions import Independent, Normal

    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(std)), 1)
    return prior.log_prob(z) - Independent(Normal(mean, std), 1).log_prob(z)
'''),
    (LOGIT, "the square multiplied out, coordinate by coordinate", '''
def optimal_logit(z, mean, std):
    total = 0
    for j in range(z.shape[1]):
        v = std[j] ** 2
        total = total + 0.5 * z[:, j] ** 2 * (1 / v - 1) - z[:, j] * mean[j] / v
        total = total + 0.5 * mean[j] ** 2 / v + 0.5 * v.log()
    return total
'''),
    (JS, "by softplus", '''
def jensen_shannon(on_draws, on_codes):
    return math.log(2) - 0.5 * (F.softplus(-on_draws).mean() + F.softplus(on_codes).mean())
'''),
    (JS, "by the binary cross-entropy", '''
def jensen_shannon(on_draws, on_codes):
    entropy = F.binary_cross_entropy_with_logits
    cost = (entropy(on_draws, torch.ones_like(on_draws))
            + entropy(on_codes, torch.zeros_like(on_codes)))
    return torch.log(torch.tensor(2.0)) - cost / 2
'''),
    (LOSSES, "the binary cross-entropy, and detached codes", '''
def discriminator_loss(model, x):
    codes = model.draw(x, 1)[0][0].detach()
    draws = model.prior.sample(codes.shape[:1])
    said, of_codes = model.discriminator(draws), model.discriminator(codes)
    entropy = F.binary_cross_entropy_with_logits
    return entropy(said, torch.ones_like(said)) + entropy(of_codes, torch.zeros_like(of_codes))

def encoder_loss(model, x):
    said = model.discriminator(model.draw(x, 1)[0][0])
    return F.binary_cross_entropy_with_logits(said, torch.ones_like(said))
'''),
    (LOSSES, "vaelib's turns are not called, but written like them", DISCRIMINATOR + ENCODER),
    (PLAY, "every gradient by itself",
     edited(PLAY_RIGHT,
            ("optimizer.zero_grad()",
             'own = [p for group in optimizer.param_groups for p in group["params"]]'),
            ("value.backward()",
             "for p, gradient in zip(own, torch.autograd.grad(value, own)):\n"
             "            p.grad = gradient"),
            ("value.item()", "float(value.detach())"))),
    (PLAY, "the whole model's gradients are cleared before each turn",
     edited(PLAY_RIGHT,
            ("losses = []\n    for optimizer, loss in turns:\n        optimizer.zero_grad()",
             "def turn(optimizer, loss):\n        model.zero_grad(set_to_none=True)"),
            ("losses.append(value.item())\n    return losses",
             "return value.item()\n\n    return [turn(*one) for one in turns]"))),
    (PRICES, "the way back by solving for lambda", '''
def info_vae_prices(alpha, lam):
    prices = dict(kl=1 - alpha, divergence=lam - (1 - alpha), information=1 - alpha, mismatch=lam)
    if prices["divergence"] < 0:
        raise ValueError(prices)
    return prices

def member_with(kl, divergence):
    alpha = 1 - kl
    return alpha, divergence + 1 - alpha
'''),
    (KERNEL, "ready-made", "gaussian_kernel = " + READY.format("gaussian_kernel")),
    (KERNEL, "in float64, whatever is given", '''
def gaussian_kernel(x, y, bandwidth):
    difference = x.double().unsqueeze(1) - y.double().unsqueeze(0)
    return (difference.square().sum(dim=2) / (-2 * bandwidth * bandwidth)).exp()
'''),
    (MMD, "ready-made", "mmd = " + READY.format("mmd")),
    (MMD, "sums in float64", '''
def mmd(x, y, kernel, unbiased=True):
    n, m = x.shape[0], y.shape[0]
    xx, yy, xy = kernel(x, x).double(), kernel(y, y).double(), kernel(x, y).double()
    if unbiased:
        return ((xx.sum() - xx.diagonal().sum()) / n / (n - 1)
                + (yy.sum() - yy.diagonal().sum()) / m / (m - 1) - 2 * xy.sum() / n / m)
    return xx.sum() / n**2 + yy.sum() / m**2 - 2 * xy.sum() / n / m
'''),
    (SHUFFLE, "ready-made", "permutation_test = " + READY.format("permutation_test")),
    (SHUFFLE, "a tensor without dims", '''
def permutation_test(x, y, statistic, permutations):
    pool, n, values = torch.cat([x, y]), len(x), [float(statistic(x, y))]
    for _ in range(permutations):
        a, b = torch.randperm(len(pool)).tensor_split([n])
        values.append(float(statistic(pool[a], pool[b])))
    values = torch.tensor(values).double()
    return (values >= values[0]).double().mean()
'''),
    (CATCH, "a bool of NumPy, and a number of NumPy", "LINE = np.int64(30)\n" + PROMISES
     + '''
    return np.any([bool(one) for one in wrong])
'''),
    (CATCH, "compared with the own functions on many samples", LINE + '''
def catches(program):
    for n, m in ((2, 2), (4, 7)):
        x, y = torch.randn(n, 2), 2 * torch.randn(m, 2)
        pool = torch.cat([x, y])
        h = torch.pdist(pool).median()
        see = partial(mmd, kernel=partial(gaussian_kernel, bandwidth=h))
        k = gaussian_kernel(pool, pool, h)
        for got in (program.discrepancy(k, n), program.two_sample_test(x, y, 2)[0]):
            if abs(got - see(x, y).item()) > 1e-4:
                return True
        if abs(float(program.median_distance(pool) / h) - 1) > 1e-4:
            return True
    x, y, b = torch.zeros(2, 1), torch.ones(2, 1), 800
    p = program.two_sample_test(x, y, b)[1]
    own = permutation_test(x, y, lambda s, t: (s.mean() - t.mean()).abs(), b)
    smallest = program.two_sample_test(torch.randn(9, 1), 100 + torch.randn(9, 1), 20)[1]
    return abs(p - own) > 5 * (2 * own * (1 - own) / b) ** 0.5 or smallest == 0
'''),
    (LOGIT, "ready-made", "optimal_logit = " + READY.format("optimal_logit")),
    (LOGIT, "a loop over codes, in float64", '''
def optimal_logit(z, mean, std):
    prior = torch.distributions.Normal(0.0, 1.0)
    codes = torch.distributions.Normal(mean.double(), std.double())
    said = [prior.log_prob(row).sum() - codes.log_prob(row).sum() for row in z.double()]
    return torch.stack(said)
'''),
    (JS, "ready-made", "jensen_shannon = " + READY.format("jensen_shannon")),
    (JS, "a plain number, by NumPy", '''
def jensen_shannon(on_draws, on_codes):
    draws, codes = on_draws.double().numpy(), on_codes.double().numpy()
    return np.log(2) - (np.logaddexp(0, -draws).mean() + np.logaddexp(0, codes).mean()) / 2
'''),
    (LOSSES, "ready-made", "discriminator_loss = " + READY.format("discriminator_loss")
     + "\nencoder_loss = " + READY.format("encoder_loss")),
    (LOSSES, "draws and codes in one batch, and the discriminator frozen for a while", '''
def discriminator_loss(model, x):
    with torch.no_grad():
        points = torch.cat([model.prior.sample((len(x),)), model.draw(x, 1)[0].squeeze(0)])
    draws, codes = model.discriminator(points)[:, 0].chunk(2)
    return -(F.logsigmoid(draws) + F.logsigmoid(-codes)).sum() / len(x)

def encoder_loss(model, x):
    model.discriminator.requires_grad_(False)
    said = model.discriminator(model.draw(x, 1)[0][0])
    model.discriminator.requires_grad_(True)
    return -F.logsigmoid(said).sum() / len(x)
'''),
    (PLAY, "ready-made", "play = " + READY.format("play")),
    (PLAY, "detached tensors in a tuple",
     edited(PLAY_RIGHT,
            ("losses = []", "losses = ()"),
            ("zero_grad()", "zero_grad(set_to_none=False)"),
            ("losses.append(value.item())", "losses += (value.detach(),)"))),
    (PRICES, "ready-made", "info_vae_prices = " + READY.format("info_vae_prices")
     + "\nmember_with = " + READY.format("member_with")),
    (PRICES, "NumPy's numbers and tensors",
     edited(PRICES_RIGHT,
            ("alpha + lam < 1", "lam < 1 - alpha"),
            ('1 - alpha, "divergence": alpha + lam - 1',
             'np.float64(1 - alpha), "divergence": torch.tensor(alpha + lam - 1.0)'),
            ('1 - alpha, "mismatch": lam', 'np.float64(1 - alpha), "mismatch": np.float64(lam)'),
            ("1 - kl, kl + divergence", "np.array([1 - kl, kl + divergence])"))),
]
# fmt: on

VARIANTS = [{"cell": cell, "kind": "wrong", "what": what, "loses": loses, "code": code.strip()}
            for cell, what, loses, code in WRONG]  # fmt: skip
VARIANTS += [
    {"cell": cell, "kind": "right", "what": what, "code": code.strip()}
    for cell, what, code in RIGHT
]

test_variants = variant_tests("03_aae_mmd", VARIANTS)
