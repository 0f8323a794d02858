import torch


def median_distance(points):
    """The median distance of two different points, (n, Q) -> one number."""
    squared = ((points[:, None] - points) ** 2).sum(-1)
    i, j = torch.triu_indices(len(points), len(points), offset=1)
    return squared[i, j].median().sqrt()  #! return squared[i, j].median()
    #! or -2: squared = ((points[:, None] - points) ** 2).sum(-1).sqrt()


def discrepancy(k, n):
    """The unbiased MMD² of the first n points and the others, from all similarities k."""
    m = len(k) - n
    xx, yy, xy = k[:n, :n], k[n:, n:], k[:n, n:]
    within_x = (xx.sum() - xx.trace()) / (n * (n - 1))
    within_y = (yy.sum() - yy.trace()) / (m * (m - 1))  #! within_y = yy.mean()
    return (within_x + within_y - 2 * xy.mean()).item()


def two_sample_test(x, y, permutations):
    """The MMD² of x, (n, Q), and y, (m, Q), and its p-value; h is the pool's median distance."""
    pool, n, count = torch.cat([x, y]), len(x), 0
    h = median_distance(pool)  #! h = median_distance(x)
    k = torch.exp(-((pool[:, None] - pool) ** 2).sum(-1) / (2 * h**2))
    observed = discrepancy(k, n)
    for _ in range(permutations):
        order = torch.randperm(len(k))  #! order = torch.randint(len(k), (len(k),))
        shuffled = k[order][:, order]  #! shuffled = k[order]
        #! or +1: count += discrepancy(shuffled[:, order], n) >= observed
        count += discrepancy(shuffled, n) >= observed
    return observed, (1 + count) / (1 + permutations)  #! return observed, count / permutations
