"""The protocol as a small explicit-state model: one address, two runners, one server, and everything that can go wrong.

Plain breadth-first search over all reachable states, so that a trace to a broken promise is a shortest one. A step is
one thing that becomes durable, is sent, or happens to somebody; between any two steps a runner may be killed or stand
still while time passes. Independent of the tool: it says whether the rules of protocol.md are enough, not whether the
code keeps them.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

SETTLE = 2
"""Ticks for which a request may still take effect (assumption A1); a tick later it cannot."""

OLDER = SETTLE + 1
FOREIGN = 0
"""The record that was at the invoice before; somebody may edit it until it looks like ours."""


@dataclass(frozen=True)
class Rules:
    """What the client does; each rule can be taken away."""

    settle_time: bool = True
    retry_needs_settling: bool = True
    baseline: bool = True
    compare_and_swap: bool = True
    two_listings: bool = True
    intent_first: bool = True
    stale_intent_is_not_sent: bool = True


@dataclass(frozen=True)
class Bounds:
    """How much may happen: `entries` is what the journal may come to hold, two for an attempt with its outcome."""

    sends: int = 2
    entries: int = 4
    crashes: int = 1
    steals: int = 1
    misses: int = 1


BOUNDS = Bounds()


class Request(NamedTuple):
    """A create under way, `age` ticks after it was sent; `sender` waits for its answer, or nobody does (-1)."""

    sender: int
    age: int


class Runner(NamedTuple):
    """One client. `version` is that of the journal it has read."""

    phase: str = "idle"
    version: int = 0
    sees: frozenset[int] = frozenset()


class World(NamedTuple):
    """Everything. `record` is the Id in the state; `intent` is the age of the open intent, None without one."""

    runners: tuple[Runner, Runner] = (Runner(), Runner())
    lock: int = -1
    version: int = 0
    record: int | None = None
    intent: int | None = None
    baseline: frozenset[int] = frozenset()
    requests: tuple[Request, ...] = ()
    ours: int = 0
    foreign_matches: bool = False
    sends_left: int = 2
    entries_left: int = 4
    crashes_left: int = 1
    steals_left: int = 1
    misses_left: int = 1


class Broken(NamedTuple):
    """A promise that does not hold, and the shortest way there."""

    promise: str
    trace: tuple[str, ...]


class Explored(NamedTuple):
    """What a search found: how many states there are, and the first broken promise, if any."""

    states: int
    broken: Broken | None


def explore(rules: Rules, bounds: Bounds = BOUNDS, promises: tuple[str, ...] = ("I1", "I2", "I4")) -> Explored:
    """Visits every state that can be reached, breadth first, until one of the promises is broken."""
    start = World(
        sends_left=bounds.sends,
        entries_left=bounds.entries,
        crashes_left=bounds.crashes,
        steals_left=bounds.steals,
        misses_left=bounds.misses,
    )
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    queue = deque([start])
    while queue:
        world = queue.popleft()
        promise = broken_promise(world, promises)
        if promise.startswith(promises):
            return Explored(len(came_from), Broken(promise, _trace(came_from, world)))
        for step, following in steps(world, rules):
            if following not in came_from:
                came_from[following] = (world, step)
                queue.append(following)
    return Explored(len(came_from), None)


def _trace(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    trace: list[str] = []
    while (origin := came_from[world]) is not None:
        world, step = origin
        trace.append(step)
    return tuple(reversed(trace))


def broken_promise(world: World, promises: tuple[str, ...]) -> str:
    """The first of these promises that a state breaks; "none" when it keeps them all."""
    is_unknown = world.ours > 0 and world.record != 1 and world.intent is None
    is_under_way = any(request.age <= SETTLE for request in world.requests)
    kept = {
        "I1: a record is created at most once": world.ours <= 1,
        "I2: every record is in the state, or its intent is open": not is_unknown,
        "I4: no request is under way without an open intent": not is_under_way or world.intent is not None,
    }
    return next((promise for promise, holds in kept.items() if not holds and promise.startswith(promises)), "none")


def steps(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """Everything that can happen next."""
    for who in (0, 1):
        yield from _runner_steps(world, rules, who)
        yield from _accidents(world, who)
    for index, request in enumerate(world.requests):
        yield from _server_steps(world, index, request)
    if not world.foreign_matches:
        yield "somebody edits the old record until it looks like ours", world._replace(foreign_matches=True)
    aged = _tick(world)
    if aged != world:
        yield "time passes", aged


def _tick(world: World) -> World:
    requests = tuple(
        request._replace(age=request.age + 1)
        for request in world.requests
        if request.age < SETTLE or request.sender >= 0
    )
    requests = tuple(request._replace(age=min(request.age, OLDER)) for request in requests)
    intent = None if world.intent is None else min(world.intent + 1, OLDER)
    return world._replace(requests=requests, intent=intent)


def _accidents(world: World, who: int) -> Iterator[tuple[str, World]]:
    if world.runners[who].phase == "idle":
        return
    if world.crashes_left:
        yield f"runner {who} is killed", _ended(world, who)._replace(crashes_left=world.crashes_left - 1)
    if world.lock == who and world.steals_left:
        yield f"somebody breaks runner {who}'s lock", world._replace(lock=-1, steals_left=world.steals_left - 1)


def _server_steps(world: World, index: int, request: Request) -> Iterator[tuple[str, World]]:
    others = world.requests[:index] + world.requests[index + 1 :]
    waiting = request.sender >= 0 and world.runners[request.sender].phase == "waiting"
    if request.age <= SETTLE:
        made = world._replace(requests=others, ours=world.ours + 1)
        yield "the create takes effect, its answer is lost", _told(made, request.sender, "unanswered")
        refused = world._replace(requests=others)
        yield "the create is lost on its way", _told(refused, request.sender, "unanswered")
        if waiting:
            yield "the create takes effect and is answered", _told(made, request.sender, "answered yes")
            yield "the create is refused", _told(refused, request.sender, "answered no")
    if waiting:
        left = (*others, request._replace(sender=-1))
        gone = world._replace(requests=tuple(sorted(left)))
        yield f"runner {request.sender} gives up waiting", _told(gone, request.sender, "unanswered")


def _told(world: World, who: int, phase: str) -> World:
    if who < 0 or world.runners[who].phase != "waiting":
        return world
    return _with(world, who, world.runners[who]._replace(phase=phase))


def _runner_steps(world: World, rules: Rules, who: int) -> Iterator[tuple[str, World]]:
    phase = world.runners[who].phase
    match phase:
        case "idle":
            if world.lock == -1 or not rules.compare_and_swap:
                runner = Runner("loaded", world.version)
                yield f"runner {who} takes the lock and reads the journal", _with(world, who, runner)._replace(lock=who)
        case "loaded" | "listed once":
            yield from _look(world, rules, who)
        case "clear":
            yield from _intend(world, rules, who)
        case "intended":
            yield from _send(world, rules, who)
        case "answered yes":
            yield f"runner {who} writes down: applied", _append(world, rules, who, record=1, intent=None)
        case "answered no":
            yield f"runner {who} writes down: no effect", _append(world, rules, who, intent=None)
        case "unanswered":
            if rules.retry_needs_settling:
                yield f"runner {who} ends in doubt", _ended(world, who)
            else:
                again = world.runners[who]._replace(phase="clear")
                yield f"runner {who} tries once more", _with(world, who, again)


def _look(world: World, rules: Rules, who: int) -> Iterator[tuple[str, World]]:
    if world.record is not None:
        yield f"runner {who} has nothing to do", _ended(world, who)
        return
    everything = frozenset({FOREIGN, *range(1, world.ours + 1)})
    yield from _seen(world, rules, who, everything, "lists the invoice")
    if world.ours and world.misses_left:
        missed = world._replace(misses_left=world.misses_left - 1)
        yield from _seen(missed, rules, who, frozenset({FOREIGN}), "gets a listing that lacks a record")


def _seen(world: World, rules: Rules, who: int, shown: frozenset[int], verb: str) -> Iterator[tuple[str, World]]:
    runner = world.runners[who]
    matches = frozenset(i for i in shown if i != FOREIGN or world.foreign_matches)
    if world.intent is None:
        if matches:
            yield f"runner {who} {verb}: it exists already, refused", _ended(world, who)
        else:
            yield f"runner {who} {verb}: clear", _with(world, who, runner._replace(phase="clear", sees=shown))
        return
    candidates = matches - (world.baseline if rules.baseline else frozenset())
    if len(candidates) > 1:
        yield f"runner {who} {verb}: asks", _ended(world, who)
    elif candidates:
        (found,) = candidates
        yield f"runner {who} {verb}: adopts {found}", _append(world, rules, who, record=found, intent=None)
    elif rules.settle_time and world.intent <= SETTLE:
        yield f"runner {who} {verb}: too early to tell", _ended(world, who)
    elif rules.two_listings and runner.phase != "listed once":
        yield f"runner {who} {verb}: nothing", _with(world, who, runner._replace(phase="listed once"))
    else:
        yield f"runner {who} {verb}: believes it was not created", _append(world, rules, who, intent=None)


def _intend(world: World, rules: Rules, who: int) -> Iterator[tuple[str, World]]:
    runner = world.runners[who]
    if not rules.intent_first:
        yield f"runner {who} is ready to send", _with(world, who, runner._replace(phase="intended"))
        return
    if not _may_write(world, rules, who):
        yield f"runner {who} finds its lock gone", _ended(world, who)
        return
    if not world.entries_left:
        return
    version = world.version + 1
    written = world._replace(version=version, intent=0, baseline=runner.sees, entries_left=world.entries_left - 1)
    yield f"runner {who} writes its intent", _with(written, who, runner._replace(phase="intended", version=version))


def _send(world: World, rules: Rules, who: int) -> Iterator[tuple[str, World]]:
    if not _may_write(world, rules, who):
        yield f"runner {who} finds its lock gone", _ended(world, who)
    elif rules.stale_intent_is_not_sent and world.intent:
        yield f"runner {who} finds its intent stale: no effect", _append(world, rules, who, intent=None)
    elif world.sends_left:
        requests = tuple(sorted((*world.requests, Request(who, 0))))
        sent = world._replace(requests=requests, sends_left=world.sends_left - 1)
        yield f"runner {who} sends the create", _with(sent, who, world.runners[who]._replace(phase="waiting"))


def _may_write(world: World, rules: Rules, who: int) -> bool:
    is_ours = world.lock == who and world.version == world.runners[who].version
    return is_ours or not rules.compare_and_swap


def _append(world: World, rules: Rules, who: int, **changes: int | None) -> World:
    """Writes down an outcome or a verdict and ends the run; nothing is written over what another runner wrote."""
    if not _may_write(world, rules, who):
        return _ended(world, who)
    left = max(0, world.entries_left - 1)
    return _ended(world._replace(version=world.version + 1, entries_left=left, **changes), who)  # type: ignore[arg-type]


def _ended(world: World, who: int) -> World:
    requests = tuple(request._replace(sender=-1) if request.sender == who else request for request in world.requests)
    lock = -1 if world.lock == who else world.lock
    return _with(world, who, Runner())._replace(lock=lock, requests=tuple(sorted(requests)))


def _with(world: World, who: int, runner: Runner) -> World:
    runners = (runner, world.runners[1]) if who == 0 else (world.runners[0], runner)
    return world._replace(runners=runners)
