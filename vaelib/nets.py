"""Plain networks: an encoder or a decoder is any module, and these are the ones that the chapters use."""

from torch import nn


def mlp(*sizes, activation=nn.Tanh):
    """A multilayer perceptron with the given layer sizes, no activation after the last layer.

    `mlp(64, 100, 4)` maps (..., 64) to (..., 4) through one hidden layer of 100 units; `mlp(64, 2)` is linear.
    Weights start as Glorot & Bengio (2010) advise, biases at 0. ValueError: fewer than two sizes, or one below 1.
    """
    if len(sizes) < 2 or any(not isinstance(n, int) or n < 1 for n in sizes):
        raise ValueError(f"mlp: sizes is {sizes}; allowed are two or more whole numbers, each at least 1.")
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        linear = nn.Linear(n_in, n_out)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])
