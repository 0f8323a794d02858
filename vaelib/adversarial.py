"""The objectives of adversarial autoencoders, one per player, each (B,), to be maximised.

A model is any `VAE` with a net `discriminator`, codes to a logit. A batch is images x, or a dict
whose stream "x" is (images, labels). A discriminator with more inputs than the code has also reads
the labels, one-hot with one entry more than there are classes: the last one means "unknown"
(Makhzani et al., 2016; chapter 5).
"""

from itertools import chain

import torch
from torch.nn.functional import cross_entropy, logsigmoid, one_hot

from .checks import integer
from .objectives import discriminator_of
from .priors import sample
from .training import Player


def aae_players(lr=1e-3, discriminator_lr=1e-3, encoder_lr=None, **adam):
    """The players of the adversarial autoencoder for `fit`: reconstruction, discriminator, encoder.

    lr: of the reconstruction; discriminator_lr and encoder_lr (default: lr): of the two sides of
        the game; numbers or functions of the step.
    adam: as for `Player`, for both sides of the game.
    """
    return [
        Player(
            lambda m: chain(m.encoder.parameters(), m.decoder.parameters()), aae_reconstruction, lr
        ),
        Player(lambda m: m.discriminator.parameters(), aae_discriminator, discriminator_lr, adam),
        Player(
            lambda m: m.encoder.parameters(),
            aae_encoder,
            lr if encoder_lr is None else encoder_lr,
            adam,
        ),
    ]


def aae_reconstruction(model, batch):
    """First objective: log p(x|z) of one code of each image, in nats (eq-aae-reconstruction)."""
    x = _images(batch)
    return {"objective": model.likelihood(model.draw(x, 1)[0], x).log_prob(x)[0]}


def aae_discriminator(model, batch):
    """Second objective: log D(z) of prior draws plus log(1 - D(z)) of codes (eq-aae-discriminator).

    In nats. At the optimum its mean is 2 JS - 2 ln 2. No gradient reaches the encoder. "accuracy":
    the share of draws and codes that are classified correctly.
    """
    x, labels = _parts(model, batch)
    with torch.no_grad():
        codes = model.draw(x, 1)[0][0]
        prior = _of_prior(model.prior, len(x), labels)
    on_prior, on_codes = (_logit(model, z, labels) for z in (prior, codes))
    right = 0.5 * ((on_prior > 0).float() + (on_codes < 0).float())
    return {"objective": logsigmoid(on_prior) + logsigmoid(-on_codes), "accuracy": right}


def aae_encoder(model, batch):
    """Third objective: log D(z) of codes, maximised by the encoder (eq-aae-encoder).

    This is the non-saturating form.
    """
    x, labels = _parts(model, batch)
    return {"objective": logsigmoid(_logit(model, model.draw(x, 1)[0][0], labels))}


def style_reconstruction(model, batch, classes=10):
    """First objective if the decoder is given the label: log p(x|z, y) (eq-aae-style).

    z is left with the style. The decoder takes Q + classes numbers. Used in place of
    `aae_reconstruction`.
    """
    x, labels = batch["x"]
    y = one_hot(labels, classes).to(x.dtype)
    return {"objective": model.likelihood(model.draw(x, 1)[0], x, y).log_prob(x)[0]}


def _parts(model, batch):
    """Images, and their labels if the discriminator takes labels."""
    x, labels = batch["x"] if isinstance(batch, dict) else (batch, None)
    return x, labels if model.label_inputs() else None


def _of_prior(prior, n, labels):
    """n draws of the prior, (n, Q), each from its label's part of it if there are labels."""
    if labels is None:
        return sample(prior, n)
    if not hasattr(prior, "of_class"):
        raise ValueError(
            "aae_discriminator: a discriminator with labels needs a prior with of_class(labels), "
            f"such as vl.pinwheel, got {type(prior).__name__}."
        )
    return prior.of_class(labels)


def _logit(model, z, labels):
    if labels is not None:
        z = torch.cat([z, one_hot(labels, model.label_inputs()).to(z.dtype)], -1)
    return discriminator_of("adversarial autoencoder", model)(z)[..., 0]


# With classes: the encoder also returns class probabilities ŷ, which a second discriminator
# compares with the prior.


