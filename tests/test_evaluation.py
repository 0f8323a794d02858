"""Evaluation: neither chunks nor modes matter, and invalid input is refused."""

import copy
import math
import textwrap

import numpy as np
import pytest
import torch
from conftest import peak_memory
from torch import nn
from trust import within

import vaelib as vl


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return vl.VAE(vl.mlp(6, 8, 4), vl.mlp(2, 8, 6), 2)


def test_chunks_only_split_the_work(model):
    x = torch.rand(40, 6).round()
    torch.manual_seed(1)
    small = vl.log_likelihood(model, x, samples=2000, memory=2**20)
    big = vl.log_likelihood(model, x, samples=2000)
    assert small.dtype == torch.float64 and small.shape == (40,)
    assert (small - big).abs().max() < 0.3 and abs((small - big).mean()) < 0.02


class Cramped(vl.VAE):
    """A model for which memory runs out above a number of samples at once."""

    room = math.inf

    def log_weights(self, x, k, y=None):
        if k * len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.largest = max(getattr(self, "largest", 0), k * len(x))
        return super().log_weights(x, k, y)


@pytest.mark.parametrize(
    ("room", "largest"), [(700, 5 * 100), (100, 1 * 100), (30, 1 * 25), (1, 1)]
)
def test_what_does_not_fit_in_memory_is_halved(room, largest):
    torch.manual_seed(0)
    model = Cramped(vl.mlp(6, 8, 4), vl.mlp(2, 8, 6), 2)
    x = torch.rand(20, 6).round()
    whole = vl.log_likelihood(model, x, samples=100)
    model.room, model.largest = room, 0
    assert within(vl.log_likelihood(model, x, samples=100) - whole, 0.0)  # the same up to noise
    assert model.largest == largest  # halved from 20 images by 100 samples, the images first
    model.room = 0
    with pytest.raises(torch.OutOfMemoryError):
        vl.log_likelihood(model, x, samples=100)


@pytest.mark.parametrize(("pixels", "counted"), [(784, 784), (6, 256)])
def test_chunks_are_of_the_memory_that_is_allowed(pixels, counted):
    """32 bytes for each pixel of each sample, and at least 256 pixels: nets need memory too."""
    model = Cramped(vl.mlp(pixels, 2), vl.mlp(1, pixels), 1)
    x, image = torch.zeros(8, pixels), 32 * 100 * counted
    for memory, images in ((1, 1), (image, 1), (3 * image - 1, 2), (3 * image, 3)):
        model.largest = 0
        vl.log_likelihood(model, x, samples=300, memory=memory)
        assert model.largest == 100 * images
    assert vl.log_likelihood(model, x[:1], samples=3).shape == (1,)


def test_log_likelihood_of_a_model_that_can_be_enumerated(model):
    cube = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6)
    torch.manual_seed(2)
    total = torch.stack(
        [vl.log_likelihood(model, cube, samples=3000).exp().sum() for _ in range(30)]
    )
    # exp of the estimate is unbiased, and the probabilities of all images add up to 1.
    assert within(total, 1.0)
    assert not within(total * 1.01, 1.0)


def test_weights_far_from_zero_do_not_overflow():
    model = vl.VAE(vl.mlp(2000, 2), vl.mlp(1, 2000), 1)
    with torch.no_grad():
        model.decoder[0].bias.fill_(-50.0)
    values = vl.log_likelihood(model, torch.ones(3, 2000), samples=10)  # about -100 000 nats each
    assert torch.isfinite(values).all() and values.max() < -50_000


def test_active_units_and_moments(model):
    x = torch.rand(5000, 6).round()
    mean, log_var = model.encode(x)
    assert torch.allclose(vl.activity(model, x), mean.var(0, correction=0), atol=1e-6)
    assert (
        vl.active_units(model, x, threshold=0.0) == 2
        and vl.active_units(model, x, threshold=1e9) == 0
    )
    moments = vl.latent_moments(model, x)
    z = model.posterior(x).sample()
    for j in range(2):
        assert within(z[:, j], moments["mean"][j].item())
        assert within(z[:, j] ** 2, moments["second"][j].item())
    assert not moments["mean"].requires_grad


def test_a_unit_is_active_above_a_hundredth():
    model = vl.VAE(vl.mlp(1, 4), vl.mlp(2, 1), 2, "gaussian")
    with torch.no_grad():
        model.encoder[0].weight.copy_(torch.tensor([[0.2], [0.05], [0.0], [0.0]]))
    x = torch.tensor([[-1.0], [1.0]])
    assert (
        vl.activity(model, x).tolist() == pytest.approx([0.04, 0.0025])
        and vl.active_units(model, x) == 1
    )


