"""What the assignments get from vaelib: own seeds, programs with one mistake, ready-made parts."""

import re

import pytest
import torch

from vaelib import coursework as cw
from vaelib import oracles

PROGRAMS = sorted(path.stem for path in (cw.HERE / "programs").glob("*.py"))
READY = sorted(path.stem for path in (cw.HERE / "ready").glob("*.py"))


def test_a_seed_depends_on_the_number_and_on_the_purpose_alone():
    assert cw.seed(1234567, "data") == cw.seed(1234567, "data") == 312001278
    seeds = {cw.seed(number, what) for number in range(500) for what in ("", "data")}
    assert len(seeds) == 1000 and all(0 <= value < 2**31 for value in seeds)


@pytest.mark.parametrize("wrong", [None, -1, 1.0, "1234567", True])
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError, match=re.escape(f"STUDENT must be a whole number, 0 or above, "
                                                   f"got {wrong!r}.")):  # fmt: skip
        cw.seed(wrong)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_number_gets_one_mistake_and_all_mistakes_are_given(name):
    text, places = cw._choices(name)
    right = cw._made(text, name).source.splitlines()
    assert len(places) >= 2 and "#!" not in "\n".join(right)
    found = set()
    for student in range(300):
        given = cw.program(name, student)
        lines = given.source.splitlines()
        changed = [i for i, line in enumerate(lines) if line != right[i]]
        assert len(lines) == len(right) and len(changed) == 1 and "#!" not in given.source
        found.add(given.source)
    assert len(found) == len(places)
    assert str(given).splitlines()[0] == f"  1  {lines[0]}".rstrip()


def results(name, program):
    """All that a program computes from a small sample in which each mistake shows."""
    torch.manual_seed(0)
    mean, log_var = torch.randn(2, 7, 3).double()
    x, z = torch.randn(5, 1).double(), mean + torch.randn(7, 3).double()
    if name == "01_elbo":
        encoder = torch.nn.Linear(3, 4).double()
        bound = program.average_bound(
            z, encoder, lambda codes: codes.repeat_interleave(2, -1)[..., :3], log_var[0, 0], 4, 3
        )
        (slope,) = torch.autograd.grad(bound, encoder.bias)
        return bound, slope
    if name == "02_iwae":
        given = oracles.scalar_vae(0.5, 1.2).double(), x, 9
        moments, errors = program.posterior_moments(*given), program.mean_and_error(*given)
        return *moments, *errors, program.resampled(*given, 6)
    if name == "03_aae_mmd":
        k = torch.exp(-torch.cdist(z, z))
        tests = program.two_sample_test(z[:3], 2 + z[3:], 30)
        return program.median_distance(z), program.discrepancy(k, 3), *tests
    if name == "04_beta_tc":
        z = z.requires_grad_()

        def critic(z):
            return z[:, 0] * z[:, 1] - 1

        loss, shuffled = program.critic_loss(critic, z), program.shuffled(z)
        tc = program.total_correlation(critic, z)
        vae_loss = program.vae_loss(-z.square().sum(1), mean.square().sum(1), tc, 3.0)
        (slope,) = torch.autograd.grad(vae_loss, z)
        return loss, loss.requires_grad, shuffled, tc, vae_loss, slope
    if name == "05_vim":
        return tuple(program.surgery(mean.float(), log_var.float(), 2, 0, batch=3).values())
    train, rows = z.clone(), mean.clone()
    train[0, 1] = rows[2, 2] = rows[3, 0] = torch.nan
    step = torch.tensor([0.1, 0.5, 2.0]).double()
    return program.log_normal(rows), program.baseline(train, rows, step)


def same(found, right):
    """Whether two results of `results` are equal up to rounding."""
    pairs = [[torch.as_tensor(part).double() for part in pair]
             for pair in zip(found, right, strict=True)]  # fmt: skip
    return all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-5, equal_nan=True)
               for a, b in pairs)  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_repair_alone_mends_the_program(name):
    text, places = cw._choices(name)
    right = cw._made(text, name)
    students = {cw.program(name, student).source: student for student in range(300)}
    assert len(students) == len(places) and same(results(name, right), results(name, right))
    for source, student in students.items():
        repairs, lines = cw._repairs(name, student), source.splitlines()
        changed = [i for i, line in enumerate(right.source.splitlines(), 1) if line != lines[i - 1]]
        assert list(repairs)[:1] == changed
        assert not same(results(name, cw.program(name, student)), results(name, right)), repairs
        for number, line in repairs.items():
            old = lines[number - 1]
            space = old[: len(old) - len(old.lstrip())]
            mended = "\n".join([*lines[: number - 1], space + line, *lines[number:]])
            assert line != old.strip(), f"line {number} is as it was: {line}"
            found = results(name, cw._made(mended, name))
            assert same(found, results(name, right)), f"line {number} is not mended by {line}"


def test_lines_with_other_repairs_are_not_shown():
    assert list(cw._repairs("01_elbo", 0)) == [9, 10]
    assert list(cw._repairs("06_own_data", 0)) == [30, 31]
    assert list(cw._repairs("06_own_data", 4)) == [19, 18]
    for name in PROGRAMS:
        assert all("#! or" not in cw.program(name, n).source for n in range(30))


@pytest.mark.parametrize("name", READY)
def test_ready_made_functions_are_found_by_name(name):
    with pytest.raises(ValueError, match="has these ready-made functions: ") as error:
        cw.ready_made(name, "nothing")
    names = str(error.value).split(": ")[1].split(";")[0].split(", ")
    assert names != ["none"] and all(callable(cw.ready_made(name, n)) for n in names)


def test_unknown_assignments_are_refused():
    with pytest.raises(ValueError, match="assignment must be one of .*, got '99'"):
        cw.program("99", 1)
    with pytest.raises(ValueError, match="99 has these ready-made functions: none; got 'f'"):
        cw.ready_made("99", "f")
