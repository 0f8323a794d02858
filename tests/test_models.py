"""The model's contract: shapes, scales, labels, and clear refusals."""

import math

import pytest
import torch

import vaelib as vl


def vae(likelihood="bernoulli", outputs=6, **options):
    torch.manual_seed(0)
    return vl.VAE(vl.mlp(6, 8, 4), vl.mlp(2, 8, outputs), 2, likelihood, **options)


def test_shapes():
    model, x = vae(), torch.rand(5, 6).round()
    assert model.posterior(x).batch_shape == (5,) and model.posterior(x).event_shape == (2,)
    assert model.prior.event_shape == (2,)
    assert model.log_weights(x, 7).shape == (7, 5)
    terms = vl.elbo(model, x, k=3)
    assert list(terms) == ["objective", "reconstruction", "kl"] and all(
        t.shape == (5,) for t in terms.values()
    )


def test_images_keep_their_shape():
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 12), torch.nn.Unflatten(-1, (3, 2, 2)))
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4))
    model, x = vl.VAE(encoder, decoder, 2), torch.rand(5, 3, 2, 2).round()
    assert model.likelihood(model.prior.sample((7, 5)), x).log_prob(x).shape == (7, 5)
    assert vl.elbo(model, x)["objective"].shape == (5,)


def test_units_are_sums_over_pixels_and_latents():
    model, x = vae("gaussian", scale=0.5), torch.rand(5, 6)
    z = model.posterior(x).sample()
    mean = model.decoder(z)
    by_hand = (-0.5 * ((x - mean) / 0.5) ** 2 - math.log(0.5) - 0.5 * math.log(2 * math.pi)).sum(-1)
    assert torch.allclose(model.likelihood(z).log_prob(x), by_hand, atol=1e-5)


def test_scales():
    z = torch.randn(5, 2)
    assert vae("gaussian", scale=0.3).likelihood(z).stddev.unique().tolist() == pytest.approx([0.3])
    learned = vae("gaussian", scale="learned", scale_floor=0.25)
    assert learned.likelihood(z).stddev.unique().item() == pytest.approx(1.25)
    assert any(p is learned.log_scale for p in learned.parameters())
    head = vae("gaussian", outputs=12, scale="head", scale_floor=0.1)
    assert head.likelihood(z).stddev.shape == (5, 6) and head.likelihood(z).stddev.min() > 0.1


def test_labels_are_concatenated_to_the_code():
    model = vl.VAE(vl.mlp(6, 4), vl.mlp(2 + 3, 6), 2)
    x, y = torch.rand(5, 6).round(), torch.eye(3)[torch.tensor([0, 1, 2, 0, 1])]
    assert model.log_weights(x, 7, y).shape == (7, 5)
    z = torch.randn(7, 5, 2)
    assert torch.allclose(
        model.likelihood(z, y=y).mean[3, 1],
        model.likelihood(z[3, 1:2], y=y[1:2]).mean[0],
        atol=1e-6,
    )


def test_a_code_does_not_depend_on_its_company():
    """In train mode q(z|x) does not depend on the other images of the batch."""
    torch.manual_seed(0)
    for encoder, d in ((vl.mlp(784, 8, 4), 784), (vl.conv_encoder((1, 28, 28), 2, width=4), 784)):
        x = torch.rand(9, d)
        assert encoder.training and torch.allclose(encoder(x)[:3], encoder(x[:3]), atol=1e-5)


def test_a_prior_without_closed_form_needs_sampling():
    def logistic(latent_dim):
        base = torch.distributions.Uniform(torch.zeros(latent_dim), torch.ones(latent_dim))
        transforms = [torch.distributions.SigmoidTransform().inv]
        return torch.distributions.Independent(
            torch.distributions.TransformedDistribution(base, transforms), 1
        )

    model, x = vl.VAE(vl.mlp(6, 4), vl.mlp(2, 6), 2, prior=logistic), torch.rand(5, 6).round()
    assert vl.elbo(model, x, k=4, kl="sampled")["kl"].shape == (5,)
    with pytest.raises(ValueError, match='kl="sampled"'):
        vl.elbo(model, x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: vae("poisson"),
            "must be 'bernoulli', 'cross_entropy', 'gaussian' or an object .* got 'poisson'",
        ),
        (lambda: vae("gaussian", scale=-1), "scale must be a positive finite number, got -1"),
        (
            lambda: vae("gaussian", scale=math.nan),
            "scale must be a positive finite number, got nan",
        ),
        (lambda: vae("gaussian", scale="wide"), "scale must be 'learned' or 'head', got 'wide'"),
        (
            lambda: vae("gaussian", scale_floor=-0.1),
            "scale_floor must be a finite number of at least 0, got -0.1",
        ),
        (
            lambda: vl.VAE(vl.mlp(6, 3), vl.mlp(2, 6), 2).posterior(torch.rand(5, 6)),
            r"width 4 or as a pair, got shape \(5, 3\)",
        ),
        (
            lambda: vl.elbo(vl.VAE(vl.mlp(1, 4), vl.mlp(2, 6), 2), torch.rand(5, 1)),
            r"x has shape \(5, 1\); .*\(B, 6\)",
        ),
        (
            lambda: vl.tc_vae(vl.VAE(vl.mlp(1, 4), vl.mlp(2, 6), 2), torch.rand(5, 1), 9),
            r"x has shape \(5, 1\)",
        ),
        (
            lambda: vl.elbo(vae(), torch.rand(5, 6), k=0),
            "elbo: k must be a positive integer, got 0",
        ),
        (
            lambda: vl.elbo(vae(), torch.rand(5, 6), kl="exact"),
            "kl must be 'analytic' or 'sampled', got 'exact'",
        ),
        (lambda: vl.mlp(3), r"mlp: sizes must be two or more positive integers, got \(3,\)"),
        (
            lambda: vl.gaussian_kl(torch.zeros(5, 2), torch.zeros(5, 3)),
            r"mean has shape \(5, 2\) and log_var \(5, 3\)",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_images_that_do_not_fit_the_encoder_are_named():
    with pytest.raises(RuntimeError) as caught:
        vl.elbo(vl.VAE(vl.mlp(6, 4), vl.mlp(2, 6), 2), torch.rand(5, 7))
    assert caught.value.__notes__ == ["VAE: the encoder was given x of shape (5, 7)."]


def test_labels_are_checked_against_the_classes_of_the_model():
    model = vl.VAE(vl.mlp(4, 4), vl.mlp(2, 4), 2)
    model.check_labels(torch.tensor([0, 99]))  # a model without classes takes any
    model.classes = 3
    model.check_labels(torch.tensor([0, 2]))
    with pytest.raises(ValueError, match="^data: labels must lie in 0 to 2, got 1 to 3"):
        model.check_labels(torch.tensor([1, 3]))
    with pytest.raises(ValueError, match="^fit: labels must lie in 0 to 2, got -1 to 0"):
        model.check_labels(torch.tensor([-1, 0]), "fit")
