"""The adversarial game: its optimum, gradients, priors without density, classes, Parzen windows."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from trust import within

import vaelib as vl
from vaelib import oracles

X = (torch.rand(24, 8, generator=torch.Generator().manual_seed(3)) < 0.4).float()
LABELS = torch.arange(24) % 3


def build(
    seed=0,
    q=2,
    prior=vl.standard_normal,
    extra=0,
    kind=vl.ImplicitVAE,
    encoder_out=None,
    decoder_in=None,
):
    torch.manual_seed(seed)
    model = kind(vl.mlp(8, 16, encoder_out or q), vl.mlp(decoder_in or q, 16, 8), q, prior=prior)
    model.discriminator = vl.mlp(q + extra, 16, 1)
    return model


class Shifted(nn.Module):
    """An "encoder" whose codes are N(m, 1) whatever the image."""

    def __init__(self, m):
        super().__init__()
        self.m = m

    def forward(self, x):
        return self.m + x


@pytest.mark.parametrize(("m", "known"), [(0.5, 0.03031), (1.0, 0.11142), (2.0, 0.33683)])
def test_at_the_optimum_the_game_is_worth_the_jensen_shannon_divergence(m, known):
    """For p = N(0, 1), q = N(m, 1) the best logit is m²/2 - m z, and the value 2 JS - 2 ln 2."""
    assert oracles.two_gaussian_information(m / 2) == pytest.approx(known, abs=1e-5)
    torch.manual_seed(0)
    x = torch.randn(20_000, 1)

    def make(seed):
        model = vl.ImplicitVAE(Shifted(m), vl.mlp(1, 1), 1, "gaussian")
        model.discriminator = vl.mlp(1, 1)
        return model

    player = vl.Player(
        lambda model: model.discriminator.parameters(),
        vl.aae_discriminator,
        vl.cosine(0.05, 600, 1e-5),
    )
    run = vl.fit(make, [player], x, steps=600, batch_size=4000)
    fresh = torch.randn(400_000, 1)
    value = vl.aae_discriminator(run.model, fresh)["objective"]
    js = (value.detach() + 2 * math.log(2)) / 2
    assert within(js, known, k=3)
    weight = run.model.discriminator[0].weight.item()
    assert weight == pytest.approx(-m, abs=0.1)


def test_no_gradient_leaks_between_the_turns():
    model = build()
    vl.aae_discriminator(model, X)["objective"].sum().backward()
    assert all(p.grad is None for p in [*model.encoder.parameters(), *model.decoder.parameters()])
    before = {n: p.detach().clone() for n, p in build().named_parameters()}
    players = vl.aae_players()
    for only, moved in zip(
        range(3), (("encoder", "decoder"), ("discriminator",), ("encoder",)), strict=True
    ):
        run = vl.fit(lambda seed: build(), [players[only]], X, steps=1, batch_size=8)
        for name, p in run.model.named_parameters():
            assert torch.equal(p, before[name]) == (not name.startswith(moved)), (only, name)


def test_the_game_brings_the_codes_to_the_prior():
    def make(seed):
        torch.manual_seed(seed)
        model = vl.ImplicitVAE(
            vl.mlp(2, 32, 2, activation=nn.ReLU), vl.mlp(2, 32, 2), 2, "gaussian", scale=0.3
        )
        model.discriminator = vl.mlp(2, 32, 32, 1, activation=nn.ReLU)
        return model

    torch.manual_seed(0)
    x = 2 * torch.randn(2000, 2) + torch.tensor([3.0, -1.0])
    run = vl.fit(make, vl.aae_players(1e-3, 3e-3, betas=(0.5, 0.9)), x, steps=600, batch_size=100)
    prior = torch.randn(2000, 2)
    kernel = lambda a, b: vl.gaussian_kernel(a, b, 1.0)  # noqa: E731
    before, after = (vl.mmd(m.draw(x, 1)[0][0], prior, kernel).item() for m in (make(0), run.model))
    assert after < before / 8 and after < 0.04


def test_implicit_encoders_draw_and_have_no_density():
    point = build()
    z, q = point.draw(X, 3)
    assert z.shape == (3, 24, 2) and q is None and torch.equal(z[0], z[1])
    noisy = vl.ImplicitVAE(vl.mlp(8 + 4, 16, 2), vl.mlp(2, 16, 8), 2, noise_dim=4)
    z, _ = noisy.draw(X, 3)
    assert z.shape == (3, 24, 2) and not torch.equal(z[0], z[1])
    with pytest.raises(
        ValueError, match="ImplicitVAE: this encoder has no mean and log_var; use draw"
    ):
        noisy.encode(X)
    torch.manual_seed(0)
    terms = vl.mmd_vae(noisy, X, 10.0, lambda a, b: vl.gaussian_kernel(a, b, 1.0))
    assert terms["objective"].shape == (24,)  # what needs no density works


def test_priors_of_the_plane():
    torch.manual_seed(0)
    wheel, roll = vl.pinwheel()(), vl.swiss_roll()()
    edges = torch.linspace(-5, 5, 801)
    grid = torch.cartesian_prod(edges, edges)
    assert wheel.log_prob(grid).exp().sum().item() * 0.0125**2 == pytest.approx(1, abs=1e-3)
    z = wheel.rsample((200_000,))
    assert z.shape == (200_000, 2) and within(z[:, 0], 0) and within(z[:, 1], 0)
    assert within((z**2).sum(1), 2.0**2 + 0.5**2 + 0.15**2)
    assert within(
        wheel.log_prob(z),
        (wheel.log_prob(grid) * wheel.log_prob(grid).exp()).sum().item() * 0.0125**2,
        5,
    )
    for k in range(10):  # each blade has its own angle
        blade = wheel.of_class(torch.full((500,), k)).mean(0)
        assert torch.allclose(
            blade,
            2 * torch.tensor([math.cos(k * math.pi / 5), math.sin(k * math.pi / 5)]),
            atol=0.1,
        )
    anywhere = wheel.of_class(torch.full((20_000,), 10))
    assert anywhere.mean(0).abs().max() < 0.05
    inner, outer = (roll.of_class(torch.full((2000,), k)).norm(dim=1) for k in (0, 9))
    assert inner.max() < 1.5 < 2.3 < outer.min() and roll.rsample((7,)).shape == (7, 2)
    wide = vl.normal(5.0)(3)().rsample((100_000,))
    assert within(wide[:, 0] ** 2, 25)
    with pytest.raises(ValueError, match="pinwheel: latent_dim must be 2, .* got 3"):
        build(q=3, prior=vl.pinwheel)
    with pytest.raises(ValueError, match="normal: scale must be a positive finite number, got 0"):
        vl.normal(0)


def test_labels_for_the_discriminator_and_for_the_decoder():
    model = build(prior=vl.pinwheel, extra=11)
    batch = {"x": (X, torch.cat([LABELS[:20], torch.full((4,), 10)]))}
    for objective in (vl.aae_discriminator, vl.aae_encoder, vl.aae_reconstruction):
        assert objective(model, batch)["objective"].shape == (24,)
    styled = build(decoder_in=2 + 10)
    assert vl.style_reconstruction(styled, {"x": (X, LABELS)})["objective"].shape == (24,)
    # Without inputs for labels, the discriminator does not read them.
    for objective in (vl.aae_discriminator, vl.aae_encoder):
        torch.manual_seed(0)
        unread = objective(styled, {"x": (X, LABELS)})["objective"]
        torch.manual_seed(0)
        assert torch.equal(unread, objective(styled, X)["objective"])


def classes_model(seed=0, heads=False, k=3):
    torch.manual_seed(seed)
    decoder = vl.mlp(2 if heads else k + 2, 16, 8)
    return vl.ClassAAE(
        vl.mlp(8, 16, k + 2),
        decoder,
        k,
        2,
        vl.mlp(2, 16, 1),
        vl.mlp(k, 16, 1),
        heads=heads,
        noise=0.1,
    )


def test_the_turns_of_the_semi_supervised_model_move_what_they_should():
    data = {"x": X, "labelled": (X[:12], LABELS[:12])}
    players = vl.class_players()
    before = {n: p.detach().clone() for n, p in classes_model().named_parameters()}
    moves = (
        ("encoder", "decoder"),
        ("discriminator", "class_discriminator"),
        ("encoder",),
        ("encoder",),
    )
    for player, moved in zip(players, moves, strict=True):
        run = vl.fit(lambda seed: classes_model(), [player], data, steps=1, batch_size=6)
        changed = {
            n.split(".")[0]
            for n, p in run.model.named_parameters()
            if not torch.equal(p, before[n])
        }
        assert changed == set(moved)
    run = vl.fit(classes_model, players, data, steps=3, batch_size=6, seeds=(0, 1))
    assert run.broken == [None, None] and {"style/1", "accuracy/3"} <= set(run.history)
    run = vl.fit(
        lambda s: classes_model(s, heads=True),
        vl.class_players(supervised=False),
        X,
        steps=3,
        batch_size=6,
        seeds=(0, 1),
    )
    assert run.broken == [None, None] and "overlap" in run.history


def test_the_encoder_climbs_the_log_probability_of_the_prior():
    """The non-saturating form, for codes alone and with classes."""
    model = build()
    logit = model.discriminator(model.encoder(X))[:, 0]
    found = vl.adversarial.aae_encoder(model, X)["objective"]
    assert torch.allclose(found, -torch.log1p(torch.exp(-logit)), atol=1e-6)
    model = classes_model().eval()
    y, z = model.encode(X)
    logits = model.discriminator(z)[:, 0], model.class_discriminator(y.softmax(-1))[:, 0]
    found = vl.adversarial.class_encoder(model, X)["objective"]
    assert torch.allclose(found, sum(-torch.log1p(torch.exp(-t)) for t in logits), atol=1e-6)


def test_the_categorical_prior_draws_every_class_equally_often():
    model, x = classes_model().eval(), X.repeat(500, 1)
    weights = torch.tensor([[-2.0, 0.0, 3.0]])
    model.class_discriminator = nn.Linear(3, 1, bias=False)
    model.class_discriminator.weight.data = weights
    torch.manual_seed(0)
    found = vl.adversarial.class_discriminators(model, x)["class"].detach()
    with torch.no_grad():
        codes = model.encode(x)[0].softmax(-1)
        on_codes = nn.functional.logsigmoid(-codes @ weights[0]).mean().item()
    assert within(found, nn.functional.logsigmoid(weights).mean().item() + on_codes)


@pytest.mark.parametrize("heads", [False, True])
def test_the_objectives_with_classes_are_their_equations(heads):
    """Each term written out, image by image, for a batch and for pairs of images and labels."""
    model = classes_model(heads=heads).eval()
    with torch.no_grad():
        out = model.encoder(X)
        share = out[:, :3].exp() / out[:, :3].exp().sum(1, keepdim=True)
        style = out[:, 3:]
        code = share @ model.heads + style if heads else torch.cat([share, style], 1)
        drawn = torch.sigmoid(model.decoder(code))
        log_p = torch.where(X == 1, drawn, 1 - drawn).log().sum(1)
        log_d = lambda net, z: -torch.log1p((-net(z)).exp())[:, 0]  # noqa: E731
        log_not = lambda net, z: -torch.log1p(net(z).exp())[:, 0]  # noqa: E731

        for batch in (X, {"x": (X, LABELS)}):
            terms = vl.adversarial.class_reconstruction(model, batch)
            assert torch.allclose(terms["reconstruction"], log_p, atol=1e-5)
            overlap = model.overlap() if heads else 0.0
            assert torch.allclose(terms["objective"], log_p - overlap, atol=1e-5)
            assert ("overlap" in terms) == heads

        torch.manual_seed(1)
        terms = vl.adversarial.class_discriminators(model, X)
        torch.manual_seed(1)
        classes, normal = torch.randint(3, (24,)), torch.randn(24, 2)
        truth = torch.eye(3)[classes]
        nets = model.discriminator, model.class_discriminator
        on_style = log_d(nets[0], normal) + log_not(nets[0], style)
        on_class = log_d(nets[1], truth) + log_not(nets[1], share)
        assert torch.allclose(terms["style"], on_style, atol=1e-5)
        assert torch.allclose(terms["class"], on_class, atol=1e-5)
        assert torch.allclose(terms["objective"], on_style + on_class, atol=1e-5)

        labelled = vl.adversarial.classification(model, {"labelled": (X, LABELS)})
        assert torch.allclose(labelled["objective"], share[range(24), LABELS].log(), atol=1e-5)
        right = [float(s.argmax() == label) for s, label in zip(share, LABELS, strict=True)]
        assert labelled["accuracy"].tolist() == right and 0 < sum(right) < 24

        codes, none = model.draw(X, 5)
        assert none is None and torch.allclose(codes, code.expand(5, *code.shape), atol=1e-6)


def test_the_input_of_the_encoder_is_noisy_only_while_training():
    model = classes_model()
    model.encoder, x, n = nn.Identity(), torch.full((20_000, 5), 0.5), 20_000
    assert torch.equal(torch.cat(model.eval().encode(x), 1), x)
    torch.manual_seed(0)
    noisy = torch.cat(model.train().encode(x), 1)
    assert noisy.std().item() == pytest.approx(0.1, abs=5 * 0.1 / math.sqrt(2 * 5 * n))
    plain = vl.ClassAAE(nn.Identity(), vl.mlp(5, 8), 3, 2, vl.mlp(2, 1), vl.mlp(3, 1)).train()
    assert torch.equal(torch.cat(plain.encode(x), 1), x)  # without noise by default


def test_heads_begin_as_far_apart_as_their_distance():
    torch.manual_seed(0)
    nets = vl.mlp(8, 502), vl.mlp(2, 8), 500, 2, vl.mlp(2, 1), vl.mlp(500, 1)
    heads = vl.ClassAAE(*nets, heads=True, distance=3.0).heads
    assert heads.std().item() == pytest.approx(3.0, abs=5 * 3 / math.sqrt(2 * 1000))
    assert heads.abs().max() < 5 * 3.0
    model = vl.ClassAAE(*nets)
    assert model.heads is None and model.head_parameters() == []
    assert vl.ClassAAE(*nets, likelihood="gaussian", scale=0.5).likelihood_net.scale == 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_and_densities_keep_the_dtype(dtype):
    for make in (vl.logistic(0.7), vl.pinwheel, vl.swiss_roll, vl.standard_normal):
        prior = make(2).to(dtype)()
        z = vl.priors.sample(prior, 7)
        assert z.dtype == dtype
        if make is not vl.swiss_roll:
            assert prior.log_prob(z).dtype == dtype
    labels = torch.arange(10)
    for make in (vl.pinwheel, vl.swiss_roll):
        assert make(2).to(dtype)().of_class(labels).dtype == dtype


def test_the_logistic_distribution_around_another_centre():
    """Against torch's logistic, a sigmoid turned round and scaled."""
    d = torch.distributions
    loc, scale = torch.tensor([1.5, -0.5], dtype=torch.float64), 0.7
    turned = [d.SigmoidTransform().inv, d.AffineTransform(loc, scale)]
    uniform = d.Uniform(torch.zeros(2).double(), torch.ones(2).double())
    known, ours = d.TransformedDistribution(uniform, turned), vl.priors.Logistic(loc, scale)
    z = torch.linspace(-6, 8, 40, dtype=torch.float64)[:, None].expand(40, 2)
    assert torch.allclose(ours.log_prob(z), known.log_prob(z))
    torch.manual_seed(0)
    assert within(ours.rsample((20_000,)) - loc, 0.0)


