"""Evaluation: chunks change nothing, and what cannot be evaluated is refused."""

import math
import textwrap

import pytest
import torch
from conftest import peak_memory
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


@pytest.mark.parametrize(("room", "largest"), [(700, 5 * 100), (100, 1 * 100), (30, 1 * 25), (1, 1)])
def test_what_does_not_fit_in_memory_is_halved(room, largest):
    torch.manual_seed(0)
    model = Cramped(vl.mlp(6, 8, 4), vl.mlp(2, 8, 6), 2)
    x = torch.rand(20, 6).round()
    whole = vl.log_likelihood(model, x, samples=100)
    model.room, model.largest = room, 0
    assert within(vl.log_likelihood(model, x, samples=100) - whole, 0.0)  # noise apart, the same
    assert model.largest == largest  # halved from 20 images by 100 samples, the images first
    model.room = 0
    with pytest.raises(torch.OutOfMemoryError):
        vl.log_likelihood(model, x, samples=100)


@pytest.mark.parametrize(("pixels", "counted"), [(784, 784), (6, 256)])
def test_chunks_are_of_the_memory_that_is_allowed(pixels, counted):
    """32 bytes for each pixel of each sample; of an image at least 256 pixels, as nets need more than it."""
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
    total = torch.stack([vl.log_likelihood(model, cube, samples=3000).exp().sum() for _ in range(30)])
    assert within(total, 1.0)  # exp of the estimate is unbiased, and the probabilities of all images add up to 1
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
    assert vl.active_units(model, x, threshold=0.0) == 2 and vl.active_units(model, x, threshold=1e9) == 0
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
    assert vl.activity(model, x).tolist() == pytest.approx([0.04, 0.0025]) and vl.active_units(model, x) == 1


@pytest.mark.parametrize("function", [vl.log_likelihood, vl.activity, vl.active_units, vl.latent_moments])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.full((5, 6), 0.5), 'grey value 0.5; likelihood="bernoulli" allows 0 and 1 only'),
        (torch.full((5, 6), math.nan), "found nan; every value must be finite"),
        (torch.full((5, 6), 2.0), "values run from 2 to 2"),
        (torch.zeros(0, 6), r"shape \(0, 6\) is empty"),
        (torch.zeros(5, 6).long(), "torch.int64 of shape"),
        ([[0.0]], "got list"),
        (torch.zeros(5, 7), r"x has shape \(5, 7\), which the encoder does not take"),
    ],
)
def test_bad_data(function, x, message, model):
    with pytest.raises(ValueError, match=message):
        function(model, x)


@pytest.mark.parametrize("samples", [0, -3, 2.5])
def test_bad_samples(samples, model):
    with pytest.raises(ValueError, match=f"log_likelihood: samples must be a positive integer, got {samples}."):
        vl.log_likelihood(model, torch.zeros(5, 6), samples=samples)


def test_memory_stays_bounded():
    """The chunks of 5,000 samples are those of 200: peak memory depends on neither samples nor images."""
    _, peak = peak_memory(
        textwrap.dedent("""
            import torch, vaelib as vl
            model = vl.VAE(vl.mlp(784, 200, 200, 100), vl.mlp(50, 200, 200, 784), 50)
            vl.log_likelihood(model, torch.rand(2000, 784).round(), samples=100)
        """)
    )
    assert peak < 800e6  # bytes, of which Python and torch take 260e6; in one piece (memory=2**40) it was 1,600e6


def test_memory_follows_what_there_is(monkeypatch):
    cpu = torch.device("cpu")
    for size, pages, known in ((4096, 2**14, 2**23), (4096, 2**30, 2**28), (1, 15, 1)):  # an eighth of what is free
        told = {"SC_PAGE_SIZE": size, "SC_AVPHYS_PAGES": pages}
        monkeypatch.setattr(vl.evaluation.os, "sysconf", told.__getitem__)
        assert vl.evaluation._chunk_bytes(cpu) == known

    def not_told(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(vl.evaluation.os, "sysconf", not_told)
    assert vl.evaluation._chunk_bytes(cpu) == 2**28
    monkeypatch.setattr(torch.cuda, "mem_get_info", {torch.device("cuda"): (2**20 + 3, 2**33)}.__getitem__)
    assert vl.evaluation._chunk_bytes(torch.device("cuda")) == 2**18
