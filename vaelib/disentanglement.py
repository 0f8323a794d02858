"""Scores of disentanglement: how far each factor of variation has a latent number of its own.

Codes are (N, Q), as a rule the means of q(z|x); factors are (N, K) whole numbers, the class of each factor's value.
Chapters 6 and 7 derive the scores, measure their bias and show how each can be misled.
"""

import math
import warnings

import numpy as np
import torch

BLOCK = 2**24  # entries of a table that are held at once


def higgins_score(codes, factors, pairs=64, train=10_000, test=5000, seed=0):
    """The share of differences from which a linear classifier names the factor that was held fixed, in [0, 1].

    Equation eq-higgins of the book (chapter 6); Higgins et al. (2017). One example: a factor k, then `pairs` pairs of
    images that share its value; the input is the mean over the pairs of |codes' difference|. ValueError: bad input.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    codes, factors = _checked("higgins_score", codes, factors)
    rng = np.random.default_rng(seed)
    groups = [_groups(column) for column in factors.T]
    k = rng.integers(len(groups), size=train + test)
    x = np.empty((train + test, codes.shape[1]))
    for factor, group in enumerate(groups):
        which = np.flatnonzero(k == factor)
        first, second = _sharing(group, rng.integers(len(codes), size=(len(which), pairs)), rng)
        x[which] = np.abs(codes[first] - codes[second]).mean(1)
    # One scale for all latents: the classifier's penalty would favour the large ones.
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x[:train], k[:train])
    return float(classifier.score(x[train:], k[train:]))


def factor_score(codes, factors, batch=64, train=10_000, test=5000, threshold=0.05, seed=0):
    """The share of batches with one factor held fixed whose least varying latent votes for that factor, in [0, 1].

    Equation eq-factor-score of the book (chapter 7); Kim & Mnih (2018). Variances are relative to those of all codes;
    latents whose standard deviation is below `threshold` take no part. 0 where none is left. ValueError: bad input.
    """
    codes, factors = _checked("factor_score", codes, factors)
    rng, std = np.random.default_rng(seed), codes.std(0)
    if not (std >= threshold).any():
        return 0.0
    scaled = codes[:, std >= threshold] / std[std >= threshold]
    votes = np.zeros((2, scaled.shape[1], factors.shape[1]))
    groups = [_groups(column) for column in factors.T]
    for part, count in enumerate((train, test)):
        k = rng.integers(len(groups), size=count)
        for factor, group in enumerate(groups):
            start = rng.integers(len(codes), size=((k == factor).sum(), 1)).repeat(batch, 1)
            members = _sharing(group, start, rng)[1]
            least = scaled[members].var(1).argmin(1)
            np.add.at(votes[part], (least, factor), 1)
    return float(votes[1][np.arange(len(votes[1])), votes[0].argmax(1)].sum() / votes[1].sum())


def mig(codes, factors, bins=20):
    """The mutual information gap from a histogram of the codes, in [0, 1]: what disentanglement_lib reports.

    For each factor, the information that the best latent has about it less that of the second best, over the factor's
    entropy; the mean over factors (equation eq-mig of the book, chapter 7). Each latent is cut into `bins` equal
    intervals, which adds about (bins - 1)(values - 1) / 2N nats to each information. `mig_mixture` is the definition
    of Chen et al. (2018); the two are different numbers. ValueError: bad input, fewer than two latents.
    """
    information, entropies = information_table(codes, factors, bins)
    return _gap(information, entropies)


def information_table(codes, factors, bins=20):
    """I(z_j; v_k) from a histogram, (Q, K), and the entropies H(v_k), (K,), in nats; constant factors are left out."""
    codes, factors = _checked("mig", codes, factors)
    table = np.empty((codes.shape[1], factors.shape[1]))
    for j, column in enumerate(codes.T):
        edges = np.histogram_bin_edges(column, bins)
        cell = np.digitize(column, edges[1:-1])
        for k, values in enumerate(factors.T):
            joint = np.zeros((bins, values.max() + 1))
            np.add.at(joint, (cell, values), 1)
            table[j, k] = _entropy(joint.sum(1)) + _entropy(joint.sum(0)) - _entropy(joint)
    return table, np.array([_entropy(np.bincount(values)) for values in factors.T])


@torch.no_grad()
def mig_mixture(mean, log_var, factors, samples=2000, seed=0):
    """The mutual information gap of Chen et al. (2018), in [0, 1]: q(z_j | v_k) is the exact mixture over the images.

    mean, log_var: of q(z|x), (N, Q); the informations I(z_j; v_k) = E[log q(z_j | v_k) - log q(z_j)] are averaged over
    `samples` codes (eq-mig-mixture of the book, chapter 7). ValueError: bad input, fewer than two latents.
    """
    information, entropies = mixture_table(mean, log_var, factors, samples, seed)
    return _gap(information, entropies)


@torch.no_grad()
def mixture_table(mean, log_var, factors, samples=2000, seed=0):
    """I(z_j; v_k) under the exact mixture, (Q, K), and the entropies H(v_k), (K,), in nats."""
    mean, log_var = torch.as_tensor(mean).cpu().float(), torch.as_tensor(log_var).cpu().float()
    codes, factors = _checked("mig_mixture", mean, factors)
    generator = torch.Generator().manual_seed(seed)
    n, latents = codes.shape
    index = torch.randperm(n, generator=generator).repeat(-(-samples // n))[:samples]
    std = (0.5 * log_var).exp()
    z = mean[index] + std[index] * torch.randn(samples, latents, generator=generator)
    total, v = torch.zeros(latents, factors.shape[1], dtype=torch.float64), torch.from_numpy(factors)
    counts = [torch.bincount(column) for column in v.T]
    for rows in torch.arange(samples).split(max(1, BLOCK // n)):
        for j in range(latents):
            log_q = -0.5 * ((z[rows, j, None] - mean[:, j]) / std[:, j]) ** 2 - 0.5 * log_var[:, j]
            top = log_q.max(1, keepdim=True).values
            density = (log_q - top).exp()  # (rows, N); the factor exp(top) cancels in the ratio
            for k, column in enumerate(v.T):
                own = column[index[rows]]
                sums = torch.zeros(len(rows), len(counts[k])).index_add_(1, column, density)
                given = sums.gather(1, own[:, None])[:, 0] / counts[k][own]
                total[j, k] += (given / density.mean(1)).log().double().sum()
    return (total / samples).numpy(), np.array([_entropy(c.numpy()) for c in counts])


def dci(codes, factors, train=None, trees=100, seed=0):
    """Disentanglement, completeness and informativeness, a dict, each in [0, 1] (Eastwood & Williams, 2018).

    A forest predicts each factor from the codes; R[j, k] is how much latent j mattered for factor k. "disentanglement"
    is one minus the entropy of R's rows, weighted by their sums, "completeness" of its columns (eq-dci of the book,
    chapter 7), "informativeness" the accuracy on the images that were held out (default: a third).
    """
    from sklearn.ensemble import ExtraTreesClassifier

    codes, factors = _checked("dci", codes, factors)
    order = np.random.default_rng(seed).permutation(len(codes))
    train = train or 2 * len(codes) // 3
    importance, accuracy = np.empty((codes.shape[1], factors.shape[1])), []
    for k, values in enumerate(factors.T):
        forest = ExtraTreesClassifier(trees, max_features=None, min_samples_leaf=2, random_state=seed)
        forest.fit(codes[order[:train]], values[order[:train]])
        importance[:, k] = forest.feature_importances_
        accuracy.append(forest.score(codes[order[train:]], values[order[train:]]))
    return {"disentanglement": _pureness(importance), "completeness": _pureness(importance.T),
            "informativeness": float(np.mean(accuracy))}  # fmt: skip


def _pureness(importance):
    """One minus the normalised entropy of each row, weighted by the rows' sums; 0 where nothing mattered."""
    used = importance[importance.sum(1) > 0]
    if not len(used):
        return 0.0
    return float(np.average([1 - _entropy(row) / math.log(len(row)) for row in used], weights=used.sum(1)))