def test_a_uniform_draw_of_zero_is_a_finite_code(monkeypatch):
    """torch.rand can return 0, of which the logit is not finite; nothing else is cut off."""
    from torch import finfo

    loc = torch.zeros(2, dtype=torch.float64)
    for u in (0.0, finfo(torch.float64).eps, 0.25):
        monkeypatch.setattr(torch, "rand", lambda *_, u=u, **__: torch.full((2,), u).double())
        z = vl.priors.Logistic(loc, 1.0).rsample()
        assert torch.isfinite(z).all()
        if u:
            assert z[0].item() == pytest.approx(math.log(u / (1 - u)))


def test_a_double_draw_has_the_resolution_of_a_double():
    loc = torch.zeros(100, dtype=torch.float64)
    z = vl.priors.Logistic(loc, 1.0).rsample()
    assert not torch.equal(z, z.float().double())


def test_the_density_of_the_pinwheel_in_double_precision():
    """The average of ten Gaussians, each turned by a tenth of a circle."""
    z = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    known = 0.0
    for part in range(10):
        a = torch.tensor(2 * math.pi * part / 10, dtype=torch.float64)
        turn = torch.stack([torch.stack([a.cos(), -a.sin()]), torch.stack([a.sin(), a.cos()])])
        widths = torch.diag(torch.tensor([0.5**2, 0.15**2], dtype=torch.float64))
        blade = torch.distributions.MultivariateNormal(2.0 * turn[:, 0], turn @ widths @ turn.T)
        known = known + blade.log_prob(z).exp() / 10
    assert torch.allclose(vl.pinwheel().double()().log_prob(z).exp(), known, rtol=1e-10, atol=0)


