"""When it was due, and how late it is: course.toml in the course's folder (optional).

    zone = "Europe/Berlin"                     # of times without a zone
    late = {per_day = 0.1, most = 0.5}         # optional; without it, late hours are only shown

    [due]
    02_iwae = 2026-11-28T23:59:00              # or with its zone: 2026-11-28T23:59:00+01:00

    [extensions]                               # optional: hours after the due time
    anna = 48                                  # for all assignments
    "anna 02_iwae" = 24                        # for one, in place of the number for all

With `late`, each day begun takes 10 % of the points, all days together at most 50 %. Canvas and
Moodle write the time of your download into their files; the time at which something was handed in
comes from handed_in.csv (student, assignment, time) there, if you write one.
"""

import math
import tomllib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from tables import read_if_there

UTC = timezone.utc  # noqa: UP017


def aware(value, zone, what):
    """Return a time with its zone, in UTC. ValueError: it is not a time, or has no zone."""
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{what} must be a time such as 2026-11-28T23:59:00+01:00, "
                         f"got '{value}'.") from None  # fmt: skip
    if time.tzinfo is None:
        if zone is None:
            raise ValueError(
                f"{what} must have a zone, such as 2026-11-28T23:59:00+01:00, or "
                f"course.toml a line such as zone = \"Europe/Berlin\"; got '{value}'."
            )
        time = time.replace(tzinfo=zone)
    return time.astimezone(UTC)


def read_settings(folder, assignments=None):
    """Return a dict with zone, due ({assignment: time in UTC}), late and extensions.

    ValueError: course.toml says something else than it may.
    """
    path = Path(folder, "course.toml")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} cannot be read: {error}.") from None
    if other := found.keys() - {"zone", "late", "due", "extensions"}:
        raise ValueError(f"{path} may have zone, late, due and extensions, "
                         f"got '{sorted(other)[0]}'.")  # fmt: skip
    try:
        zone = ZoneInfo(found["zone"]) if "zone" in found else None
    except (KeyError, ValueError, TypeError, OSError):
        raise ValueError(f"{path}: zone must be a name such as Europe/Berlin, "
                         f"got '{found['zone']}'.") from None  # fmt: skip
    due = found.get("due", {})
    if assignments is not None and (other := due.keys() - set(assignments)):
        raise ValueError(f"{path}: due must name assignments, {', '.join(assignments)}; "
                         f"got '{sorted(other)[0]}'.")  # fmt: skip
    late = found.get("late")
    if late is not None:
        good = isinstance(late, dict) and late.keys() == {"per_day", "most"} and all(
            isinstance(x, int | float) and 0 <= x <= 1 for x in late.values())  # fmt: skip
        if not good:
            raise ValueError(f"{path}: late must be {{per_day = 0.1, most = 0.5}}, shares from "
                             f"0 to 1; got {late}.")  # fmt: skip
    due = {name: aware(time, zone, f"{path}: due {name}") for name, time in due.items()}
    return {"zone": zone, "due": due, "late": late,
            "extensions": extensions_of(found.get("extensions", {}), path)}  # fmt: skip


def extensions_of(found, path):
    """Return the table [extensions], {student, or student and assignment: hours}."""
    if not isinstance(found, dict):
        raise ValueError(f"{path}: extensions must be a table of hours, got {found!r}.")
    wrong = [
        f"{name} = {hours!r}" for name, hours in found.items()
        if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours <= 99999
    ]  # fmt: skip
    if wrong:
        raise ValueError(f"{path}: extensions must be hours such as anna = 48 or "
                         f"\"anna 02_iwae\" = 24; got {', '.join(wrong)}.")  # fmt: skip
    return found


def strangers(settings, times, students, assignments):
    """Return sentences on extensions and times for unknown students or assignments."""

    def known(name):
        student, _, assignment = name.rpartition(" ")
        return name in students or (student in students and assignment in assignments)

    wrong = {
        "course.toml has extensions": [n for n in settings["extensions"] if not known(n)],
        "handed_in.csv has times": [n for n in map(" ".join, times) if not known(n)],
    }
    return [
        f"{what} for unknown students or assignments, which change nothing: "
        f"{', '.join(map(repr, names))}."
        for what, names in wrong.items()
        if names
    ]


def due_of(settings, student, assignment):
    """Return when an assignment is due for a student, extensions included, or None."""
    due, extra = settings["due"].get(assignment), settings["extensions"]
    hours = extra.get(f"{student} {assignment}", extra.get(student, 0))
    return due + timedelta(hours=hours) if due else None


def read_times(folder, zone):
    """Return {(student, assignment): time in UTC} of handed_in.csv, {} if there is none."""
    path, columns = Path(folder, "handed_in.csv"), ("student", "assignment", "time")
    return {
        (row["student"], row["assignment"]): aware(row["time"], zone, f"{path}: a time")
        for row in read_if_there(path, columns, columns)
    }


def late_hours(handed_in, due):
    """Return by how many hours it was late, 0 if in time; None: nobody knows when it came."""
    if handed_in is None:
        return None
    if due is None or handed_in <= due:
        return 0.0
    return round((handed_in - due).total_seconds() / 3600, 2)


def penalty(hours, late):
    """Return the share of the points that lateness takes."""
    days = math.ceil((hours or 0) / 24)
    return min(late["most"], round(days * late["per_day"], 6)) if late else 0.0


def written(time):
    return time.isoformat(timespec="seconds") if time else None
