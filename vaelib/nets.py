"""Plain networks that the chapters use; any module can be an encoder or a decoder."""

import math

from torch import nn

from .checks import integer


def mlp(*sizes, activation=nn.Tanh):
    """A multilayer perceptron with the given layer sizes, no activation after the last layer.

    `mlp(64, 100, 4)` maps (..., 64) to (..., 4) through one hidden layer of 100 units; `mlp(64, 2)`
    is linear. Weights start as Glorot & Bengio (2010) advise, biases at 0. ValueError: fewer than
    two sizes, or one below 1.
    """
    if len(sizes) < 2:
        raise ValueError(f"mlp: sizes must be two or more positive integers, got {sizes}.")
    sizes = [integer("mlp", "sizes", n) for n in sizes]
    if isinstance(activation, nn.Module):
        raise ValueError(
            f"mlp: activation must be a class or a function that makes a module, such as nn.ReLU, "
            f"got the module {activation}."
        )
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        linear = nn.Linear(n_in, n_out)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


def conv_encoder(shape, latent_dim, width=32):
    """A convolutional encoder: flat images to mean and log_var, (B, C H W) -> (B, 2Q).

    shape: (C, H, W), any size of at least 4 x 4. Strided convolutions halve it, twice up to 32
        pixels, and for larger images until about 4 are left: the first half of them with `width`
        channels, the others with 2 width; then a layer of 8 width units. For 64 pixels these are
        the four of Locatello et al. (2019).
    ValueError: a smaller image, or latent_dim or width not a positive integer.
    """
    latent_dim = integer("conv_encoder", "latent_dim", latent_dim)
    channels, sizes = _maps("conv_encoder", shape, width)
    layers = [layer for a, b in zip(channels, channels[1:], strict=False)
              for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.ReLU())]  # fmt: skip
    h, w = sizes[-1]
    return nn.Sequential(
        nn.Unflatten(-1, tuple(shape)),
        *layers,
        nn.Flatten(),
        nn.Linear(channels[-1] * h * w, 8 * width),
        nn.ReLU(),
        nn.Linear(8 * width, 2 * latent_dim),
    )


def conv_decoder(latent_dim, shape, width=32):
    """The mirror image of `conv_encoder`: codes (B, Q) to flat images, (B, C H W).

    ValueError: as `conv_encoder`.
    """
    latent_dim = integer("conv_decoder", "latent_dim", latent_dim)
    channels, sizes = _maps("conv_decoder", shape, width)
    (h, w), layers = sizes[-1], []
    for i in reversed(range(len(channels) - 1)):
        # An odd side is one more than twice the smaller map's.
        odd = tuple(big - 2 * small for big, small in zip(sizes[i], sizes[i + 1], strict=True))
        step = nn.ConvTranspose2d(channels[i + 1], channels[i], 4, 2, 1, output_padding=odd)
        layers += [nn.ReLU(), step]
    return nn.Sequential(
        *(nn.Linear(latent_dim, 8 * width), nn.ReLU(), nn.Linear(8 * width, channels[-1] * h * w)),
        nn.Unflatten(-1, (channels[-1], h, w)), *layers, nn.Flatten(),
    )  # fmt: skip


def _maps(name, shape, width):
    """Channels and sizes (h, w) of the maps, from the image to the smallest one."""
    if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < 4:
        raise ValueError(
            f"{name}: shape must be (C, H, W), with H and W of at least 4, got {tuple(shape)}."
        )
    width = integer(name, "width", width)
    longest, sizes = max(shape[1:]), [tuple(shape[1:])]
    halvings = 2 if longest <= 32 else math.ceil(math.log2(longest / 4))
    halvings = min(halvings, int(math.log2(min(shape[1:]))))
    for _ in range(halvings):
        sizes.append(tuple(side // 2 for side in sizes[-1]))
    half = halvings // 2
    return [shape[0], *[width] * half, *[2 * width] * (halvings - half)], sizes
