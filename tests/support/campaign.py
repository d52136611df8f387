"""How large a campaign is: small enough for every run of the tests, or in full with `CAMPAIGN=full`."""

import os
from itertools import pairwise

IS_FULL = os.environ.get("CAMPAIGN", "") == "full"


def size(small: int, full: int) -> int:
    """How many cases to try; `CAMPAIGN_CASES=N` tries another number."""
    chosen = os.environ.get("CAMPAIGN_CASES", "")
    return int(chosen) if chosen else full if IS_FULL else small


def seeds(small: int, full: int, parts: int) -> list[range]:
    """The numbers of all cases in about equal parts, so that several processes can share them."""
    total = size(small, full)
    edges = [total * part // parts for part in range(parts + 1)]
    return [range(begin, end) for begin, end in pairwise(edges) if begin < end]
