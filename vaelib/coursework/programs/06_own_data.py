import math


def standardize(x, train):
    """x in standard deviations of the training rows, and these; NaN in a gap stays."""
    seen = ~train.isnan()
    n = seen.sum(0)  #! n = len(train)
    mean = train.nan_to_num(0.0).sum(0) / n
    error = (train - mean).nan_to_num(0.0)  #! error = train.nan_to_num(0.0) - mean
    #! or +1: sd = ((error * seen).square().sum(0) / n).sqrt()
    sd = (error.square().sum(0) / n).sqrt()
    return (x - mean) / sd, sd


def log_normal(z):
    """log N(z; 0, 1) of each value; a gap adds 0."""
    seen = ~z.isnan()
    z = z.nan_to_num(0.0)
    log_p = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    return log_p * seen  #! return log_p
    #! or -1: log_p = (-0.5 * z**2 - 0.5 * math.log(2 * math.pi)) * seen


def baseline(train, rows, step):
    """Bits per observed value of rows, with one Gaussian for each column, fitted to train.

    train: (N, D). rows: (B, D). step: (D,), the steps in which the columns were recorded.
    """
    z, sd = standardize(rows, train)  #! z, sd = standardize(rows, rows)
    seen = ~rows.isnan()
    width = step / sd  #! width = step
    #! or +1: log_cells = seen * (width / sd).log()
    log_cells = seen * width.log()  #! log_cells = width.log().expand_as(z)
    #! or +1: nats = -(log_normal(z) + log_cells)[seen].sum()
    nats = -(log_normal(z) + log_cells).sum()
    values = seen.sum()  #! values = rows.numel()
    return (nats / values / math.log(2)).item()