def test_priors_of_the_plane_draw_tables_of_codes():
    for make in (vl.pinwheel, vl.swiss_roll):
        assert make()().rsample((4, 3)).shape == (4, 3, 2)


def test_the_swiss_roll_turns_once_and_a_half():
    """A point at the share s of the radius stands at the angle 3 pi s, up to the noise."""
    torch.manual_seed(0)
    z = vl.swiss_roll()().rsample((4000,))
    radius = z.norm(dim=1)
    z, radius = z[radius > 1], radius[radius > 1]
    angle = 3 * math.pi * radius / 3.0
    off = torch.atan2(z[:, 1], z[:, 0]) - angle
    off = torch.remainder(off + math.pi, 2 * math.pi) - math.pi
    # Noise of .1 across turns the angle by .1/r, and moves its expected value by .1 * pi.
    assert off.abs().max() < 5 * (0.1 + 0.1 * math.pi) and abs(off.mean().item()) < 0.03


def test_the_swiss_roll_is_uniform_along_its_length():
    """The length from the centre grows with the square of the radius."""
    torch.manual_seed(0)
    z = vl.swiss_roll()().rsample((100_000,))
    length = ((z**2).sum(1) - 2 * 0.1**2) / 3.0**2
    for power in (1, 2):
        noise = 4 * 0.1**2 / 3.0**2 * 0.5 if power == 2 else 0.0  # 2-D noise of variance .1^2
        assert within(length**power, 1 / (power + 1) + noise, 5)
    for part in range(10):
        inside = (vl.swiss_roll()().of_class(torch.full((4000,), part)) ** 2).sum(1) / 3.0**2
        assert inside.mean().item() == pytest.approx((part + 0.5) / 10, abs=0.01)


