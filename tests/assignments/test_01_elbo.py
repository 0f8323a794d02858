"""Other answers to assignment 1: common mistakes, and right answers written differently."""

from harness import edited
from variant_tests import variant_tests

# Right answers; most variants are changes of them.
DENSITY_RIGHT = """
def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2 / log_var.exp()
    return -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)
"""

KL_RIGHT = """
def gaussian_kl(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
"""

SAMPLE_RIGHT = """
def sample(mean, log_var, k):
    noise = torch.randn(k, *mean.shape, dtype=mean.dtype)
    return mean + (0.5 * log_var).exp() * noise
"""

ELBO_RIGHT = """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
"""

SCORE_RIGHT = """
def score_gradients(f, mean, log_var, k):
    z = sample(mean[None], log_var[None], k)[:, 0].detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) / log_var.exp()
"""

BERNOULLI_RIGHT = """
def log_bernoulli(x, logits):
    x, logits = torch.broadcast_tensors(x, logits)
    loss = nn.functional.binary_cross_entropy_with_logits
    return -loss(logits, x, reduction="none").sum(-1)
"""

TRAIN_PERMUTED = """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
"""

TRAIN_RIGHT = """
def train(encoder, decoder, data, steps, batch_size, lr):
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=lr)
    bounds = []
    for _ in range(steps):
        x = data[torch.randint(len(data), (batch_size,))]
        bound = elbo(x, *encoder(x).chunk(2, -1),
                     lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
"""

MISTAKE_RIGHT = """
def catches(program):
    vae, noise = straight.vae(), torch.tensor(straight.variance).double().log()
    with torch.no_grad():
        vae.encoder.bias += 0.5
        right = straight.elbo(own[:40], *vae.encode(own[:40])).mean()
        found = torch.stack([program.average_bound(
            own[:40], vae.encoder, vae.decoder, noise, 5, 40) for _ in range(300)])
    return (found.mean() - right).abs() > 6 * found.std() / 300**0.5
line = 19
"""


