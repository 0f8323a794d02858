"""The book's experiments: programs whose results are recorded under book/receipts (`python -m book.experiments -h`).

An experiment is a module with VERSION (raised when its meaning changes), CLAIM, ROWS (dicts with id, title, config and,
optionally, paper: {quantity: (value, source)} and needs_gpu), and run(config, device, folder) -> (results, data):
{quantity: receipts.summary(...)} and {data set: SHA-256}. `folder` keeps what a later try can continue from.
"""
