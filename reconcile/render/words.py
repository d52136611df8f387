"""Numbers and times in words, the same in every output."""


def counted(number: int, noun: str) -> str:
    """`1 write`, `6,206 writes`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """`0 s`, `42 s`, `17 min`, `1 h 44 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"
