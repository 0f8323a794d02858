"""Scores of disentanglement: how well each factor of variation is captured by a single latent.

Codes are (N, Q), usually the means of q(z|x); factors are (N, K), or (N,) for one: each image's
class under each factor, as whole numbers, text, bytes or bools; both as arrays, tensors, lists or
data frames. Chapters 6 and 7 derive the scores, measure their bias and show how each misleads.
"""

import math
import warnings

import numpy as np
import torch

from .checks import integer, number, one_of

PAIRS_PER_BLOCK = 2**24  # densities, of samples by images, that are kept in memory at once


def higgins_score(codes, factors, pairs=64, train=10_000, test=5000, seed=0):
    """The accuracy of a linear classifier that names the factor that was held fixed, in [0, 1].

    Equation eq-higgins of the book (chapter 6); Higgins et al. (2017). An example is a factor k and
    `pairs` pairs of images with the same value of it; the classifier sees the mean over the pairs
    of |difference of the codes|. ValueError: codes that are not finite, fewer than two factors.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    where, rng = "higgins_score", np.random.default_rng(seed)
    codes, factors = _checked(where, codes, factors, least_factors=2)
    for column in factors.T:
        if np.bincount(column).min() < 2:
            raise ValueError(
                f"{where}: factors must show each value on at least two images, a pair, "
                "got a value with one image."
            )
    pairs, train = integer(where, "pairs", pairs), integer(where, "train", train)
    test = integer(where, "test", test)
    groups = [_groups(column) for column in factors.T]
    k = rng.integers(len(groups), size=train + test)
    if len(set(k[:train])) < 2:
        raise ValueError(f"{where}: train must be large enough to show two factors, got {train}.")
    x = np.empty((train + test, codes.shape[1]))
    for factor, group in enumerate(groups):
        which = np.flatnonzero(k == factor)
        first = rng.integers(len(codes), size=(len(which), pairs))
        second = _partners(group, first, rng)
        # An image is no partner of its own: that a difference is 0 would tell the group's size.
        while (again := first == second).any():
            second[again] = _partners(group, first[again], rng)
        x[which] = np.abs(codes[first] - codes[second]).mean(1)
    # Standardized, because the classifier's penalty would favour latents of large scale.
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(classifier.fit(x[:train], k[:train]).score(x[train:], k[train:]))


def factor_score(codes, factors, batch=64, train=10_000, test=5000, threshold=0.05, seed=0):
    """The accuracy of a majority vote that names the factor that was held fixed, in [0, 1].

    Equation eq-factor-score of the book (chapter 7); Kim & Mnih (2018). Each batch of images shares
    the value of one factor, for which its latent of least variance votes. Variances are relative to
    those of all codes; latents whose standard deviation is below `threshold` are left out, and the
    score is 0 if none remains. ValueError: codes that are not finite, fewer than two factors.
    """
    where = "factor_score"
    codes, factors = _checked(where, codes, factors, least_factors=2)
    sizes = [integer(where, "train", train), integer(where, "test", test)]
    batch = integer(where, "batch", batch, 2)
    number(where, "threshold", threshold, least=0)
    rng, std = np.random.default_rng(seed), codes.std(0)
    used = (std >= threshold) & (std > 0)
    if not used.any():
        return 0.0
    scaled = codes[:, used] / std[used]
    votes = np.zeros((2, scaled.shape[1], factors.shape[1]))
    groups = [_groups(column) for column in factors.T]
    for part, count in enumerate(sizes):
        k = rng.integers(len(groups), size=count)
        for factor, group in enumerate(groups):
            start = rng.integers(len(codes), size=((k == factor).sum(), 1)).repeat(batch, 1)
            least = scaled[_partners(group, start, rng)].var(1).argmin(1)
            np.add.at(votes[part], (least, factor), 1)
    return float(votes[1][np.arange(len(votes[1])), votes[0].argmax(1)].sum() / votes[1].sum())


def mig(codes, factors, bins=20):
    """The mutual information gap from a histogram of the codes, in [0, 1], as disentanglement_lib.

    For each factor: the information of its best latent less that of the second best, over the
    factor's entropy; the mean over factors (equation eq-mig of the book, chapter 7). Each latent is
    cut into `bins` equal intervals, which adds about (bins - 1)(values - 1) / 2N nats to each
    information. `mig_mixture` is the definition of Chen et al. (2018); the two are different
    numbers. ValueError: codes that are not finite, fewer than two latents.
    """
    codes, factors = _checked("mig", codes, factors, least_latents=2)
    return _gap(*information_table(codes, factors, bins))


def information_table(codes, factors, bins=20):
    """I(z_j; v_k) from a histogram, (Q, K), and the entropies H(v_k), (K,), in nats.

    Constant factors are left out. ValueError: codes that are not finite.
    """
    codes, factors = _checked("mig", codes, factors)
    bins = integer("mig", "bins", bins)
    table = np.empty((codes.shape[1], factors.shape[1]))
    for j, column in enumerate(codes.T):
        edges = np.histogram_bin_edges(column, bins)
        cell = np.digitize(column, edges[1:-1])
        for k, values in enumerate(factors.T):
            joint = np.zeros((bins, values.max() + 1))
            np.add.at(joint, (cell, values), 1)
            table[j, k] = _entropy(joint.sum(1)) + _entropy(joint.sum(0)) - _entropy(joint)
    return table, np.array([_entropy(np.bincount(values)) for values in factors.T])


def mig_mixture(mean, log_var, factors, samples=2000, seed=0):
    """The mutual information gap of Chen et al. (2018), in [0, 1].

    mean, log_var: of q(z|x), (N, Q). q(z_j | v_k) is the exact mixture over the images, and the
    informations I(z_j; v_k) = E[log q(z_j | v_k) - log q(z_j)] are averaged over `samples` codes
    (eq-mig-mixture of the book, chapter 7). ValueError: means or log_vars that are not finite,
    fewer than two latents.
    """
    mean, factors = _checked("mig_mixture", mean, factors, least_latents=2)
    return _gap(*mixture_table(mean, log_var, factors, samples, seed))


def mixture_table(mean, log_var, factors, samples=2000, seed=0):
    """I(z_j; v_k) under the exact mixture, (Q, K), and the entropies H(v_k), (K,), in nats."""
    with torch.device("cpu"):  # whatever the default device is
        return _mixture_table(mean, log_var, factors, samples, seed)


def _mixture_table(mean, log_var, factors, samples, seed):
    where = "mig_mixture"
    mean, factors = _checked(where, mean, factors)
    log_var = _numbers(where, "log_var", log_var)
    if log_var.shape != mean.shape:
        shapes = f"{mean.shape}, got {log_var.shape}"
        raise ValueError(f"{where}: log_var must have the shape of mean, {shapes}.")
    mean, log_var = torch.from_numpy(mean).float(), torch.from_numpy(log_var).float()
    samples, generator = integer(where, "samples", samples), torch.Generator().manual_seed(seed)
    n, latents = mean.shape
    index = torch.randperm(n, generator=generator).repeat(-(-samples // n))[:samples]
    std = (0.5 * log_var).exp()
    z = mean[index] + std[index] * torch.randn(samples, latents, generator=generator)
    total = torch.zeros(latents, factors.shape[1], dtype=torch.float64)
    v = torch.from_numpy(factors)
    counts = [torch.bincount(column) for column in v.T]
    for rows in torch.arange(samples).split(max(1, PAIRS_PER_BLOCK // n)):
        for j in range(latents):
            log_q = -0.5 * ((z[rows, j, None] - mean[:, j]) / std[:, j]) ** 2 - 0.5 * log_var[:, j]
            top = log_q.max(1, keepdim=True).values
            density = (log_q - top).exp()  # (rows, N); the factor exp(top) cancels in the ratio
            for k, column in enumerate(v.T):
                own = column[index[rows]]
                sums = torch.zeros(len(rows), len(counts[k])).index_add_(1, column, density)
                given = sums.gather(1, own[:, None])[:, 0] / counts[k][own]
                total[j, k] += (given / density.mean(1)).log().double().sum()
    if not total.isfinite().all():
        raise ValueError(f"{where}: log_var must be of variances that float32 holds, got others.")
    return (total / samples).numpy(), np.array([_entropy(c.numpy()) for c in counts])


def dci(codes, factors, train=None, trees=100, seed=0, model="forest"):
    """Disentanglement, completeness and informativeness, a dict, each in [0, 1].

    Eastwood & Williams (2018). Trees predict each factor from the codes; R[j, k] is the importance
    of latent j for factor k. "disentanglement" is one minus the entropy of R's rows, weighted by
    their sums, "completeness" the same of its columns (eq-dci of the book, chapter 7),
    "informativeness" the accuracy on images that were held out (`train` are fitted; default: two
    thirds). model: "forest", or the slower "boosting", gradient-boosted trees as in
    disentanglement_lib: on codes that mix all factors they mostly find more disentanglement than a
    forest (chapter 7).
    ValueError: codes that are not finite, fewer than two latents or two factors, a factor with one
    value only among the fitted images.
    """
    from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier

    codes, factors = _checked("dci", codes, factors, least_latents=2, least_factors=2)
    one_of("dci", "model", model, ("forest", "boosting"))
    trees = integer("dci", "trees", trees)
    order = np.random.default_rng(seed).permutation(len(codes))
    train = integer("dci", "train", 2 * len(codes) // 3 if train is None else train)
    fitted, held_out = order[:train], order[train:]
    if not len(held_out) or (factors[fitted] == factors[fitted[0]]).all(0).any():
        raise ValueError(
            "dci: train must leave images to test on and show two values of every factor, "
            f"got {train} of {len(codes)} images."
        )
    importance, accuracy = np.empty((codes.shape[1], factors.shape[1])), []
    for k, values in enumerate(factors.T):
        ensemble = ExtraTreesClassifier(
            trees, max_features=None, min_samples_leaf=2, random_state=seed
        )
        if model == "boosting":
            ensemble = GradientBoostingClassifier(n_estimators=trees, random_state=seed)
        ensemble.fit(codes[fitted], values[fitted])
        importance[:, k] = ensemble.feature_importances_
        accuracy.append(ensemble.score(codes[held_out], values[held_out]))
    return {
        "disentanglement": _purity(importance),
        "completeness": _purity(importance.T),
        "informativeness": float(np.mean(accuracy)),
    }


def _purity(importance):
    """One minus the normalized entropy of each row, weighted by the rows' sums; 0 if all are 0."""
    used = importance[importance.sum(1) > 0]
    if not len(used):
        return 0.0
    values = [1 - _entropy(row) / math.log(len(row)) for row in used]
    return float(np.average(values, weights=used.sum(1)))


