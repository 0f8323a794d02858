"""Other answers to assignment 1: common mistakes, and right answers written differently."""

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
        "code": """
def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2 / log_var.exp()
    return (-0.5 * (squares + log_var + math.log(2 * math.pi))).mean(-1)
""",
    },
    {
        "cell": "density", "kind": "wrong", "loses": ["test-density"],
        "what": "One log 2π for the whole vector.",
        "code": """
def log_normal(z, mean, log_var):
    squares = (z - mean) ** 2 / log_var.exp()
    return -0.5 * (squares + log_var).sum(-1) - 0.5 * math.log(2 * math.pi)
""",
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
        "code": """
def log_normal(z, mean, log_var):
    var = log_var.exp() + 1e-8
    return -0.5 * ((z - mean) ** 2 / var + var.log() + math.log(2 * math.pi)).sum(-1)
""",
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
        "code": """
def gaussian_kl(mean, log_var):
    log_var = log_var.clamp(-10, 10)
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["hidden-kl"],
        "what": "The squares are taken in place.",
        "code": """
def gaussian_kl(mean, log_var):
    return 0.5 * (mean.pow_(2) + log_var.exp() - 1 - log_var).sum(-1)
""",
    },
    {
        "cell": "kl", "kind": "wrong", "loses": ["test-kl"],
        "what": "log σ in the place of log σ².",
        "code": """
def gaussian_kl(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1).sum(-1) - 0.5 * (0.5 * log_var).sum(-1)
""",
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
        "code": """
def sample(mean, log_var, k):
    noise = torch.randn(k, 1, mean.shape[-1], dtype=mean.dtype)
    return mean + (0.5 * log_var).exp() * noise
""",
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
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = mean.expand(k, *mean.shape)
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["test-elbo", "hidden-elbo"],
        "what": "The KL is averaged over the coordinates.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var) / mean.shape[-1]
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["test-elbo"],
        "what": "The reconstruction is summed over the messages.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    return log_likelihood(x, z).sum(0) - gaussian_kl(mean, log_var)
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["test-elbo"],
        "what": "Averaged over the images too early.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    return log_likelihood(x, z).mean() - gaussian_kl(mean, log_var).mean()
""",
    },
    {
        "cell": "elbo", "kind": "wrong", "loses": ["hidden-elbo"],
        "what": "The logarithm of an average in the place of the average of logarithms.",
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    z = sample(mean, log_var, k)
    average = torch.logsumexp(log_likelihood(x, z), 0) - math.log(k)
    return average - gaussian_kl(mean, log_var)
""",
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
        "code": """
def elbo(x, mean, log_var, log_likelihood, k=1):
    with torch.no_grad():
        z = sample(mean, log_var, k)
    return log_likelihood(x, z).mean(0) - gaussian_kl(mean, log_var)
""",
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
        "code": """
def score_gradients(f, mean, log_var, k):
    z = sample(mean[None], log_var[None], k)[:, 0].detach()
    values = f(z)
    return (values - values.mean())[:, None] * (z - mean) / log_var.exp()
""",
    },
    {
        "cell": "score", "kind": "wrong", "loses": ["hidden-score"],
        "what": "The score is divided by σ, not by σ².",
        "code": """
def score_gradients(f, mean, log_var, k):
    z = sample(mean[None], log_var[None], k)[:, 0].detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return (values - others)[:, None] * (z - mean) / (0.5 * log_var).exp()
""",
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
        "code": """
def score_gradients(f, mean, log_var, k):
    z = sample(mean[None], log_var[None], k)[:, 0].detach()
    values = f(z)
    others = (values.sum() - values) / (k - 1)
    return ((values - others)[:, None] * (z - mean) / log_var.exp()).mean(0)
""",
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
        "code": """
def log_bernoulli(x, logits):
    x, logits = torch.broadcast_tensors(x, logits)
    loss = nn.functional.binary_cross_entropy_with_logits
    return loss(logits, x, reduction="none").sum(-1)
""",
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
        "code": """
def log_bernoulli(x, logits):
    x, logits = torch.broadcast_tensors(x, logits)
    loss = nn.functional.binary_cross_entropy_with_logits
    return -loss(logits, x, reduction="none").sum(-1)
""",
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
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=lr)
    bounds = []
    for _ in range(steps):
        x = data[torch.randint(len(data), (batch_size,))]
        bound = elbo(x, *encoder(x).chunk(2, -1),
                     lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        bound.backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "Gradients pile up: no zero_grad.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=lr)
    bounds = []
    for _ in range(steps):
        x = data[torch.randint(len(data), (batch_size,))]
        bound = elbo(x, *encoder(x).chunk(2, -1),
                     lambda x, z: log_bernoulli(x, decoder(z))).mean()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["hidden-train"],
        "what": "The same batch in every step.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=lr)
    bounds, x = [], data[torch.randperm(len(data))[:batch_size]]
    for _ in range(steps):
        bound = elbo(x, *encoder(x).chunk(2, -1),
                     lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train", "hidden-train"],
        "what": "Once through the data and no further, in their order.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=lr)
    bounds = []
    for x in data.split(batch_size)[:steps]:
        bound = elbo(x, *encoder(x).chunk(2, -1),
                     lambda x, z: log_bernoulli(x, decoder(z))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train"],
        "what": "The optimizer knows only Bob.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    optimizer = torch.optim.Adam(decoder.parameters(), lr=lr)
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
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train"],
        "what": "Bob's input is cut off from Alice.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=lr)
    bounds = []
    for _ in range(steps):
        x = data[torch.randint(len(data), (batch_size,))]
        bound = elbo(x, *encoder(x).chunk(2, -1),
                     lambda x, z: log_bernoulli(x, decoder(z.detach()))).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
        bounds.append(bound.item())
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train"],
        "what": "The list keeps tensors, and with them every step's graph.",
        "code": """
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
        bounds.append(bound)
    return bounds
""",
    },
    {
        "cell": "train", "kind": "wrong", "loses": ["test-train"],
        "what": "The loss is recorded, and summed over the batch.",
        "code": """
def train(encoder, decoder, data, steps, batch_size, lr):
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=lr)
    losses = []
    for _ in range(steps):
        x = data[torch.randint(len(data), (batch_size,))]
        loss = -elbo(x, *encoder(x).chunk(2, -1),
                     lambda x, z: log_bernoulli(x, decoder(z))).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
""",
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
]  # fmt: skip
