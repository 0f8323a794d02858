"""The book's experiments: programs whose results are recorded under book/receipts.

An experiment is a module with VERSION (raised when a result changes its meaning), CLAIM, ROWS
(dicts with id, title, config and, optionally, paper: {quantity: (value, source)} and needs_gpu),
and run(config, device, folder) -> (results, data): {quantity: receipts.summary(...)} and {data set:
SHA-256}. `folder` is for checkpoints, from which a later call resumes.
"""
