def bound(log_w):
    """The bound of K importance weights, log-weights (K, B) -> (B,)."""
    largest = log_w.max(0).values  #! largest = log_w.max()
    w = (log_w - largest).exp()
    return w.mean(0).log() + largest  #! return w.sum(0).log() + largest