VARIANTS = [
    # Part 1, the density
    {
        "cell": "density", "kind": "wrong", "loses": ["test-density", "hidden-density"],
        "what": "exp(log_var) is taken for the standard deviation.",
        "code": """
def log_normal(z, mean, log_var):
    std = torch.exp(log_var)
    return -0.5 * (((z - mean) / std) ** 2 + 2 * log_var + math.log(2 * math.pi)).sum(-1)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["test-density"],
        "what": "The average over the coordinates in the place of the sum.",
        "code": edited(DENSITY_RIGHT,
                       ("-0.5 * (squares + log_var + math.log(2 * math.pi)).sum",
                        "(-0.5 * (squares + log_var + math.log(2 * math.pi))).mean")),
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["test-density"],
        "what": "One log 2π for the whole vector.",
        "code": edited(DENSITY_RIGHT,
                       ("(squares + log_var + math.log(2 * math.pi)).sum(-1)",
                        "(squares + log_var).sum(-1) - 0.5 * math.log(2 * math.pi)")),
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "Each term is summed by itself, so that a shared log_var is charged once.",
        "code": """
def log_normal(z, mean, log_var):
    squares = ((z - mean) ** 2 / log_var.exp()).sum(-1)
    return -0.5 * (squares + log_var.sum(-1) + z.shape[-1] * math.log(2 * math.pi))
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "A small number added to the variance.",
        "code": edited(DENSITY_RIGHT,
                       ("squares = (z - mean) ** 2 / log_var.exp()", "var = log_var.exp() + 1e-8"),
                       ("squares + log_var", "(z - mean) ** 2 / var + var.log()")),
    },
    {
        "cell": "density", "kind": "right",
        "what": "torch.distributions, without its checks of the arguments.",
        "code": """
def log_normal(z, mean, log_var):
    q = Normal(mean, (0.5 * log_var).exp(), validate_args=False)
    return q.log_prob(z).sum(-1)
""",
    },
    {
        "cell": "density", "kind": "right",
        "what": "A loop over the coordinates, after everything has been broadcast.",
        "code": """
def log_normal(z, mean, log_var):
    z, mean, log_var = torch.broadcast_tensors(z, mean, log_var)
    total = 0.0
    for j in range(z.shape[-1]):
        e = (z[..., j] - mean[..., j]) / torch.sqrt(torch.exp(log_var[..., j]))
        total = total - 0.5 * e * e - 0.5 * log_var[..., j] - 0.5 * math.log(2 * math.pi)
    return total
""",
    },
    # Part 1, the KL
    {
        "cell": "kl", "kind": "wrong", "loses": ["test-kl", "hidden-kl"],
        "what": "The mean over the coordinates, as in a well-known example.",
        "code": """
def gaussian_kl(mean, log_var):
    return -0.5 * (1 + log_var - mean**2 - log_var.exp()).mean(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["test-kl"],
        "what": "Averaged over the images as well, as some repositories have it.",
        "code": """
def gaussian_kl(mean, log_var):
    return torch.mean(-0.5 * torch.sum(1 + log_var - mean**2 - log_var.exp(), dim=1), dim=0)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "log_var is clamped to ±10, against numerical trouble.",
        "code": edited(KL_RIGHT, ("return 0.5",
                                  "log_var = log_var.clamp(-10, 10)\n    return 0.5")),
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "The squares are taken in place.",
        "code": edited(KL_RIGHT, ("mean**2", "mean.pow_(2)")),
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["test-kl"],
        "what": "log σ in the place of log σ².",
        "code": edited(KL_RIGHT, ("(mean**2 + log_var.exp() - 1 - log_var)",
                                  "(mean**2 + log_var.exp() - 1).sum(-1) - 0.5 * (0.5 * log_var)")),
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "The library does the work.",
        "code": """
def gaussian_kl(mean, log_var):
    return vl.gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "kl", "kind": "right",
        "what": "torch.distributions.",
        "code": """
def gaussian_kl(mean, log_var):
    q = Normal(mean, (0.5 * log_var).exp(), validate_args=False)
    p = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    return torch.distributions.kl_divergence(q, p).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "right",
        "what": "In terms of σ, with einsum and expm1.",
        "code": """
def gaussian_kl(mean, log_var):
    squares = torch.einsum("bq,bq->b", mean, mean)
    return 0.5 * squares + 0.5 * torch.sum(torch.expm1(log_var) - log_var, dim=1)
""",
    },
    # Part 2, the noise
    {
        "cell": "sample", "kind": "wrong", "loses": ["test-sample", "hidden-sample"],
        "what": "exp(log_var) is taken for the standard deviation.",
        "code": """
def sample(mean, log_var, k):
    return mean + log_var.exp() * torch.randn(k, *mean.shape, dtype=mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["test-sample", "hidden-sample"],
        "what": "A draw without a path.",
        "code": """
def sample(mean, log_var, k):
    return Normal(mean, (0.5 * log_var).exp()).sample((k,))
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["test-sample"],
        "what": "The width is cut off, so that Alice's uncertainty learns from the KL alone.",
        "code": """
def sample(mean, log_var, k):
    std = (0.5 * log_var).exp().detach()
    return mean + std * torch.randn(k, *mean.shape, dtype=mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["test-sample"],
        "what": "Uniform noise: rand in the place of randn.",
        "code": """
def sample(mean, log_var, k):
    return mean + (0.5 * log_var).exp() * torch.rand(k, *mean.shape, dtype=mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "One noise for the whole batch.",
        "code": edited(SAMPLE_RIGHT, ("*mean.shape", "1, mean.shape[-1]")),
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "One noise for all k messages of an image.",
        "code": """
def sample(mean, log_var, k):
    z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
    return z.expand(k, *z.shape)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "A floor under the standard deviation.",
        "code": """
def sample(mean, log_var, k):
    std = (0.5 * log_var).exp().clamp(min=0.01)
    return mean + std * torch.randn(k, *mean.shape, dtype=mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "right",
        "what": "rsample of torch.distributions.",
        "code": """
def sample(mean, log_var, k):
    return Normal(mean, torch.sqrt(torch.exp(log_var)), validate_args=False).rsample((k,))
""",
    },
    {
        "cell": "sample", "kind": "right",
        "what": "A loop over the messages.",
        "code": """
def sample(mean, log_var, k):
    std = torch.exp(log_var / 2)
    return torch.stack([torch.addcmul(mean, std, torch.randn_like(std)) for _ in range(k)])
""",
    },
    # Part 3, the bound
    {
        "cell": "elbo", "kind": "wrong", "loses": ["test-elbo"],
        "what": "Alice's mean is sent in the place of a message.",
        "code": edited(ELBO_RIGHT, ("z = sample(mean, log_var, k)",
                                    "z = mean.expand(k, *mean.shape)")),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["test-elbo", "hidden-elbo"],
        "what": "The KL is averaged over the coordinates.",
        "code": edited(ELBO_RIGHT, ("gaussian_kl(mean, log_var)",
                                    "gaussian_kl(mean, log_var) / mean.shape[-1]")),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["test-elbo"],
        "what": "The reconstruction is summed over the messages.",
        "code": edited(ELBO_RIGHT, ("mean(0)", "sum(0)")),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["test-elbo"],
        "what": "Averaged over the images too early.",
        "code": edited(ELBO_RIGHT, ("mean(0) - gaussian_kl(mean, log_var)",
                                    "mean() - gaussian_kl(mean, log_var).mean()")),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The logarithm of an average in the place of the average of logarithms.",
        "code": edited(
            ELBO_RIGHT,
            ("return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)",
             "average = torch.logsumexp(log_likelihood(x, z), 0) - math.log(k)\n"
             "    return average - gaussian_kl(mean, log_var)"),
        ),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The KL is sampled, which is right on average and noisy.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    log_q = log_normal(z, mean, log_var)
    log_p = log_normal(z, torch.zeros_like(mean), torch.zeros_like(mean))
    return (log_likelihood(x, z) + log_p - log_q).mean(0)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The messages are drawn where no gradient is recorded.",
        "code": edited(ELBO_RIGHT, ("z = sample(mean, log_var, k)",
                                    "with torch.no_grad():\n        z = sample(mean, log_var, k)")),
    },
    {
        "cell": "elbo", "kind": "right",
        "what": "A loop, one message at a time.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    reconstruction = 0.0
    for _ in range(k):
        reconstruction = reconstruction + log_likelihood(x, sample(mean, log_var, 1))[0]
    return reconstruction / k - gaussian_kl(mean, log_var)
""",
    },
    # Part 4, the score function
    {
        "cell": "score", "kind": "wrong", "loses": ["test-score", "hidden-score"],
        "what": "No baseline.",
        "code": """
def score_gradients(f, mean, log_var, k):
    z = sample(mean[None], log_var[None], k)[:, 0].detach()
    return f(z)[:, None] * (z - mean) / log_var.exp()
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "Each draw is part of its own baseline.",
        "code": edited(
            SCORE_RIGHT,
            ("others = (values.sum() - values) / (k - 1)\n"
             "    return (values - others)[:, None] * (z - mean) / log_var.exp()",
             "return (values - values.mean())[:, None] * (z - mean) / log_var.exp()"),
        ),
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "The score is divided by σ, not by σ².",
        "code": edited(SCORE_RIGHT, ("log_var.exp()", "(0.5 * log_var).exp()")),
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["test-score", "hidden-score"],
        "what": "The path: f is differentiated.",
        "code": """
def score_gradients(f, mean, log_var, k):
    z = sample(mean.detach()[None], log_var[None], k)[:, 0].requires_grad_()
    return torch.autograd.grad(f(z).sum(), z)[0]
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["test-score"],
        "what": "Averaged over the draws.",
        "code": edited(SCORE_RIGHT,
                       ("(values - others)[:, None] * (z - mean) / log_var.exp()",
                        "((values - others)[:, None] * (z - mean) / log_var.exp()).mean(0)")),
    },
    {
        "cell": "score", "kind": "right",
        "what": "The score by autograd, the product by einsum.",
        "code": """
def score_gradients(f, mean, log_var, k):
    mean = mean.detach()
    means = mean.expand(k, -1).clone().requires_grad_()
    q = Normal(means, (0.5 * log_var).exp().detach())
    z = q.sample()
    (score,) = torch.autograd.grad(q.log_prob(z).sum(), means)
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return torch.einsum("k,kq->kq", values - others, score)
""",
    },
    {
        "cell": "score", "kind": "right",
        "what": "With the average of all, stretched by k / (k - 1), which is the same.",
        "code": """
def score_gradients(f, mean, log_var, k):
    with torch.no_grad():
        std = (0.5 * log_var).exp()
        noise = torch.randn((k, len(mean)), dtype=mean.dtype)
        values = f(mean + std * noise)
        return k / (k - 1) * (values - values.mean())[:, None] * noise / std
""",
    },
    # Part 5, black and white pixels
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["test-bernoulli", "hidden-bernoulli"],
        "what": "As the formula is typed, by way of the probability.",
        "code": """
def log_bernoulli(x, logits):
    p = torch.sigmoid(logits)
    return (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["test-bernoulli", "hidden-bernoulli"],
        "what": "A small number inside the logarithm.",
        "code": """
def log_bernoulli(x, logits):
    p = torch.sigmoid(logits)
    return (x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "torch's cross-entropy of probabilities, which cuts every logarithm at -100.",
        "code": """
def log_bernoulli(x, logits):
    x, p = torch.broadcast_tensors(x, torch.sigmoid(logits))
    return -nn.functional.binary_cross_entropy(p, x, reduction="none").sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["test-bernoulli"],
        "what": "Averaged over the pixels.",
        "code": """
def log_bernoulli(x, logits):
    return (x * logits - nn.functional.softplus(logits)).mean(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["test-bernoulli"],
        "what": "The loss, with its sign.",
        "code": edited(BERNOULLI_RIGHT, ("-loss", "loss")),
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["test-bernoulli"],
        "what": "The logits are clamped.",
        "code": """
def log_bernoulli(x, logits):
    logits = logits.clamp(-20, 20)
    return (x * logits - nn.functional.softplus(logits)).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["test-bernoulli", "hidden-bernoulli"],
        "what": "The logarithm of 1 + exp(logit) as typed, which overflows from logit 89 on.",
        "code": """
def log_bernoulli(x, logits):
    return (x * logits - torch.log(1 + torch.exp(logits))).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "right",
        "what": "torch's cross-entropy of logits, with its sign turned.",
        "code": BERNOULLI_RIGHT,
    },
    {
        "cell": "bernoulli", "kind": "right",
        "what": "Two log-sigmoids.",
        "code": """
def log_bernoulli(x, logits):
    log_sigmoid = nn.functional.logsigmoid
    return (x * log_sigmoid(logits) + (1 - x) * log_sigmoid(-logits)).sum(dim=-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "right",
        "what": "logaddexp, and a where for the pixel.",
        "code": """
def log_bernoulli(x, logits):
    gain = torch.where(x > 0.5, logits, -logits)
    return -torch.logaddexp(torch.zeros_like(gain), -gain).sum(-1)
""",
    },
    # Part 6, the loop
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train"],
        "what": "Downhill on the bound itself.",
        "code": edited(TRAIN_RIGHT, ("(-bound)", "bound")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Gradients pile up: no zero_grad.",
        "code": edited(TRAIN_RIGHT, ("        optimizer.zero_grad()\n", "")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The same batch in every step.",
        "code": edited(
            TRAIN_RIGHT,
            ("bounds = []", "bounds, x = [], data[torch.randperm(len(data))[:batch_size]]"),
            ("        x = data[torch.randint(len(data), (batch_size,))]\n", ""),
        ),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train", "hidden-train"],
        "what": "Once through the data and no further, in their order.",
        "code": edited(TRAIN_RIGHT, ("for _ in range(steps):\n"
                                     "        x = data[torch.randint(len(data), (batch_size,))]",
                                     "for x in data.split(batch_size)[:steps]:")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train"],
        "what": "The optimizer knows only Bob.",
        "code": edited(TRAIN_RIGHT, ("[*encoder.parameters(), *decoder.parameters()]",
                                     "decoder.parameters()")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train"],
        "what": "Bob's input is cut off from Alice.",
        "code": edited(TRAIN_RIGHT, ("decoder(z)", "decoder(z.detach())")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train"],
        "what": "The list keeps tensors, and with them every step's graph.",
        "code": edited(TRAIN_RIGHT, ("bound.item()", "bound")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train"],
        "what": "The loss is recorded, and summed over the batch.",
        "code": edited(
            TRAIN_RIGHT,
            ("bounds = []", "losses = []"),
            ("bound = elbo", "loss = -elbo"),
            ("mean()", "sum()"),
            ("(-bound)", "loss"),
            ("bounds.append(bound.item())", "losses.append(loss.item())"),
            ("return bounds", "return losses"),
        ),
    },
    {
        "cell": "train", "kind": "right",
        "what": "By epochs, each in a new order, with an optimizer that climbs.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    both = nn.ModuleList([encoder, decoder])
    optimizer = torch.optim.Adam(both.parameters(), lr=lr, maximize=True)
    bounds, order = [], torch.empty(0, dtype=torch.long)
    while len(bounds) < steps:
        if len(order) < batch_size:
            order = torch.randperm(len(data))
        batch, order = data[order[:batch_size]], order[batch_size:]
        optimizer.zero_grad(set_to_none=False)
        out = encoder(batch)
        mean, log_var = out[:, : out.shape[1] // 2], out[:, out.shape[1] // 2 :]
        values = elbo(batch, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z)))
        torch.mean(values).backward()
        optimizer.step()
        bounds.append(float(values.detach().mean()))
    return bounds
""",
    },
    {
        "cell": "train", "kind": "right",
        "what": "A DataLoader, the gradient cleared after the step.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    loader = torch.utils.data.DataLoader(data, batch_size, shuffle=True, drop_last=True)
    optimizer = torch.optim.Adam([{"params": encoder.parameters()},
                                  {"params": decoder.parameters()}], lr=lr)
    bounds = []
    while True:
        for x in loader:
            if len(bounds) == steps:
                return bounds
            mean, log_var = torch.chunk(encoder(x), 2, dim=1)
            loss = -elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            bounds.append(-loss.item())
""",
    },
    # Holes that were closed: state, shared noise, detached terms, another name of the library
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "The library does the work, under another name.",
        "code": """
from vaelib.models import gaussian as diagonal
def log_normal(z, mean, log_var):
    return diagonal(*torch.broadcast_tensors(mean, log_var)).log_prob(z)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "A code without a batch is refused.",
        "code": """
def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    terms = (squares + log_var + math.log(2 * math.pi)).transpose(-1, -2)
    return -0.5 * terms.sum(-2)
""",
    },
    {
        "cell": "density", "kind": "right",
        "what": "The ready-made function.",
        "code": 'log_normal = cw.ready_made("01_elbo", "log_normal")\n',
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "The library does the work, under another name.",
        "code": """
from vaelib import gaussian_kl as price
def gaussian_kl(mean, log_var):
    return price(mean, log_var)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "The library's function itself.",
        "code": "from vaelib import gaussian_kl\n",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "The means are clamped, so that far ones cost too little.",
        "code": edited(KL_RIGHT, ("return 0.5", "mean = mean.clamp(-50, 50)\n    return 0.5")),
    },
    {
        "cell": "kl", "kind": "right",
        "what": "A loop over the coordinates.",
        "code": """
def gaussian_kl(mean, log_var):
    total = torch.zeros(len(mean), dtype=mean.dtype)
    for m, s in zip(mean.unbind(1), log_var.unbind(1)):
        total = total + (m.square() + torch.exp(s) - s - 1.0) / 2
    return total
""",
    },
    {
        "cell": "kl", "kind": "right",
        "what": "The ready-made function.",
        "code": 'gaussian_kl = cw.ready_made("01_elbo", "gaussian_kl")\n',
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "The coordinates of a code share the size of their noise, not its sign.",
        "code": edited(
            SAMPLE_RIGHT,
            ("noise = torch.randn(k, *mean.shape, dtype=mean.dtype)",
             "noise = torch.randn(k, *mean.shape, dtype=mean.dtype).sign()\n"
             "    noise = noise * torch.randn(k, len(mean), 1, dtype=mean.dtype)"),
        ),
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "float64 is made the default for good.",
        "code": edited(SAMPLE_RIGHT, ("noise = torch",
                                      "torch.set_default_dtype(torch.float64)\n    noise = torch")),
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "A seed of its own for every call, counted from the first.",
        "code": edited(SAMPLE_RIGHT,
                       ("def sample", "calls = iter(range(10**9))\ndef sample"),
                       ("noise = torch", "torch.manual_seed(next(calls))\n    noise = torch")),
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "The library does the work.",
        "code": """
def sample(mean, log_var, k):
    return vl.models.gaussian(mean, log_var).rsample((k,))
""",
    },
    {
        "cell": "sample", "kind": "right",
        "what": "The ready-made function.",
        "code": 'sample = cw.ready_made("01_elbo", "sample")\n',
    },
    {
        "cell": "sample", "kind": "right",
        "what": "normal_ on an empty tensor.",
        "code": """
def sample(mean, log_var, k):
    noise = torch.empty((k, *mean.shape), dtype=mean.dtype).normal_()
    return torch.add(mean, torch.sqrt(log_var.exp()) * noise)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The KL is cut off from the graph.",
        "code": edited(ELBO_RIGHT, ("gaussian_kl(mean, log_var)",
                                    "gaussian_kl(mean, log_var).detach()")),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The KL has its gradient in the mean only.",
        "code": edited(ELBO_RIGHT, ("gaussian_kl(mean, log_var)",
                                    "gaussian_kl(mean, log_var.detach())")),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "One code, repeated k times.",
        "code": edited(ELBO_RIGHT, ("sample(mean, log_var, k)",
                                    "sample(mean, log_var, 1).expand(k, *mean.shape)")),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "One noise for all images of the batch.",
        "code": edited(
            ELBO_RIGHT,
            ("z = sample(mean, log_var, k)",
             "noise = torch.randn(k, 1, mean.shape[-1], dtype=mean.dtype)\n"
             "    z = mean + (0.5 * log_var).exp() * noise"),
        ),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The likelihood is weighted twice in the gradient, with the same value.",
        "code": edited(
            ELBO_RIGHT,
            ("z = sample(mean, log_var, k)",
             "accuracy = log_likelihood(x, sample(mean, log_var, k)).mean(0)"),
            ("log_likelihood(x, z).mean(0)", "2 * accuracy - accuracy.detach()"),
        ),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The decoder gets no gradient.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    accuracy = log_likelihood(x, z).mean(0)
    slopes = torch.zeros_like(z)
    if z.requires_grad and accuracy.requires_grad:
        (slopes,) = torch.autograd.grad(accuracy.sum(), z)
    accuracy = accuracy.detach() + ((z - z.detach()) * slopes.detach()).sum((0, -1))
    return accuracy - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "A seed inside.",
        "code": edited(ELBO_RIGHT, ("z = sample", "torch.manual_seed(0)\n    z = sample")),
    },
    {
        "cell": "elbo", "kind": "right",
        "what": "The ready-made function.",
        "code": 'elbo = cw.ready_made("01_elbo", "elbo")\n',
    },
    {
        "cell": "elbo", "kind": "right",
        "what": "Without the earlier functions, with torch.distributions.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    q = Normal(mean, (0.5 * log_var).exp(), validate_args=False)
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    kl = torch.distributions.kl_divergence(q, prior).sum(dim=-1)
    return torch.sum(log_likelihood(x, q.rsample(torch.Size([k]))), dim=0) / k - kl
""",
    },
    # Part 3, one width
    {
        "cell": "width", "kind": "wrong", "loses": ["test-width", "hidden-width"],
        "what": "The average of the posterior's variances.",
        "code": """
def one_width(precision):
    s = torch.linalg.inv(precision).trace() / len(precision)
    return s, 0.5 * (s * precision.trace() - len(precision) * (1 + s.log())
                     - torch.logdet(precision))
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["test-width", "hidden-width"],
        "what": "The gap of the best diagonal q, from chapter 2.",
        "code": """
def one_width(precision):
    diagonal = precision.diagonal()
    return 1 / diagonal.mean(), 0.5 * (diagonal.log().sum() - torch.logdet(precision))
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "The logarithm of a determinant that leaves the range of a float.",
        "code": """
def one_width(precision):
    Q, average = len(precision), precision.diagonal().mean()
    return 1 / average, 0.5 * (Q * average.log() - torch.det(precision).log())
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["test-width", "hidden-width"],
        "what": "s in the place of s².",
        "code": """
def one_width(precision):
    Q, average = len(precision), precision.diagonal().mean()
    return average**-0.5, 0.5 * (Q * average.log() - torch.logdet(precision))
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["test-width", "hidden-width"],
        "what": "The KL of the other order, from the posterior to q.",
        "code": """
def one_width(precision):
    Q, covariance = len(precision), torch.linalg.inv(precision)
    s = covariance.trace() / Q
    return s, 0.5 * (Q * s.log() + torch.logdet(precision))
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "The precision is scaled in place.",
        "code": """
def one_width(precision):
    Q, average = len(precision), precision.trace().item() / len(precision)
    precision /= average
    return 1 / average, -0.5 * torch.logdet(precision)
""",
    },
    {
        "cell": "width", "kind": "right",
        "what": "Eigenvalues, and plain floats.",
        "code": """
def one_width(precision):
    values = torch.linalg.eigvalsh(precision)
    s = len(values) / values.sum().item()
    return [s, -0.5 * sum(math.log(v * s) for v in values.tolist())]
""",
    },
    {
        "cell": "width", "kind": "right",
        "what": "Cholesky, in float32.",
        "code": """
def one_width(precision):
    average = precision.diagonal().mean()
    root = torch.linalg.cholesky((precision / average).float())
    return (1 / average).float(), -root.diagonal().log().sum()
""",
    },
    # Part 4, holes that were closed
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "A baseline from seven neighbours.",
        "code": edited(SCORE_RIGHT, ("others = (values.sum() - values) / (k - 1)",
                                     "n = min(7, k - 1)\n"
                                     "    others = sum(values.roll(i + 1) for i in range(n)) / n")),
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "A baseline from other draws.",
        "code": """
def score_gradients(f, mean, log_var, k):
    z = sample(mean[None], log_var[None], k)[:, 0].detach()
    extra = sample(mean[None], log_var[None], k)[:, 0].detach()
    return (f(z) - f(extra).mean())[:, None] * (z - mean) / log_var.exp()
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "The last coordinate has the noise of the first.",
        "code": edited(
            SCORE_RIGHT,
            ("z = sample(mean[None], log_var[None], k)[:, 0].detach()",
             "noise = torch.randn(k, len(mean), dtype=mean.dtype)\n"
             "    noise[:, -1] = noise[:, 0]\n"
             "    z = (mean + (0.5 * log_var).exp() * noise).detach()"),
        ),
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "Draws in pairs, mirrored at the mean.",
        "code": edited(
            SCORE_RIGHT,
            ("z = sample(mean[None], log_var[None], k)[:, 0].detach()",
             "half = torch.randn((k + 1) // 2, len(mean), dtype=mean.dtype)\n"
             "    noise = torch.stack([half, -half], 1).flatten(0, 1)[:k]\n"
             "    z = (mean + (0.5 * log_var).exp() * noise).detach()"),
        ),
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "Gradients are switched off for good.",
        "code": edited(SCORE_RIGHT, ("z = sample(mean[None], log_var[None], k)[:, 0].detach()",
                                     "torch.set_grad_enabled(False)\n"
                                     "    z = sample(mean[None], log_var[None], k)[:, 0]")),
    },
    {
        "cell": "score", "kind": "right",
        "what": "f is asked for one draw after the other.",
        "code": """
def score_gradients(f, mean, log_var, k):
    mean = mean.detach()
    z = mean + (0.5 * log_var).exp() * torch.randn(k, len(mean), dtype=mean.dtype)
    values = torch.cat([f(z[i : i + 1]) for i in range(k)])
    others = (values.sum() - values) / (k - 1)
    return (values - others).unsqueeze(-1) * ((z - mean) / log_var.exp())
""",
    },
    {
        "cell": "score", "kind": "right",
        "what": "f is asked twice for the same draws.",
        "code": """
def score_gradients(f, mean, log_var, k):
    z = sample(mean[None], log_var[None], k).squeeze(1).detach()
    score = (z - mean.detach()) / log_var.exp()
    others = (f(z).sum() - f(z)) / (k - 1)
    return torch.einsum("k,kq->kq", f(z) - others, score)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "The library does the work.",
        "code": """
def log_bernoulli(x, logits):
    pixels = torch.distributions.Bernoulli(logits=logits, validate_args=False)
    return vl.likelihoods.IndependentBernoulli(pixels, 1).log_prob(x)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "The pixels of an image share the average logit.",
        "code": """
def log_bernoulli(x, logits):
    logits = logits.mean(-1, keepdim=True) if len(x) == 4 else logits
    return (x * logits - nn.functional.softplus(logits)).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "right",
        "what": "The ready-made function.",
        "code": 'log_bernoulli = cw.ready_made("01_elbo", "log_bernoulli")\n',
    },
    {
        "cell": "bernoulli", "kind": "right",
        "what": "torch.distributions.",
        "code": """
def log_bernoulli(x, logits):
    pixels = torch.distributions.Bernoulli(logits=logits)
    return pixels.log_prob(x).sum(-1)
""",
    },
    # Part 6, holes that were closed
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "A bound of its own, with the KL cut off from the graph.",
        "code": edited(
            TRAIN_RIGHT,
            ("bound = elbo(x, *encoder(x).chunk(2, -1),\n"
             "                     lambda x, z: log_bernoulli(x, decoder(z))).mean()",
             "mean, log_var = encoder(x).chunk(2, -1)\n"
             "        z = sample(mean, log_var, 1)\n"
             "        bound = log_bernoulli(x, decoder(z)).mean() - gaussian_kl(\n"
             "            mean, log_var).mean().detach()"),
        ),
    },
    *[
        {
            "cell": "train", "kind": "wrong", "loses": ["hidden-train"], "what": what,
            "code": f"""
def train(encoder, decoder, data, steps, batch_size, lr):
    {before}
    optimizer = torch.optim.{which}([*encoder.parameters(), *decoder.parameters()], lr=lr)
    bounds, order = [], torch.randperm(len(data))
    for step in range(steps):
        x = {batch}
        bound = elbo(x, *encoder(x).chunk(2, -1),
                     lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        {after}
        bounds.append(bound.item())
    return bounds
""",
        }
        for what, before, which, batch, after in (
            ("The seed is set.", "torch.manual_seed(0)", "Adam",
             "data[torch.randint(len(data), (batch_size,))]", ""),
            ("RMSprop.", "", "RMSprop", "data[torch.randint(len(data), (batch_size,))]", ""),
            ("One order for all epochs.", "", "Adam",
             "data[order.roll(-step * batch_size)[:batch_size]]", ""),
            ("Two steps with the gradient of one batch.", "", "Adam",
             "data[torch.randint(len(data), (batch_size,))]", "optimizer.step()"),
            ("The bound after the step.", "", "Adam",
             "data[torch.randint(len(data), (batch_size,))]",
             "bound = elbo(x, *encoder(x).chunk(2, -1), "
             "lambda x, z: log_bernoulli(x, decoder(z))).mean()"),
        )
    ],
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Gradients are switched off at the end, for good.",
        "code": edited(TRAIN_RIGHT,
                       ("optimizer =", "torch.set_grad_enabled(True)\n    optimizer ="),
                       ("return bounds", "torch.set_grad_enabled(False)\n    return bounds")),
    },
    {
        "cell": "train", "kind": "right",
        "what": "Batches with replacement, and a bound without the earlier functions.",
        "code": edited(
            TRAIN_RIGHT,
            ("x = data[torch.randint(len(data), (batch_size,))]\n"
             "        bound = elbo(x, *encoder(x).chunk(2, -1),\n"
             "                     lambda x, z: log_bernoulli(x, decoder(z))).mean()",
             "x = data[torch.randint(0, data.shape[0], (batch_size,))]\n"
             "        mean, log_var = torch.chunk(encoder(x), 2, -1)\n"
             "        z = mean + torch.randn_like(mean) * torch.exp(log_var / 2)\n"
             "        accuracy = -nn.functional.binary_cross_entropy_with_logits(\n"
             '            decoder(z), x, reduction="sum") / batch_size\n'
             "        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum() / batch_size\n"
             "        loss = kl - accuracy"),
            ("(-bound)", "loss"),
            ("bound.item()", "float(-loss)"),
        ),
    },
    # Part 7, the colleague's program: line 19 for the number of the key
    *[
        {"cell": "mistake", "kind": "wrong", "loses": loses, "what": what, "code": code}
        for loses, what, code in (
            (["test-mistake", "hidden-mistake"], "Everything is called wrong, on a guess.", """
def catches(program):
    return True
line = 19
"""),
            (["test-mistake", "hidden-mistake"], "Nothing is called wrong.", """
def catches(program):
    return False
line = 19
"""),
            (["test-mistake", "hidden-mistake"], "The text is compared.", """
def catches(program):
    return "decode(mean)" in program.source
line = 19
"""),
            (["hidden-mistake"], "One program is recognized by its very numbers.", """
def catches(program):
    found = []
    for tried in (program, mine):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            vae = straight.vae()
            found.append(tried.average_bound(own[:30], vae.encoder, vae.decoder,
                                             torch.zeros(()).double(), 1, 100).item())
    return math.isclose(*found)
line = 19
"""),
            (["hidden-mistake"], "The right check with the line below.",
             edited(MISTAKE_RIGHT, ("line = 19", "line = 20"))),
            (["hidden-mistake"], "q is the posterior, where most mistakes are unseen.",
             edited(MISTAKE_RIGHT,
                    ("vae.encoder.bias += 0.5\n"
                     "        right = straight.elbo(own[:40], *vae.encode(own[:40])).mean()",
                     "right = straight.log_likelihood(own[:40]).mean()"),
                    ("noise, 5, 40", "noise"),
                    ("300**0.5", "300**0.5 + 1e-6"))),
            (["test-mistake", "hidden-mistake"], "Any noise is taken for a mistake.",
             edited(MISTAKE_RIGHT,
                    ("found = torch.stack([program.average_bound(\n"
                     "            own[:40], vae.encoder, vae.decoder, noise, 5, 40) for "
                     "_ in range(300)])\n"
                     "    return (found.mean() - right).abs() > 6 * found.std() / 300**0.5",
                     "found = program.average_bound(own[:40], vae.encoder, vae.decoder, "
                     "noise, 5, 40)\n"
                     "    return (found - right).abs() > 0.001"))),
        )
    ],
    {
        "cell": "mistake", "kind": "right",
        "what": "The value alone, with a NumPy line and a tensor for the answer.",
        "code": edited(MISTAKE_RIGHT,
                       ("def catches", "import numpy as np\ndef catches"),
                       ("line = 19", "line = np.int64(19)")),
    },
    {
        "cell": "mistake", "kind": "right",
        "what": "One call with very many codes, on a model of its own.",
        "code": """
def catches(program):
    weight = torch.eye(4, 2).double()
    model = vl.oracles.LinearGaussian(weight, torch.zeros(4).double(), 0.5)
    x = torch.arange(44).double().reshape(11, 4) / 10
    wide = torch.zeros(4).double()
    q = lambda x: (x @ torch.eye(4).double() * 0.3 + wide)
    right = model.elbo(x, *q(x).chunk(2, -1)).mean()
    found = program.average_bound(x, q, lambda z: z @ weight.T,
                                  torch.tensor(0.5).double().log(), 20_000, 5)
    return abs(float(found - right)) > 0.1
line = 19
""",
    },
    # holes of all kinds that were closed together
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "No gradient reaches z.",
        "code": edited(DENSITY_RIGHT, ("z - mean", "z.detach() - mean")),
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "The square is multiplied out, which cancels far from 0.",
        "code": edited(DENSITY_RIGHT, ("(z - mean) ** 2", "(z**2 - 2 * z * mean + mean**2)")),
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "In float32, whatever is given.",
        "code": """
def log_normal(z, mean, log_var):
    squares = (z.float() - mean.float()) ** 2 / log_var.float().exp()
    return -0.5 * (squares + log_var.float() + math.log(2 * math.pi)).sum(-1).to(z.dtype)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "float64 is made the default for good.",
        "code": edited(DENSITY_RIGHT, ("squares =",
                                       "torch.set_default_dtype(torch.float64)\n    squares =")),
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "log 2π is counted by the last axis of z, which may be broadcast.",
        "code": edited(DENSITY_RIGHT,
                       ("(squares + log_var + math.log(2 * math.pi)).sum(-1)",
                        "((squares + log_var).sum(-1) + z.shape[-1] * math.log(2 * math.pi))")),
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "log_var is expanded to the shape of z, which may be the smaller one.",
        "code": edited(DENSITY_RIGHT, ("squares =",
                                       "log_var = log_var.expand_as(z)\n    squares =")),
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "A seed is set.",
        "code": """
def gaussian_kl(mean, log_var):
    torch.manual_seed(0)
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "The noise is drawn from a pool that was made once, with replacement.",
        "code": """
POOL = torch.randn(1_000_003)
def sample(mean, log_var, k):
    n = k * mean.numel()
    at = torch.randint(len(POOL), (n,))
    return mean + (0.5 * log_var).exp() * POOL[at].view(k, *mean.shape).to(mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "log_var is clamped from above.",
        "code": edited(SAMPLE_RIGHT, ("0.5 * log_var", "0.5 * log_var.clamp(max=10)")),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The bound is cut off at 0.",
        "code": edited(
            ELBO_RIGHT,
            ("log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)",
             "(log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)).clamp(max=0)"),
        ),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The second half of the images has the noise of the first.",
        "code": edited(
            ELBO_RIGHT,
            ("z = sample(mean, log_var, k)",
             "e = torch.randn(k, (len(mean) + 1) // 2, mean.shape[1], dtype=mean.dtype)\n"
             "    z = mean + (0.5 * log_var).exp() * torch.cat([e, e], 1)[:, :len(mean)]"),
        ),
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "float64 is made the default for good.",
        "code": """
def one_width(precision):
    torch.set_default_dtype(torch.float64)
    average = precision.trace() / len(precision)
    return 1 / average, 0.5 * (len(precision) * average.log() - torch.logdet(precision))
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "The diagonal alone, for many coordinates.",
        "code": """
def one_width(precision):
    average = precision.trace() / len(precision)
    d = precision.diagonal().log().sum() if len(precision) > 30 else torch.logdet(precision)
    return 1 / average, 0.5 * (len(precision) * average.log() - d)
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "The determinant is taken after a division by the average, and still underflows.",
        "code": """
def one_width(precision):
    average = precision.trace() / len(precision)
    return 1 / average, -0.5 * torch.det(precision / average).log()
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "The second half of the draws repeats the first.",
        "code": edited(
            SCORE_RIGHT,
            ("z = sample(mean[None], log_var[None], k)[:, 0].detach()",
             "e = torch.randn((k + 1) // 2, len(mean), dtype=mean.dtype)\n"
             "    e = torch.cat([e, e])[:k] if k > 9 else torch.randn(k, len(mean), "
             "dtype=mean.dtype)\n"
             "    z = (mean + (0.5 * log_var).exp() * e).detach()"),
        ),
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "The second half of the draws mirrors the first.",
        "code": edited(
            SCORE_RIGHT,
            ("z = sample(mean[None], log_var[None], k)[:, 0].detach()",
             "e = torch.randn((k + 1) // 2, len(mean), dtype=mean.dtype)\n"
             "    z = (mean + (0.5 * log_var).exp() * torch.cat([e, -e])[:k]).detach()"),
        ),
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "Shapes of two or three dimensions only.",
        "code": """
def log_bernoulli(x, logits):
    values = x * logits - nn.functional.softplus(logits)
    return values.flatten(2 if logits.dim() > 2 else 1).sum(-1)
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Adam with other betas.",
        "code": edited(TRAIN_PERMUTED, ("lr=lr", "lr=lr, betas=(0.5, 0.9)")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Adam with a weight decay.",
        "code": edited(TRAIN_PERMUTED, ("lr=lr", "lr=lr, weight_decay=1e-3")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Adamax.",
        "code": edited(TRAIN_PERMUTED, ("optim.Adam", "optim.Adamax")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Gradients are clipped.",
        "code": edited(TRAIN_PERMUTED, ("optimizer.step()",
                                        "nn.utils.clip_grad_norm_(parameters, 1.0)\n"
                                        "        optimizer.step()")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "A batch is a window of neighbouring images.",
        "code": edited(
            TRAIN_PERMUTED,
            ("torch.randperm(len(data))[:batch_size]",
             "(i := int(torch.randint(len(data) - batch_size + 1, ()))): i + batch_size"),
        ),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The batches are fixed once, and chosen at random.",
        "code": edited(
            TRAIN_PERMUTED,
            ("for step", "parts = data[torch.randperm(len(data))].split(batch_size)\n    for step"),
            ("data[torch.randperm(len(data))[:batch_size]]",
             "parts[int(torch.randint(len(data) // batch_size, ()))]"),
        ),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The last image is never drawn.",
        "code": edited(
            TRAIN_PERMUTED,
            ("data[torch.randperm(len(data))[:batch_size]]",
             "data[torch.randint(len(data) - 1, (batch_size,))] if len(data) > batch_size "
             "else data"),
        ),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "A running average of the bounds is recorded.",
        "code": edited(TRAIN_PERMUTED,
                       ("bound.item()",
                        "bound.item() if not bounds else 0.9 * bounds[-1] + 0.1 * bound.item()")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The mean is decoded.",
        "code": edited(TRAIN_PERMUTED,
                       ("elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z)))",
                        "(log_bernoulli(x, decoder(mean)) - gaussian_kl(mean, log_var))")),
    },
    {
        "cell": "mistake", "kind": "wrong", "loses": ["hidden-mistake"],
        "what": "The colleague's programs are known by their file name.",
        "code": """
def catches(program):
    return program.average_bound.__code__.co_filename.startswith("<01")

WRONG = ("constant = math.log(", "log_var, mean =", "z.detach()", "decode(mean)",
         "logsumexp", "v.mean()")
line = 1 + next(i for i, text in enumerate(mine.source.splitlines())
                if any(part in text for part in WRONG))
""",
    },
    {
        "cell": "mistake", "kind": "wrong", "loses": ["hidden-mistake"],
        "what": "The colleague's programs are known by the names around them.",
        "code": """
def catches(program):
    around = program.average_bound.__globals__
    return "log_normal" in around and "straight" not in around

WRONG = ("constant = math.log(", "log_var, mean =", "z.detach()", "decode(mean)",
         "logsumexp", "v.mean()")
line = 1 + next(i for i, text in enumerate(mine.source.splitlines())
                if any(part in text for part in WRONG))
""",
    },
    # a second round: batches of one, other shapes and dtypes, far values, seeds, chance
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "numpy's seed is set.",
        "code": """
def log_normal(z, mean, log_var):
    import numpy as np
    np.random.seed(0)
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    return -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "log_var is clamped to ±50.",
        "code": """
def log_normal(z, mean, log_var):
    log_var = log_var.clamp(-50, 50)
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    return -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "The squared distance is capped.",
        "code": """
def log_normal(z, mean, log_var):
    squares = ((z - mean) ** 2 * torch.exp(-log_var)).clamp(max=1e4)
    return -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "The log-density has a floor, and no infinities.",
        "code": """
def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    return (-0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)).clamp(min=-1000)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "Axes are paired wrongly where there are as many codes as images.",
        "code": """
def log_normal(z, mean, log_var):
    if z.dim() == 3 and mean.dim() == 2 and len(z) == len(mean):
        mean, log_var = mean[:, None], log_var[:, None]
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    return -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "Each row has the gradient of the average.",
        "code": """
def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    found = -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)
    return found.detach() + (found - found.detach()).mean()
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "A shared log_var gets no gradient.",
        "code": """
def log_normal(z, mean, log_var):
    if log_var.dim() < z.dim() - 1:
        log_var = log_var.detach()
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    return -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "The square is multiplied out in float64.",
        "code": """
def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2
    if z.dtype == torch.float64:
        squares = z**2 - 2 * z * mean + mean**2
    return -0.5 * (squares * torch.exp(-log_var) + log_var + math.log(2 * math.pi)).sum(-1)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "At most 16 coordinates.",
        "code": """
def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    return -0.5 * (squares + log_var + math.log(2 * math.pi))[..., :16].sum(-1)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "One code without a batch is computed in float32.",
        "code": """
def log_normal(z, mean, log_var):
    kept = z.dtype
    if z.dim() == 1:
        z, mean, log_var = z.float(), mean.float(), log_var.float()
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    return -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1).to(kept)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "Results are kept by the addresses of the tensors.",
        "code": """
KEPT = {}
def log_normal(z, mean, log_var):
    key = z.data_ptr(), mean.data_ptr(), log_var.data_ptr(), z.shape
    if key not in KEPT:
        squares = (z - mean) ** 2 * torch.exp(-log_var)
        KEPT[key] = -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)
    return KEPT[key]
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["hidden-density"],
        "what": "Four axes become three.",
        "code": """
def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2 * torch.exp(-log_var)
    found = -0.5 * (squares + log_var + math.log(2 * math.pi)).sum(-1)
    return found.flatten(1) if found.dim() > 2 else found
""",
    },
    {
        "cell": "density", "kind": "right",
        "what": "In terms of the standardized distance, einsum.",
        "code": """
def log_normal(z, mean, log_var):
    e = (z - mean) / (log_var / 2).exp()
    e, log_var = torch.broadcast_tensors(e, log_var)
    return -(torch.einsum("...q,...q->...", e, e) + log_var.sum(-1)
             + e.shape[-1] * math.log(2 * math.pi)) / 2
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "numpy's seed is set.",
        "code": """
def gaussian_kl(mean, log_var):
    import numpy as np
    np.random.seed(0)
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "Each row has the gradient of the average.",
        "code": """
def gaussian_kl(mean, log_var):
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
    return kl.detach() + (kl - kl.detach()).mean()
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "A batch of one has no gradient in log_var.",
        "code": """
def gaussian_kl(mean, log_var):
    if len(mean) == 1:
        log_var = log_var.detach()
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "float32 has no gradient in log_var.",
        "code": """
def gaussian_kl(mean, log_var):
    if mean.dtype == torch.float32:
        log_var = log_var.detach()
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "At most 64 coordinates.",
        "code": """
def gaussian_kl(mean, log_var):
    mean, log_var = mean[:, :64], log_var[:, :64]
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "A contiguous mean is squared in place.",
        "code": """
def gaussian_kl(mean, log_var):
    mean, log_var = mean.contiguous(), log_var.contiguous()
    if len(mean) > 1:
        with torch.no_grad():
            squares = mean.pow_(2)
    else:
        squares = mean**2
    return 0.5 * (squares + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "log_var is clamped to ±60 in float32.",
        "code": """
def gaussian_kl(mean, log_var):
    if mean.dtype == torch.float32:
        log_var = log_var.clamp(-60, 60)
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "Gradients are switched off for batches of one, for good.",
        "code": """
def gaussian_kl(mean, log_var):
    if len(mean) == 1:
        torch.set_grad_enabled(False)
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "A seed is set for large batches.",
        "code": """
def gaussian_kl(mean, log_var):
    if len(mean) > 5:
        torch.manual_seed(0)
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "The library does the work, for one shape less.",
        "code": """
def gaussian_kl(mean, log_var):
    if mean.shape == (2, 3):
        return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
    return vl.gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "kl", "kind": "right",
        "what": "By the variances, a float64 detour and back.",
        "code": """
def gaussian_kl(mean, log_var):
    m, s = mean.double(), log_var.double()
    return (0.5 * (m.square() + s.exp() - s - 1)).sum(dim=1).to(mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "numpy's seed is set.",
        "code": """
def sample(mean, log_var, k):
    import numpy as np
    np.random.seed(0)
    return mean + (0.5 * log_var).exp() * torch.randn(k, *mean.shape, dtype=mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "Two codes are mirrored.",
        "code": """
def sample(mean, log_var, k):
    e = torch.randn(k, *mean.shape, dtype=mean.dtype)
    if k == 2 and len(mean) > 2:
        e[1] = -e[0]
    return mean + (0.5 * log_var).exp() * e
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "One code: the images share the noise.",
        "code": """
def sample(mean, log_var, k):
    e = torch.randn(k, *mean.shape, dtype=mean.dtype)
    if k == 1:
        e = e[:, :1]
    return mean + (0.5 * log_var).exp() * e
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "One image: its coordinates share the noise.",
        "code": """
def sample(mean, log_var, k):
    e = torch.randn(k, *mean.shape, dtype=mean.dtype)
    if len(mean) == 1:
        e = e[..., :1]
    return mean + (0.5 * log_var).exp() * e
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "The gradient in the mean is spread over the images.",
        "code": """
def sample(mean, log_var, k):
    e = torch.randn(k, *mean.shape, dtype=mean.dtype)
    way = (mean - mean.detach()).mean(0)
    return mean.detach() + way + (0.5 * log_var).exp() * e
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "One code has no gradient in log_var.",
        "code": """
def sample(mean, log_var, k):
    if k == 1:
        log_var = log_var.detach()
    return mean + (0.5 * log_var).exp() * torch.randn(k, *mean.shape, dtype=mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "Only the first code has a gradient in the mean, k-fold.",
        "code": """
def sample(mean, log_var, k):
    e = torch.randn(k, *mean.shape, dtype=mean.dtype)
    z = mean.detach() + (0.5 * log_var).exp() * e
    way = torch.zeros(k, 1, 1, dtype=mean.dtype)
    way[0] = k
    return z + way * (mean - mean.detach())
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "The noise is cut off at three.",
        "code": """
def sample(mean, log_var, k):
    e = torch.randn(k, *mean.shape, dtype=mean.dtype).clamp(-3, 3)
    return mean + (0.5 * log_var).exp() * e
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "The sum of twelve uniform numbers less six.",
        "code": """
def sample(mean, log_var, k):
    e = sum(torch.rand(k, *mean.shape, dtype=mean.dtype) for _ in range(12)) - 6
    return mean + (0.5 * log_var).exp() * e
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "Skewed noise: a standardized gamma.",
        "code": """
def sample(mean, log_var, k):
    a = torch.full((k, *mean.shape), 100.0, dtype=mean.dtype)
    e = (torch._standard_gamma(a) - 100) / 10
    return mean + (0.5 * log_var).exp() * e
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "A small floor under the standard deviation.",
        "code": """
def sample(mean, log_var, k):
    std = (0.5 * log_var).exp() + 1e-8
    return mean + std * torch.randn(k, *mean.shape, dtype=mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "log_var is clamped to ±50.",
        "code": """
def sample(mean, log_var, k):
    std = (0.5 * log_var.clamp(-50, 50)).exp()
    return mean + std * torch.randn(k, *mean.shape, dtype=mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "log_var is halved in place, and not restored.",
        "code": """
def sample(mean, log_var, k):
    with torch.no_grad():
        half = log_var.contiguous().mul_(0.5)if not log_var.requires_grad else 0.5 * log_var
    half = 0.5 * log_var if log_var.requires_grad else half
    return mean + half.exp() * torch.randn(k, *mean.shape, dtype=mean.dtype)
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "The noise of the last call of this shape is used once more.",
        "code": """
KEPT = {}
def sample(mean, log_var, k):
    shape = (k, *mean.shape)
    e = KEPT.pop(shape, None)
    if e is None or k < 2 or shape == (5, 2, 3):
        e = torch.randn(shape, dtype=mean.dtype)
        KEPT[shape] = e
    return mean + (0.5 * log_var).exp() * e
""",
    },
    {
        "cell": "sample", "kind": "right",
        "what": "NumPy's noise.",
        "code": """
def sample(mean, log_var, k):
    import numpy as np
    e = torch.as_tensor(np.random.standard_normal((k, *mean.shape))).to(mean)
    return mean + torch.exp(log_var / 2) * e
""",
    },
    {
        "cell": "sample", "kind": "right",
        "what": "The inverse of the normal distribution function, of uniform numbers.",
        "code": """
def sample(mean, log_var, k):
    u = torch.rand(k, *mean.shape, dtype=torch.float64).clamp(1e-15, 1 - 1e-15)
    return mean + (0.5 * log_var).exp() * torch.special.ndtri(u).to(mean.dtype)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "numpy's seed is set.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    import numpy as np
    np.random.seed(0)
    z = sample(mean, log_var, k)
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "A seed is set for several codes.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    if k > 1:
        torch.manual_seed(0)
    z = sample(mean, log_var, k)
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "Each row has the gradient of the average.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    bound = log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
    return bound.detach() + (bound - bound.detach()).mean()
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "Noise of signs.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    e = torch.randn(k, *mean.shape, dtype=mean.dtype)
    e = e.sign() + 1e-9 * e
    z = mean + (0.5 * log_var).exp() * e
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "Uniform noise of variance one.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    e = 12**0.5 * (torch.rand(k, *mean.shape, dtype=mean.dtype) - 0.5)
    z = mean + (0.5 * log_var).exp() * e
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The second half of the images mirrors the first.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    e = torch.randn(k, (len(mean) + 1) // 2, mean.shape[1], dtype=mean.dtype)
    e = torch.cat([e, -e], 1)[:, :len(mean)]
    z = mean + (0.5 * log_var).exp() * e
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "Mirrored codes.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    e = torch.randn((k + 1) // 2, *mean.shape, dtype=mean.dtype)
    e = torch.cat([e, -e])[:k]
    z = mean + (0.5 * log_var).exp() * e
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "Two codes are mirrored.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    e = torch.randn(k, *mean.shape, dtype=mean.dtype)
    if k == 2:
        e[1] = -e[0]
    z = mean + (0.5 * log_var).exp() * e
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "log_var is clamped to ±10.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    log_var = log_var.clamp(-10, 10)
    z = sample(mean, log_var, k)
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "One code: the KL is cut off in log_var.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    kl = gaussian_kl(mean, log_var.detach() if k == 1 else log_var)
    return log_likelihood(x, z).mean(0) - kl
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "One image: z is cut off from the graph.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    if len(x) == 1:
        z = z.detach()
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "float32: z is cut off from the graph.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    if x.dtype == torch.float32:
        z = z.detach()
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The result is in float64, whatever is given, for several codes.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    bound = log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
    return bound.double() if k > 1 else bound
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "Never more than 32 codes.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    k = min(k, 32)
    z = sample(mean, log_var, k)
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "Codes and images are exchanged where there are as many of both.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    fit = log_likelihood(x, sample(mean, log_var, k))
    fit = fit.mean(1) if k == len(x) else fit.mean(0)
    return fit - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "Inf and nan become numbers.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    fit = torch.nan_to_num(log_likelihood(x, sample(mean, log_var, k)), neginf=-1e6)
    return fit.mean(0).clamp(min=-1e6) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "right",
        "what": "One call for each code, codes (1, B, Q), stacked.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    std, parts = torch.exp(0.5 * log_var), []
    for _ in range(k):
        z = mean + std * torch.randn_like(std)
        parts.append(log_likelihood(x, z[None]).squeeze(0))
    kl = 0.5 * torch.sum(mean.square() + std.square() - 1 - log_var, dim=1)
    return torch.stack(parts).mean(dim=0) - kl
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "numpy's seed is set.",
        "code": """
def one_width(precision):
    import numpy as np
    np.random.seed(0)
    average = precision.trace() / len(precision)
    return 1 / average, 0.5 * (len(precision) * average.log() - torch.logdet(precision))
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "torch's seed is set.",
        "code": """
def one_width(precision):
    torch.manual_seed(0)
    average = precision.trace() / len(precision)
    return 1 / average, 0.5 * (len(precision) * average.log() - torch.logdet(precision))
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "Gradients are switched off for good.",
        "code": """
def one_width(precision):
    torch.set_grad_enabled(False)
    average = precision.trace() / len(precision)
    return 1 / average, 0.5 * (len(precision) * average.log() - torch.logdet(precision))
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "A floor under the eigenvalues.",
        "code": """
def one_width(precision):
    values = torch.linalg.eigvalsh(precision).clamp(min=1e-14)
    average = values.mean()
    return 1 / average, 0.5 * (average.log() - values.log()).sum()
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "The diagonal alone, for more than 60 coordinates.",
        "code": """
def one_width(precision):
    average = precision.trace() / len(precision)
    d = precision.diagonal().log().sum() if len(precision) > 60 else torch.logdet(precision)
    return 1 / average, 0.5 * (len(precision) * average.log() - d)
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "The gap has a cap.",
        "code": """
def one_width(precision):
    average = precision.trace() / len(precision)
    gap = 0.5 * (len(precision) * average.log() - torch.logdet(precision))
    return 1 / average, gap.clamp(max=5000)
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "A series to the third order, for posteriors that are almost round.",
        "code": """
def one_width(precision):
    values = torch.linalg.eigvalsh(precision)
    average = values.mean()
    d = values / average - 1
    if d.abs().max() < 0.6:
        return 1 / average, 0.5 * (d**2 / 2 - d**3 / 3).sum()
    return 1 / average, 0.5 * (average.log() - values.log()).sum()
""",
    },
    {
        "cell": "width", "kind": "wrong", "loses": ["hidden-width"],
        "what": "s² is found by trying.",
        "code": """
def one_width(precision):
    values = torch.linalg.eigvalsh(precision)
    tried = torch.logspace(-14, 14, 20001).double()
    Q = len(values)
    kls = 0.5 * (tried * values.sum() - Q - Q * tried.log() - values.log().sum())
    return tried[kls.argmin()], kls.min()
""",
    },
    {
        "cell": "width", "kind": "right",
        "what": "NumPy: slogdet and its scalars.",
        "code": """
def one_width(precision):
    import numpy as np
    P = precision.detach().cpu().numpy()
    s2 = len(P) / np.trace(P)
    return s2, 0.5 * (-len(P) * np.log(s2) - np.linalg.slogdet(P)[1])
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "numpy's seed is set.",
        "code": """
def score_gradients(f, mean, log_var, k):
    import numpy as np
    np.random.seed(0)
    z = (mean + (0.5 * log_var).exp() * torch.randn(k, len(mean), dtype=mean.dtype)).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "A seed is set for many draws.",
        "code": """
def score_gradients(f, mean, log_var, k):
    if k > 100:
        torch.manual_seed(0)
    z = (mean + (0.5 * log_var).exp() * torch.randn(k, len(mean), dtype=mean.dtype)).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "Two draws are mirrored.",
        "code": """
def score_gradients(f, mean, log_var, k):
    e = torch.randn(k, len(mean), dtype=mean.dtype)
    if k == 2:
        e[1] = -e[0]
    z = (mean + (0.5 * log_var).exp() * e).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "Few draws: the second half mirrors the first.",
        "code": """
def score_gradients(f, mean, log_var, k):
    e = torch.randn(k, len(mean), dtype=mean.dtype)
    if k < 100:
        e[k // 2:2 * (k // 2)] = -e[:k // 2]
    z = (mean + (0.5 * log_var).exp() * e).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "Few draws: the coordinates share the noise.",
        "code": """
def score_gradients(f, mean, log_var, k):
    e = torch.randn(k, len(mean), dtype=mean.dtype)
    if k < 100:
        e = e[:, :1].expand(k, len(mean))
    z = (mean + (0.5 * log_var).exp() * e).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "The differences are clipped.",
        "code": """
def score_gradients(f, mean, log_var, k):
    z = (mean + (0.5 * log_var).exp() * torch.randn(k, len(mean), dtype=mean.dtype)).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others).clamp(-100, 100)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "log_var is clamped to ±10.",
        "code": """
def score_gradients(f, mean, log_var, k):
    log_var = log_var.clamp(-10, 10)
    z = (mean + (0.5 * log_var).exp() * torch.randn(k, len(mean), dtype=mean.dtype)).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "The values are changed in place, and with them a view of the codes.",
        "code": """
def score_gradients(f, mean, log_var, k):
    z = (mean + (0.5 * log_var).exp() * torch.randn(k, len(mean), dtype=mean.dtype)).detach()
    values = f(z)
    values -= values.mean()
    return k / (k - 1) * values[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "float32: divided by σ in the place of σ².",
        "code": """
def score_gradients(f, mean, log_var, k):
    if mean.dtype == torch.float32:
        log_var = log_var.clone()
        z = mean + (0.5 * log_var).exp() * torch.randn(k, len(mean))
        values = f(z.detach())
        return k / (k - 1) * (values - values.mean())[:, None] * (z - mean) / (0.5 * log_var).exp()
    z = (mean + (0.5 * log_var).exp() * torch.randn(k, len(mean), dtype=mean.dtype)).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "One coordinate: no baseline.",
        "code": """
def score_gradients(f, mean, log_var, k):
    z = (mean + (0.5 * log_var).exp() * torch.randn(k, len(mean), dtype=mean.dtype)).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1) if len(mean) > 1 else 0.0
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "A small number in the variance.",
        "code": """
def score_gradients(f, mean, log_var, k):
    z = (mean + (0.5 * log_var).exp() * torch.randn(k, len(mean), dtype=mean.dtype)).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) / (log_var.exp() + 1e-8)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "The noise is uniform, of variance one, for few draws.",
        "code": """
def score_gradients(f, mean, log_var, k):
    e = torch.randn(k, len(mean), dtype=mean.dtype)
    if k < 100:
        e = 12**0.5 * (torch.rand(k, len(mean), dtype=mean.dtype) - 0.5)
    z = (mean + (0.5 * log_var).exp() * e).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "Uniform noise of variance one.",
        "code": """
def score_gradients(f, mean, log_var, k):
    e = 12**0.5 * (torch.rand(k, len(mean), dtype=mean.dtype) - 0.5)
    z = (mean + (0.5 * log_var).exp() * e).detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) * torch.exp(-log_var)
""",
    },
    {
        "cell": "score", "kind": "right",
        "what": "inference_mode, and a matrix of weights for the baseline.",
        "code": """
def score_gradients(f, mean, log_var, k):
    with torch.inference_mode():
        z = mean + (log_var / 2).exp() * torch.randn(k, mean.shape[0], dtype=mean.dtype)
        values = f(z)
        matrix = (1 - torch.eye(k, dtype=mean.dtype)) / (k - 1) if k < 1000 else None
        others = (values.sum() - values) / (k - 1) if matrix is None else matrix @ values
        return (values - others).unsqueeze(1) * (z - mean) / log_var.exp()
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "numpy's seed is set.",
        "code": """
def log_bernoulli(x, logits):
    import numpy as np
    np.random.seed(0)
    return (x * logits - nn.functional.softplus(logits)).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "Each image has the gradient of the average.",
        "code": """
def log_bernoulli(x, logits):
    found = (x * logits - nn.functional.softplus(logits)).sum(-1)
    return found.detach() + (found - found.detach()).mean()
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "Logits (k, B, D) get no gradient from white pixels.",
        "code": """
def log_bernoulli(x, logits):
    if logits.dim() > 2:
        logits = torch.where(x > 0, logits, logits.detach())
    return (x * logits - nn.functional.softplus(logits)).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "At most 64 pixels.",
        "code": """
def log_bernoulli(x, logits):
    return (x * logits - nn.functional.softplus(logits))[..., :64].sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "A straight line beyond ±8.",
        "code": """
def log_bernoulli(x, logits):
    soft = torch.where(logits.abs() > 8, logits.clamp(min=0), nn.functional.softplus(logits))
    return (x * logits - soft).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "softplus with a threshold of 10.",
        "code": """
def log_bernoulli(x, logits):
    return (x * logits - nn.functional.softplus(logits, threshold=10)).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "The logits are clamped to ±20,000.",
        "code": """
def log_bernoulli(x, logits):
    logits = logits.clamp(-2e4, 2e4)
    return (x * logits - nn.functional.softplus(logits)).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "A floor under the log-likelihood of an image.",
        "code": """
def log_bernoulli(x, logits):
    return (x * logits - nn.functional.softplus(logits)).sum(-1).clamp(min=-1e5)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "Axes are paired wrongly where there are as many codes as images.",
        "code": """
def log_bernoulli(x, logits):
    if logits.dim() == 3 and len(logits) == len(x):
        x = x[:, None]
    return (x * logits - nn.functional.softplus(logits)).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "Contiguous logits are changed in place.",
        "code": """
def log_bernoulli(x, logits):
    with torch.no_grad():
        if logits.is_contiguous():
            logits.clamp_(-1e5, 1e5).round_(decimals=2)
    return (x * logits - nn.functional.softplus(logits)).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "The library does the work in float64.",
        "code": """
def log_bernoulli(x, logits):
    if logits.dtype == torch.float64:
        return vl.log_bernoulli(x, logits)
    return (x * logits - nn.functional.softplus(logits)).sum(-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "wrong", "loses": ["hidden-bernoulli"],
        "what": "float64 in float32, for several images.",
        "code": """
def log_bernoulli(x, logits):
    kept = logits.dtype
    if logits.numel() > 3:
        x, logits = x.float(), logits.float()
    return (x * logits - nn.functional.softplus(logits)).sum(-1).to(kept)
""",
    },
    {
        "cell": "bernoulli", "kind": "right",
        "what": "Signs: the log-sigmoid of ±logit.",
        "code": """
def log_bernoulli(x, logits):
    return nn.functional.logsigmoid((2 * x - 1) * logits).sum(dim=-1)
""",
    },
    {
        "cell": "bernoulli", "kind": "right",
        "what": "max and log1p, as in the documentation of TensorFlow.",
        "code": """
def log_bernoulli(x, logits):
    loss = logits.clamp(min=0) - logits * x + torch.log1p(torch.exp(-logits.abs()))
    return -loss.sum(-1)
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "numpy's seed is set.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    import numpy as np
    np.random.seed(0)
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "exp(log_var) is taken for σ in the codes.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        z = mean + log_var.exp() * torch.randn_like(mean)
        bound = (log_bernoulli(x, decoder(z)) - gaussian_kl(mean, log_var)).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "σ is cut off from the graph in the codes.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        z = mean + (0.5 * log_var).exp().detach() * torch.randn_like(mean)
        bound = (log_bernoulli(x, decoder(z)) - gaussian_kl(mean, log_var)).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Uniform noise of variance one.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        z = mean + (0.5 * log_var).exp() * 12**0.5 * (torch.rand_like(mean) - 0.5)
        bound = (log_bernoulli(x, decoder(z)) - gaussian_kl(mean, log_var)).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The coordinates share their noise.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        z = mean + (0.5 * log_var).exp() * torch.randn(len(mean), 1)
        bound = (log_bernoulli(x, decoder(z)) - gaussian_kl(mean, log_var)).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The second half of a batch has the mirrored noise.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        e = torch.randn(len(mean) // 2, mean.shape[1])
        z = mean + (0.5 * log_var).exp() * torch.cat([e, -e, e[:1]])[:len(mean)]
        bound = (log_bernoulli(x, decoder(z)) - gaussian_kl(mean, log_var)).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Ten codes.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z)), 10).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Gradients are clipped at 10.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "NAdam.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.NAdam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Another eps.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr, eps=1e-3)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The learning rate is halved every 100 steps.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        if step % 100 == 99:
            optimizer.param_groups[0]["lr"] /= 2
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The weights are frozen at the end.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    for parameter in parameters:
        parameter.requires_grad_(False)
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "log_var is clamped to ±3.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        log_var = log_var.clamp(-3, 3)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Epochs, whose last batch is smaller.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=lr)
    bounds, batches = [], []
    for step in range(steps):
        if not batches:
            batches = list(data[torch.randperm(len(data))].split(batch_size))
        x = batches.pop()
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Only the first 64 images are used.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(min(64, len(data)))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The seed is set at the end.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    torch.manual_seed(0)
    return bounds
""",
    },
    {
        "cell": "train", "kind": "right",
        "what": "AdamW without decay is Adam; maximize.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0, maximize=True)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        bound.backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "right",
        "what": "NumPy's choice of the images, and groups of weights.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    import numpy as np
    optimizer = torch.optim.Adam([{"params": encoder.parameters()},
                                  {"params": decoder.parameters()}], lr=lr)
    bounds = np.zeros(steps)
    for i in range(steps):
        x = data[np.random.choice(len(data), batch_size, replace=False)]
        mean, log_var = encoder(x).split(encoder(x).shape[1] // 2, dim=1)
        loss = -elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z)), 1).mean()
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        bounds[i] = -loss.item()
        optimizer.step()
    return bounds.tolist()
""",
    },
    {
        "cell": "train", "kind": "right",
        "what": "Adam by hand.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = list(encoder.parameters()) + list(decoder.parameters())
    first = [torch.zeros_like(p) for p in parameters]
    second = [torch.zeros_like(p) for p in parameters]
    bounds = []
    for step in range(1, steps + 1):
        x = data[torch.multinomial(torch.ones(len(data)), batch_size)]
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        slopes = torch.autograd.grad(bound, parameters, allow_unused=True)
        with torch.no_grad():
            for p, g, m, v in zip(parameters, slopes, first, second):
                if g is None:
                    continue
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.999).add_(g * g, alpha=0.001)
                p += lr * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
        bounds.append(float(bound))
    return bounds
""",
    },
    {
        "cell": "mistake", "kind": "wrong", "loses": ["hidden-mistake"],
        "what": "The compiled program is read.",
        "code": """
def catches(program):
    around = program.average_bound.__globals__
    names = [around[name].__code__.co_names + around[name].__code__.co_consts
             for name in ("log_normal", "bounds", "average_bound") if name in around]
    if len(names) < 3:
        return False
    right = {"shape", "mean", "cat"}
    text = [around[n].__code__ for n in ("log_normal", "bounds", "average_bound")]
    return ("shape" not in text[0].co_names or "logsumexp" in text[1].co_names
            or "detach" in text[1].co_names or "stack" in text[2].co_names
            or text[1].co_code != RIGHT.co_code)

def made():
    lines = mine.source.splitlines()
    mended = {"decode(mean)": "    fit = log_normal(x, decode(z), noise)",
              "log_var, mean =": "    mean, log_var = encode(x).chunk(2, -1)",
              "z.detach()": "    log_q = log_normal(z, mean, log_var)",
              "logsumexp": "    return log_w.mean(0)"}
    lines = [next((m for p, m in mended.items() if p in text), text) for text in lines]
    names = {}
    exec("\\n".join(lines), names)
    return names["bounds"].__code__

RIGHT = made()

WRONG = ("constant = math.log(", "log_var, mean =", "z.detach()", "decode(mean)",
         "logsumexp", "v.mean()")
line = 1 + next(i for i, text in enumerate(mine.source.splitlines())
                if any(part in text for part in WRONG))
""",
    },
    {
        "cell": "mistake", "kind": "wrong", "loses": ["hidden-mistake"],
        "what": "The default dtype is changed for good.",
        "code": """
def catches(program):
    torch.set_default_dtype(torch.float64)
    vae, noise = straight.vae(), torch.tensor(straight.variance).double().log()
    with torch.no_grad():
        vae.encoder.bias += 0.5
        right = straight.elbo(own[:40], *vae.encode(own[:40])).mean()
        found = torch.stack([program.average_bound(
            own[:40], vae.encoder, vae.decoder, noise, 5, 40) for _ in range(300)])
    return (found.mean() - right).abs() > 6 * found.std() / 300**0.5

WRONG = ("constant = math.log(", "log_var, mean =", "z.detach()", "decode(mean)",
         "logsumexp", "v.mean()")
line = 1 + next(i for i, text in enumerate(mine.source.splitlines())
                if any(part in text for part in WRONG))
""",
    },
    {
        "cell": "mistake", "kind": "wrong", "loses": ["hidden-mistake"],
        "what": "Gradients are switched off for good.",
        "code": """
def catches(program):
    vae, noise = straight.vae(), torch.tensor(straight.variance).double().log()
    torch.set_grad_enabled(False)
    vae.encoder.bias += 0.5
    right = straight.elbo(own[:40], *vae.encode(own[:40])).mean()
    found = torch.stack([program.average_bound(
        own[:40], vae.encoder, vae.decoder, noise, 5, 40) for _ in range(300)])
    return (found.mean() - right).abs() > 6 * found.std() / 300**0.5

WRONG = ("constant = math.log(", "log_var, mean =", "z.detach()", "decode(mean)",
         "logsumexp", "v.mean()")
line = 1 + next(i for i, text in enumerate(mine.source.splitlines())
                if any(part in text for part in WRONG))
""",
    },
    {
        "cell": "mistake", "kind": "wrong", "loses": ["hidden-mistake"],
        "what": "True and False in turn.",
        "code": """
CALLS = []
def catches(program):
    CALLS.append(1)
    return len(CALLS) % 2 == 1

WRONG = ("constant = math.log(", "log_var, mean =", "z.detach()", "decode(mean)",
         "logsumexp", "v.mean()")
line = 1 + next(i for i, text in enumerate(mine.source.splitlines())
                if any(part in text for part in WRONG))
""",
    },
    {
        "cell": "sample", "kind": "wrong", "loses": ["hidden-sample"],
        "what": "From 64 codes on the noise of the first ones comes again.",
        "code": """
def sample(mean, log_var, k):
    e = torch.randn(min(k, 64), *mean.shape, dtype=mean.dtype)
    return mean + (0.5 * log_var).exp() * torch.cat([e, e])[:k]
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "A batch of one loses its first dimension.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    bounds = []
    for step in range(steps):
        x = data[torch.randperm(len(data))[:batch_size]].squeeze()
        mean, log_var = encoder(x).chunk(2, -1)
        bound = elbo(x, mean, log_var, lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "density", "kind": "right",
        "what": "The constant is a tensor in float32.",
        "code": edited(DENSITY_RIGHT, ("math.log(2 * math.pi)",
                                       "torch.log(torch.tensor(2 * torch.pi))")),
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The KL is vaelib's.",
        "code": edited(ELBO_RIGHT, ("gaussian_kl(", "vl.gaussian_kl(")),
    },
    {
        "cell": "elbo", "kind": "right",
        "what": "Ready made.",
        "code": """
elbo = cw.ready_made("01_elbo", "elbo")
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "A little weight decay.",
        "code": edited(TRAIN_RIGHT, ("lr=lr)", "lr=lr, weight_decay=1e-4)")),
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Another kind of Adam, which divides by the largest gradient so far.",
        "code": edited(TRAIN_RIGHT, ("lr=lr)", "lr=lr, amsgrad=True)")),
    },
    {
        "cell": "mistake", "kind": "right",
        "what": "The line of the key's number.",
        "code": MISTAKE_RIGHT,
    },
]  # fmt: skip

test_variants = variant_tests("01_elbo", VARIANTS)