def _gap(information, entropies):
    second, best = np.sort(information, 0)[-2:]
    return float(((best - second) / entropies).mean())


def _entropy(counts):
    p = np.asarray(counts, float).ravel() / np.sum(counts)
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def _checked(where, codes, factors, least_latents=1, least_factors=1):
    """Codes as float64, (N, Q); factors as classes 0, 1, ..., (N, K), without constant ones."""
    codes, factors = _numbers(where, "codes", codes), _array(where, "factors", factors)
    factors = factors[:, None] if factors.ndim == 1 else factors
    n = len(codes) if codes.ndim else 0
    if codes.ndim != 2 or factors.ndim != 2 or n != len(factors) or n < 2 or not codes.shape[1]:
        raise ValueError(
            f"{where}: codes and factors must have shapes (N, Q) and (N, K) with N >= 2, "
            f"got {codes.shape} and {factors.shape}."
        )
    if codes.shape[1] < least_latents:
        count = f"at least {least_latents} latents, got {codes.shape[1]}"
        raise ValueError(f"{where}: codes must have {count}.")
    columns = [_classes(where, k, column) for k, column in enumerate(factors.T)]
    varying = [column for column in columns if column.any()]
    constant = ", ".join(str(k) for k, column in enumerate(columns) if not column.any())
    if len(varying) < least_factors:
        count = f"at least {least_factors} columns that vary, got {len(varying)} of {len(columns)}"
        raise ValueError(f"{where}: factors must have {count}.")
    if constant:
        what = f"factors in columns {constant} are constant and are left out."
        warnings.warn(f"{where}: {what}", stacklevel=3)
    return codes, np.stack(varying, 1)