def _gap(information, entropies):
    if len(information) < 2:
        raise ValueError(f"mig: codes have {len(information)} latent; a gap needs at least two.")
    ordered = np.sort(information, 0)
    return float(((ordered[-1] - ordered[-2]) / entropies).mean())


def _entropy(counts):
    p = np.asarray(counts, float).ravel() / np.sum(counts)
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def _checked(name, codes, factors):
    """Codes and factors as arrays; factors with one value only are named and left out."""
    codes, factors = (np.asarray(torch.as_tensor(a).cpu()) for a in (codes, factors))
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or len(codes) < 2:
        shapes = f"{codes.shape} and {factors.shape}"
        raise ValueError(f"{name}: codes and factors have shapes {shapes}; allowed are (N, Q) and (N, K), N >= 2.")
    if not np.issubdtype(factors.dtype, np.integer) or factors.min() < 0:
        raise ValueError(f"{name}: factors are {factors.dtype} from {factors.min()}; allowed are classes 0, 1, ...")
    if not np.isfinite(codes).all():
        raise ValueError(f"{name}: codes hold NaN or infinite values; every value must be finite.")
    varies = (factors != factors[0]).any(0)
    if not varies.all():
        gone = ", ".join(map(str, np.flatnonzero(~varies)))
        if not varies.any():
            raise ValueError(f"{name}: every factor is constant (columns {gone}); at least one must vary.")
        warnings.warn(f"{name}: factors in columns {gone} are constant and are left out.", stacklevel=3)
    return codes.astype(np.float64), factors[:, varies].astype(np.int64)


def _groups(column):
    """Image numbers sorted by value, and for each image where its group begins and how large it is."""
    order = np.argsort(column, kind="stable")
    count = np.bincount(column)
    return order, (count.cumsum() - count)[column], count[column]


def _sharing(group, first, rng):
    """`first` itself and, for each of its images, one that shares the factor's value with it."""
    order, start, count = group
    return first, order[start[first] + (rng.random(first.shape) * count[first]).astype(int)]
