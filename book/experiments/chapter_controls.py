"""Controls of the chapters: what a page computes for one seed, recorded for several.

A row executes the cells of its notebook that define a function, and calls it with each seed: the
page calls the same function. `code` identifies these cells, so that the receipt becomes stale when
one of them changes in more than its comments and layout.
"""

import ast
import hashlib
import os

from .runner import cells, fingerprint, summaries

VERSION = 1
PROFILE = "default"  # tests run the functions in the smoke profile
CLAIM = "What a chapter says of one seed holds for others, except where the chapter says not."


def row(name, title, chapter, needed, function, seeds):
    code = ast.dump(ast.parse("\n".join(cells(chapter, needed))))
    config = {
        "chapter": chapter,
        "cells": needed,
        "function": function,
        "code": hashlib.sha256(code.encode()).hexdigest()[:16],
        "seeds": list(range(seeds)),
    }
    return {"id": name, "title": f"Chapter {int(chapter[:2])}: {title}", "config": config}


ROWS = [
    row("02-habits", "Squared error summed or averaged", "02_elbo",
        ["setup", "habits", "habits-run"], "habits", 6),
    row("02-gauge", "Moments of the code: fast, slow, clamped", "02_elbo",
        ["setup", "clamp", "gauge-run", "gauge-train"], "gauge", 6),
    row("05-any-prior", "Codes in the shape of a wheel and of a roll", "05_aae",
        ["setup", "kinds", "shaped-like", "prior-match"], "rests_of", 20),
    row("05-style", "The label in a code of four numbers and of twelve", "05_aae",
        ["setup", "kinds", "kinds-run", "style", "style-reads"], "reads_of", 3),
    row("05-aggregates", "Aggregates beside the prior: tests and holes", "05_aae",
        ["setup", "kinds", "kinds-run", "kinds-vae", "two-sample", "two-sample-run", "holes",
         "aggregates-of"], "aggregates_of", 3),
    row("05-few", "A hundred labels, drawn anew for each seed", "05_aae",
        ["setup", "kinds", "few", "few-errors", "few-drawn"], "helped_of", 10),
    row("04-messages", "A VAE and an IWAE of fifty messages on the digits", "04_iwae",
        ["setup", "train-lines", "messages"], "messages_of", 3),
    row("08-mean-image", "The mean of 500 MNIST images as a model", "08_mmd_vae",
        ["setup", "mean-image"], "mean_image", 1),
    row("10-match", "How near each member ends to its prior", "10_family",
        ["setup", "family-pieces", "family", "members", "network", "referees", "plate",
         "measure-match", "plate-matches"], "matches_of", 10),
    row("12-bits", "Five likelihoods of the same digits, in bits per pixel", "12_your_data",
        ["setup", "kinds", "kinds-run"], "bits_of", 3),
    row("12-sizes", "Sizes of the code", "12_your_data",
        ["setup", "sizes", "sizes-run"], "sizes_of", 3),
    row("12-strengths", "Strengths of the prior", "12_your_data",
        ["setup", "strengths"], "strengths_of", 3),
    row("12-gaps", "A table with gaps, filled", "12_your_data",
        ["setup", "make-files", "split", "kinds-of-columns", "early", "mixed-model",
         "mixed-train", "fill", "fill-run"], "gaps_of", 10),
    row("12-given", "Digits given their label", "12_your_data",
        ["setup", "conditional", "conditional-run"], "given_of", 3),
    row("12-odd", "Each class left out in turn", "12_your_data",
        ["setup", "conditional", "odd", "odd-run"], "odd_of", 10),
    row("12-foreign", "Tiles of another photograph, and blurred ones", "12_your_data",
        ["setup", "make-files", "read-pictures", "pictures-read", "split", "foreign",
         "foreign-run"], "foreign_of", 3),
    row("13-silent", "Three remedies for a silent code", "13_diagnosis",
        ["setup", "healthy", "silent-run", "silent-kl"], "last_kl", 3),
    row("13-strong", "A decoder that reads pixels: remedies for a low KL", "13_diagnosis",
        ["setup", "strong", "strong-arms", "strong-run"], "strong", 3),
    row("13-holes", "Draws from the prior, and cures afterwards", "13_diagnosis",
        ["setup", "examine", "healthy", "vamp", "holes-run", "holes-ill", "holes-cures"],
        "cures", 3),
    row("13-game", "A discriminator that wins or sleeps", "13_diagnosis",
        ["setup", "examine", "holes-run", "game-rates", "game-run", "judge"], "verdicts", 3),
]  # fmt: skip


def run(config, device, folder):
    """Call the chapter's function with each seed, in the default profile."""
    os.environ["VAELIB_PROFILE"] = PROFILE
    names = {"__name__": "__main__"}
    for source in cells(config["chapter"], config["cells"]):
        exec(source, names)
    measured = [names[config["function"]](seed) for seed in config["seeds"]]
    return summaries(measured, {}), {"digits": fingerprint(names["digits"].train)}