def class_players(lr=1e-3, discriminator_lr=1e-3, encoder_lr=None, supervised=True, **adam):
    """The players of the semi-supervised adversarial autoencoder (a `ClassAAE`).

    They are the reconstruction, both discriminators, the encoder, and with supervised=True the
    classification of the stream "labelled"; supervised=False is for clustering. Rates as in
    `aae_players`; lr is also the classification's.

    Data are {"x": images, "labelled": (images, labels)}, or images alone for clustering.
    """
    players = [
        Player(
            lambda m: chain(m.encoder.parameters(), m.decoder.parameters(), m.head_parameters()),
            class_reconstruction,
            lr,
        ),
        Player(
            lambda m: chain(m.discriminator.parameters(), m.class_discriminator.parameters()),
            class_discriminators,
            discriminator_lr,
            adam,
        ),
        Player(
            lambda m: m.encoder.parameters(),
            class_encoder,
            lr if encoder_lr is None else encoder_lr,
            adam,
        ),
    ]
    return (
        [*players, Player(lambda m: m.encoder.parameters(), classification, lr)]
        if supervised
        else players
    )


def class_reconstruction(model, batch):
    """log p(x | ŷ, z), with ŷ the softmax of the encoder's logits (eq-aae-classes).

    With heads (eq-aae-heads) their overlap is subtracted.
    """
    x = _images(batch)
    y, z = model.encode(x)
    terms = {"reconstruction": model.decode(y.softmax(-1), z, x).log_prob(x)}
    if model.heads is None:
        return {"objective": terms["reconstruction"], **terms}
    terms["overlap"] = model.overlap().expand(len(x))
    return {"objective": terms["reconstruction"] - terms["overlap"], **terms}


def class_discriminators(model, batch):
    """The sum of both discriminators' objectives (eq-aae-two).

    One compares the style with N(0, I), the other ŷ with the categorical prior.
    """
    x = _images(batch)
    with torch.no_grad():
        y, z = model.encode(x)
        truth = one_hot(torch.randint(model.classes, (len(x),), device=x.device), model.classes).to(
            x.dtype
        )
        style = sample(model.prior, len(x))
        y = y.softmax(-1)
    on_style = logsigmoid(model.discriminator(style)) + logsigmoid(-model.discriminator(z))
    on_class = logsigmoid(model.class_discriminator(truth)) + logsigmoid(
        -model.class_discriminator(y)
    )
    return {
        "objective": (on_style + on_class)[:, 0],
        "style": on_style[:, 0],
        "class": on_class[:, 0],
    }


def class_encoder(model, batch):
    """The encoder's objective against both discriminators: log D(z) + log D(ŷ)."""
    y, z = model.encode(_images(batch))
    score = logsigmoid(model.discriminator(z)) + logsigmoid(
        model.class_discriminator(y.softmax(-1))
    )
    return {"objective": score[:, 0]}


def classification(model, batch):
    """The supervised objective: log ŷ of the true label, on the stream "labelled"."""
    x, labels = batch["labelled"]
    y, _ = model.encode(x)
    return {
        "objective": -cross_entropy(y, labels, reduction="none"),
        "accuracy": (y.argmax(-1) == labels).float(),
    }


def few_labels(labels, each, generator=None):
    """Indices of `each` images of every class, drawn without replacement, (classes * each,).

    ValueError: each not a positive integer, or a class with fewer labels.
    """
    each, places = integer("few_labels", "each", each), []
    for c in range(int(labels.max()) + 1):
        own = (labels == c).nonzero()[:, 0]
        if len(own) < each:
            raise ValueError(
                f"few_labels: each must be at most {len(own)} for class {c}, got {each}."
            )
        places.append(own[torch.randperm(len(own), generator=generator)[:each]])
    return torch.cat(places)


def cluster_labels(probabilities, labels):
    """A label for each cluster, (K,): that of its most probable image (eq-aae-rule).

    probabilities: (N, K), of images with known labels, (N,).
    ValueError: shapes that do not fit, or more clusters than images.
    """
    if probabilities.dim() != 2 or len(probabilities) != len(labels):
        shapes = f"{tuple(probabilities.shape)} and {tuple(labels.shape)}"
        raise ValueError(f"cluster_labels: shapes must be (N, K) and (N,), got {shapes}.")
    if probabilities.shape[1] > len(labels):
        n = f"{probabilities.shape[1]} clusters and {len(labels)} images"
        raise ValueError(
            f"cluster_labels: there must be at most as many clusters as images, got {n}."
        )
    return labels[probabilities.argmax(0)]


def _images(batch):
    x = batch["x"] if isinstance(batch, dict) else batch
    return x[0] if isinstance(x, tuple) else x
