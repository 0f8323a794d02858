"""Plain networks that the chapters use; any module can be an encoder or a decoder."""

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
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        linear = nn.Linear(n_in, n_out)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


def conv_encoder(shape, latent_dim, width=32):
    """A convolutional encoder: flat images to mean and log_var, (B, C H W) -> (B, 2Q).

    shape: (C, H, W), H = W = 28, 32 or 64. Two strided convolutions of `width` and 2 width
    channels, then a layer of 8 width units; for 64 pixels four, of width, width, 2 width and 2
    width, as in Locatello et al. (2019).
    ValueError: another size.
    """
    channels, side = _channels("conv_encoder", shape, width)
    layers = [layer for a, b in zip(channels, channels[1:], strict=False)
              for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.ReLU())]  # fmt: skip
    return nn.Sequential(
        nn.Unflatten(-1, tuple(shape)),
        *layers,
        nn.Flatten(),
        *(
            nn.Linear(2 * width * side**2, 8 * width),
            nn.ReLU(),
            nn.Linear(8 * width, 2 * latent_dim),
        ),
    )


def conv_decoder(latent_dim, shape, width=32):
    """The mirror image of `conv_encoder`: codes (B, Q) to flat images, (B, C H W).

    ValueError: as `conv_encoder`.
    """
    channels, side = _channels("conv_decoder", shape, width)
    channels = channels[::-1]
    layers = [layer for a, b in zip(channels, channels[1:], strict=False)
              for layer in (nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1))]  # fmt: skip
    return nn.Sequential(
        *(nn.Linear(latent_dim, 8 * width), nn.ReLU(), nn.Linear(8 * width, 2 * width * side**2)),
        nn.Unflatten(-1, (2 * width, side, side)), *layers, nn.Flatten(),
    )  # fmt: skip


def _channels(name, shape, width):
    """Channels from the image to the smallest feature map, and the side of that."""
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] not in (28, 32, 64):
        raise ValueError(
            f"{name}: shape must be (C, H, H) with H = 28, 32 or 64, got {tuple(shape)}."
        )
    twice = 2 if shape[1] == 64 else 1
    return [shape[0], *[width] * twice, *[2 * width] * twice], shape[1] // 4**twice