@pytest.mark.parametrize(
    "function", [vl.log_likelihood, vl.activity, vl.active_units, vl.latent_moments]
)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            torch.full((5, 6), 0.5),
            'must be 0 or 1 for likelihood="bernoulli", got the grey value 0.5',
        ),
        (torch.full((5, 6), math.nan), "every value must be finite, got nan"),
        (torch.full((5, 6), 2.0), "values must lie in .* got 2 to 2"),
        (torch.zeros(0, 6), r"there must be at least one image, got shape \(0, 6\)"),
        (torch.zeros(5, 6).long(), "torch.int64 of shape"),
        ([[0.0]], "got list"),
        (torch.zeros(5, 7), r"the encoder must take images of shape \(7,\), but fails"),
    ],
)
def test_bad_data(function, x, message, model):
    with pytest.raises(ValueError, match=message):
        function(model, x)


@pytest.mark.parametrize("samples", [0, -3, 2.5])
def test_bad_samples(samples, model):
    with pytest.raises(
        ValueError, match=f"log_likelihood: samples must be a positive integer, got {samples}."
    ):
        vl.log_likelihood(model, torch.zeros(5, 6), samples=samples)


def test_memory_stays_bounded():
    """Peak memory depends neither on the number of samples nor on the number of images."""
    _, peak = peak_memory(
        textwrap.dedent("""
            import torch, vaelib as vl
            model = vl.VAE(vl.mlp(784, 200, 200, 100), vl.mlp(50, 200, 200, 784), 50)
            vl.log_likelihood(model, torch.rand(2000, 784).round(), samples=100)
        """)
    )
    # In bytes: Python and torch take 260e6; in one chunk (memory=2**40) it was 1,600e6.
    assert peak < 800e6


def net_with_state():
    """A VAE of digits with batch normalization and dropout, and images sorted by class."""
    torch.manual_seed(0)
    data = vl.digits()
    encoder = nn.Sequential(
        nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 8)
    )
    decoder = nn.Sequential(
        nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 64)
    )
    model = vl.VAE(encoder, decoder, 4, "cross_entropy")
    with torch.no_grad():  # running statistics that differ from every batch's
        for _ in range(20):
            vl.elbo(model, data.train[torch.randperm(1000)[:200]])
    model.encoder[1].eval()  # a mode of its own for a submodule
    return model, data.test[data.test_labels.argsort()][:60]


FUNCTIONS = {
    "log_likelihood": lambda m, x: vl.log_likelihood(m, x, samples=30),
    "log_likelihood, k-hat": lambda m, x: vl.log_likelihood(m, x, samples=30, diagnostics=True),
    "activity": lambda m, x: vl.activity(m, x),
    "active_units": lambda m, x: vl.active_units(m, x),
    "latent_moments": lambda m, x: vl.latent_moments(m, x),
    "refit_encoder": lambda m, x: vl.refit_encoder(m, x, 3),
    "annealed_log_likelihood": lambda m, x: vl.annealed_log_likelihood(m, x, 4, chains=2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("images", [60, 1])
def test_evaluation_leaves_mode_and_buffers_alone(name, images):
    model, x = net_with_state()
    modes, before = [m.training for m in model.modules()], copy.deepcopy(model.state_dict())
    FUNCTIONS[name](model, x[:images])
    assert [m.training for m in model.modules()] == modes and len(set(modes)) == 2
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_mode_and_buffers_come_back_after_an_error(name):
    class Fails(nn.Module):
        def forward(self, x):
            assert not self.training
            model.encoder[1].running_mean.add_(1)
            model.encoder[1].num_batches_tracked = torch.tensor(99)
            raise KeyError("the net's own fault")

    model, x = net_with_state()
    before, buffer = copy.deepcopy(model.state_dict()), model.encoder[1].num_batches_tracked
    if name == "refit_encoder":  # works on a copy
        fails = Fails()
        with pytest.raises(KeyError):
            vl.refit_encoder(model, x, 3, build=lambda: nn.Sequential(fails, nn.Linear(64, 8)))
    else:
        model.decoder.append(Fails())
        model.encoder.append(model.decoder[-1])
        with pytest.raises(KeyError):
            FUNCTIONS[name](model, x)
        assert model.decoder[-1].training
        assert model.encoder[1].num_batches_tracked is buffer
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and not model.encoder[1].training


def test_images_do_not_depend_on_their_company():
    model, x = net_with_state()
    whole = vl.latent_moments(model, x)
    each = [vl.latent_moments(model, image[None]) for image in x]
    assert torch.allclose(whole["mean"], torch.stack([e["mean"] for e in each]).mean(0), atol=1e-5)
    model_eval = copy.deepcopy(model).eval()
    assert torch.allclose(vl.activity(model, x), vl.activity(model_eval, x))
    for samples, images in ((2000, 20), (2000, 1)):
        torch.manual_seed(0)
        whole = vl.log_likelihood(model_eval, x, samples)
        chunks = vl.log_likelihood(model, x, samples, memory=32 * 100 * 256 * images)
        assert abs((chunks - whole).mean()) < 0.05 and (chunks - whole).abs().max() < 0.6
    torch.manual_seed(1)
    alone = vl.log_likelihood(model, x[7:8], 5000)
    assert alone.item() == pytest.approx(whole[7].item(), abs=0.3)


def test_batch_norm_without_running_statistics_is_refused():
    encoder = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False))
    model, x = vl.VAE(encoder, vl.mlp(2, 6), 2), torch.rand(5, 6).round()
    for name, function in FUNCTIONS.items():
        with pytest.raises(
            ValueError, match=r"encoder.1 must have running statistics, got BatchNorm1d"
        ):
            function(model, x)
        assert model.training, name