def test_heads_repel_each_other_up_to_their_distance():
    model = classes_model(heads=True)
    with torch.no_grad():
        model.heads.copy_(torch.tensor([[0.0, 0], [1, 0], [0, 5]]))
    assert model.overlap().item() == pytest.approx(1.0)
    model.overlap().backward()
    assert (
        model.heads.grad[0, 0] > 0 > model.heads.grad[1, 0] and model.heads.grad[2].abs().sum() == 0
    )
    y = torch.eye(3)
    assert torch.allclose(model.code(y, torch.zeros(3, 2)), model.heads)


def test_labels_help_where_they_are_scarce():
    """Three prototypes with flipped pixels, six labels: the supervised step beats chance."""
    torch.manual_seed(0)
    prototypes = (torch.rand(3, 8) < 0.5).float()
    labels = torch.arange(600) % 3
    x = (prototypes[labels] + (torch.rand(600, 8) < 0.08).float()) % 2
    data = {"x": x, "labelled": (x[:6], labels[:6])}
    run = vl.fit(
        classes_model, vl.class_players(3e-3, 3e-3, betas=(0.5, 0.9)), data, steps=400, batch_size=6
    )
    with torch.no_grad():
        said = run.model.eval().encode(x)[0].argmax(1)
    assert (said == labels).float().mean() > 0.85


