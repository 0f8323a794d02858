"""Monte Carlo estimates compared with known answers, in standard errors."""

import math

import torch


def mean_and_error(values):
    """Mean and standard error of the mean of independent values, in float64."""
    values = torch.as_tensor(values).detach().double().flatten()
    return values.mean().item(), values.std().item() / math.sqrt(len(values))


def within(values, truth, k=4.0):
    """True if the mean of independent values lies within k standard errors of the truth."""
    mean, error = mean_and_error(values)
    return abs(mean - truth) <= k * error + 1e-12