def _array(where, name, value):
    """A tensor, array, list or data frame as an array."""
    if torch.is_tensor(value):
        value = value.detach().cpu()
        value = value.double() if value.is_floating_point() else value  # NumPy has no bfloat16
    try:
        return np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{where}: {name} must be an array, tensor, list or data frame, "
            f"got {type(value).__name__} ({error})."
        ) from None


def _numbers(where, name, value):
    """Finite real numbers as a float64 array."""
    array = _array(where, name, value)
    try:
        if array.dtype.kind not in "biufO":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {name} must be real numbers, got {array.dtype}.") from None
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(f"{where}: {name} must be finite, got {bad} NaN or infinite values.")
    return array


def _classes(where, k, column):
    """One factor's values as classes 0, 1, ... in ascending order of the values, (N,)."""
    kind, floats, bad = column.dtype.kind, (float, np.floating), []
    if kind in "fO":
        bad = [v for v in column if isinstance(v, floats) and not (np.isfinite(v) and v % 1 == 0)]
    elif kind not in "biuSUMm":
        bad = column
    try:
        if not len(bad):
            return np.unique(column, return_inverse=True)[1].reshape(-1)
        got = bad[0]
    except TypeError:  # values that cannot be sorted, such as text and None
        got = "values of several kinds"
    raise ValueError(
        f"{where}: factors must be classes (whole numbers, text, bytes or bools), "
        f"got {got} in column {k}."
    )


def _groups(column):
    """Image indices sorted by value; for each image the start and the size of its group."""
    order = np.argsort(column, kind="stable")
    count = np.bincount(column)
    return order, (count.cumsum() - count)[column], count[column]


def _partners(group, first, rng):
    """For each of the images `first`, a random one with the same value of the factor."""
    order, start, count = group
    return order[start[first] + (rng.random(first.shape) * count[first]).astype(int)]