def test_parzen_windows():
    """One centre is a Gaussian; equal centres and a doubled list change nothing."""
    torch.manual_seed(0)
    centre, x = torch.randn(1, 5), torch.randn(40, 5)
    exact = torch.distributions.Normal(centre, 0.3).log_prob(x).sum(1).double()
    assert torch.allclose(vl.parzen_log_density(centre, x, 0.3), exact, atol=1e-4)
    assert torch.allclose(vl.parzen_log_density(centre.expand(7, -1), x, 0.3), exact, atol=1e-4)
    many = torch.randn(30, 5)
    once = vl.parzen_log_density(many, x, 0.3)
    assert torch.allclose(once, vl.parzen_log_density(torch.cat([many, many]), x, 0.3))
    assert torch.allclose(once, vl.parzen_log_density(many, x, 0.3, block=64))
    far = 1e6 + torch.cat([many, x]).double()  # a shift changes nothing, however far
    assert torch.allclose(vl.parzen_log_density(far[:30], far[30:], 0.3), once, atol=1e-5)
    many, x = 0.4 * many, 0.4 * x  # the best scale is neither the first nor the last
    values, scale = vl.parzen(many, x[:20], x[20:])
    known = [vl.parzen_log_density(many, x[:20], s).mean() for s in 10 ** np.linspace(-1, 0, 10)]
    assert 0 < np.argmax(known) < 9
    assert scale == pytest.approx((10 ** np.linspace(-1, 0, 10))[int(np.argmax(known))])
    assert torch.allclose(values, vl.parzen_log_density(many, x[20:], scale))
    with pytest.raises(
        ValueError, match=r"centres and x must have shapes .* got \(30, 5\) and \(40, 4\)"
    ):
        vl.parzen_log_density(many, x[:, :4], 0.3)
    for bad in (many[0], many[:0]):
        with pytest.raises(ValueError, match="parzen_log_density: centres and x must have shapes"):
            vl.parzen_log_density(bad, x, 0.3)
    for scale in (0, math.inf):
        with pytest.raises(ValueError, match=f"parzen_log_density: scale must be .* got {scale}"):
            vl.parzen_log_density(many, x, scale)