@pytest.mark.parametrize("function", [vl.activity, vl.active_units, vl.latent_moments])
def test_codes_that_are_not_finite(function):
    model = vl.VAE(vl.mlp(6, 4), vl.mlp(2, 6), 2)
    with torch.no_grad():
        model.encoder[0].weight[0, 2] = math.nan
    x = torch.zeros(5, 6)
    with pytest.raises(
        ValueError, match="must be finite, got 5 of 5 images .* the first is image 0"
    ):
        function(model, x)
    with pytest.raises(
        ValueError, match="log_likelihood: every log-weight must be finite, got 50 of 50"
    ):
        vl.log_likelihood(model, x, samples=10)
    with torch.no_grad():
        model.encoder[0].weight[0, 2] = 0
        model.encoder[0].weight[3, 1] = math.inf
    x[3] = 1
    with pytest.raises(ValueError, match="got . of 5 images"):
        function(model, x)


@pytest.mark.parametrize("samples", [np.int64(7), torch.tensor(7), np.array(7), np.uint8(7)])
def test_numbers_of_every_kind(samples, model):
    x = torch.zeros(5, 6)
    assert vl.log_likelihood(model, x, samples=samples, memory=np.float32(1e6)).shape == (5,)
    assert vl.active_units(model, x, threshold=np.float32(0.5)) == 0
    assert vl.annealed_log_likelihood(model, x, samples, chains=samples)[0].shape == (5,)
    assert vl.disturb(x, "mask", np.float64(0.5)).shape == (5, 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m, x: vl.log_likelihood(m, x, samples=True),
            "samples must be a positive integer, got True.",
        ),
        (
            lambda m, x: vl.log_likelihood(m, x, memory=0),
            "memory must be a positive finite number, got 0.",
        ),
        (lambda m, x: vl.activity(m, x, layer=2), "layer must be at most 1 for this model, got 2."),
        (
            lambda m, x: vl.activity(m, x, layer=0),
            "activity: layer must be a positive integer, got 0.",
        ),
        (
            lambda m, x: vl.activity(m, x, samples=0),
            "activity: samples must be a positive integer, got 0.",
        ),
        (
            lambda m, x: vl.active_units(m, x, "few"),
            "threshold must be a finite number, got 'few'.",
        ),
        (
            lambda m, x: vl.disturb(x, "blur", 1),
            "kind must be 'gaussian' or 'mask', got 'blur'.",
        ),
        (
            lambda m, x: vl.disturb(x, "mask", 1.5),
            'amount must be a probability for "mask", got 1.5.',
        ),
        (
            lambda m, x: vl.disturb(x, "mask", -1),
            "amount must be a finite number of at least 0, got -1.",
        ),
        (
            lambda m, x: vl.frechet_distance(x, x[:, :3]),
            r"a and b must have shapes .* got \(5, 6\) and \(5, 3\)",
        ),
        (
            lambda m, x: vl.parzen_log_density(x, x, 0),
            "scale must be a positive finite number, got 0.",
        ),
        (
            lambda m, x: vl.parzen_log_density(x, x[:, :3], 1),
            r"must have shapes .* got \(5, 6\) and \(5, 3\)",
        ),
    ],
)
def test_bad_arguments(call, message, model):
    with pytest.raises(ValueError, match=message):
        call(model, torch.zeros(5, 6))
