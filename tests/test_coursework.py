"""What the assignments get from vaelib: own seeds, programs with one mistake, ready-made parts."""

import re

import pytest

from vaelib import coursework as cw

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