def test_few_labels_and_the_labels_of_clusters():
    torch.manual_seed(0)
    few = vl.few_labels(LABELS, 4)
    assert sorted(LABELS[few].tolist()) == [0] * 4 + [1] * 4 + [2] * 4 and len(few.unique()) == 12
    with pytest.raises(ValueError, match="few_labels: each must be at most 0 for class 1, got 2"):
        vl.few_labels(torch.tensor([0, 0, 2, 2]), 2)
    with pytest.raises(ValueError, match="few_labels: each must be a positive integer, got -1"):
        vl.few_labels(LABELS, -1)
    sure = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    assert vl.cluster_labels(sure, torch.tensor([5, 6, 7])).tolist() == [5, 7]
    assert vl.cluster_labels(torch.eye(3), torch.tensor([5, 6, 7])).tolist() == [5, 6, 7]
    again = [vl.few_labels(LABELS, 4, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*again) and not torch.equal(again[0], few)
    with pytest.raises(
        ValueError, match="at most as many clusters as images, got 4 clusters and 3 images"
    ):
        vl.cluster_labels(torch.rand(3, 4), torch.arange(3))
    with pytest.raises(
        ValueError, match=r"shapes must be \(N, K\) and \(N,\), got \(3, 2\) and \(4,\)"
    ):
        vl.cluster_labels(sure, torch.arange(4))


def test_bad_arguments():
    with pytest.raises(ValueError, match="^swiss_roll: latent_dim must be 2"):
        vl.swiss_roll(3)
    for make, name in ((vl.logistic, "logistic"), (vl.priors.normal, "normal")):
        with pytest.raises(ValueError, match=f"^{name}: scale must be a positive finite number"):
            make(-1)
    with pytest.raises(
        ValueError, match="ClassAAE: classes must be an integer of at least 2, got 1"
    ):
        classes_model(k=1)


def test_a_decoder_of_another_size_is_not_broadcast():
    """One pixel would be compared with all eight, silently."""
    a = vl.adversarial
    model = vl.ImplicitVAE(vl.mlp(8, 2), vl.mlp(2, 1), 2)
    styled = vl.ImplicitVAE(vl.mlp(8, 2), vl.mlp(5, 1), 2)
    classes = vl.ClassAAE(vl.mlp(8, 5), vl.mlp(5, 1), 3, 2, vl.mlp(2, 1), vl.mlp(3, 1))
    for call in (
        lambda: a.aae_reconstruction(model, X),
        lambda: a.style_reconstruction(styled, {"x": (X, LABELS)}, classes=3),
        lambda: a.class_reconstruction(classes, X),
    ):
        with pytest.raises(ValueError, match=r"x has shape \(24, 8\); the decoder makes"):
            call()
    assert classes.head_parameters() == []


def test_a_model_without_a_discriminator_is_named():
    model = build()
    del model.discriminator
    with pytest.raises(ValueError, match="adversarial autoencoder: the model has no discriminator"):
        vl.aae_discriminator(model, X)


def test_each_side_of_the_game_has_its_rate():
    for players in (
        vl.aae_players(1e-3, 2e-3, betas=(0.5, 0.9)),
        vl.class_players(1e-3, 2e-3, betas=(0.5, 0.9)),
    ):
        assert [p.lr for p in players][:3] == [1e-3, 2e-3, 1e-3] and players[0].adam == {}
        assert players[1].adam == players[2].adam == {"betas": (0.5, 0.9)}
    assert [p.lr for p in vl.class_players(1e-3, 2e-3, 3e-4)] == [1e-3, 2e-3, 3e-4, 1e-3]
    assert vl.aae_players(encoder_lr=5e-4)[2].lr == 5e-4
    for players in (vl.aae_players(), vl.class_players()):
        assert {player.lr for player in players} == {1e-3}
