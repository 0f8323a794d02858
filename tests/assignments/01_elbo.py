"""Other answers to assignment 1: common mistakes, and right answers written differently."""

from harness import edited

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
]  # fmt: skip
