"""An organisation's rules for a plan: shares of changes, providers, notes, protection. Only says what breaks them.

Both sides may come from a stranger: the notes from a pull request's manifests, the pattern from its settings. So
patterns are those of an engine that takes time in proportion to the text, and both are bounded.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from reconcile.core.changes import Action, Change, Refusal
from reconcile.core.records import PROVIDERS, Address, PaymentToken, Provider
from reconcile.core.safety import SHARES_COUNT_FROM, Policy, Safety

MAX_PATTERN: Final = 200
MAX_NOTES: Final = 1000
"""Characters of notes that are matched; longer ones break the rule. Nexudus may not keep more than 255."""

_NAMED: Final = 5
_is_glob = re.compile(r"[A-Za-z0-9._*?!\[\]-]{1,200}").fullmatch


class PolicyError(ValueError):
    """A rule that cannot be one; `help` says what to write instead."""

    def __init__(self, message: str, help: str) -> None:  # noqa: A002 - as elsewhere
        super().__init__(message)
        self.help = help


def read_rule(name: str, text: str) -> str | tuple[str, ...]:
    """The value of a field of `Policy`, as settings write it: lists separated by commas.

    Raises:
        PolicyError: It is not one that such a rule can have.
    """
    if name == "notes_pattern":
        matcher(text)
        return text
    items = tuple(item.strip() for item in text.split(","))
    if name == "allowed_providers":
        if unknown := [item for item in items if item not in PROVIDERS]:
            message = f'"{unknown[0][:60]}" is not the name of a payment provider'
            raise PolicyError(message, "`reconcile schema` lists them all")
    elif not all(map(_is_glob, items)):
        raise PolicyError("addresses are needed, or patterns with * ? [ ]", "write a list such as [deposit-*]")
    return items


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text holds the pattern somewhere; `^` and `$` tie it to the text's ends.

    The engine is the one behind pydantic: automata, so no look-around and no back-references, and never the
    exponential time that Python's `re` can take.

    Raises:
        PolicyError: It is none, is too long, or counts so far that its automaton would be too large.
    """
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    if len(pattern) > MAX_PATTERN:
        raise PolicyError(f"a pattern has at most {MAX_PATTERN} characters", "shorten it")
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        help_ = "write one such as ^INV-[0-9]+, without look-around, back-references and high counts"
        raise PolicyError("this is not a regular expression that can be used", help_) from None
    return lambda text: len(text) <= MAX_NOTES and validator.isinstance_python(text)


def refusals_by_share(changes: Iterable[Change], held: int, safety: Safety) -> Iterator[Refusal]:
    """Kinds of change that concern too large a share of the `held` records of the state."""
    if held < SHARES_COUNT_FROM:
        return
    shares = {
        Action.CREATE: safety.max_create_share,
        Action.UPDATE: safety.max_update_share,
        Action.DELETE: safety.max_delete_share,
    }
    addresses: dict[Action, list[Address]] = {action: [] for action in shares}
    for change in changes:
        if change.action in addresses:
            addresses[change.action].append(change.address)
    for action, share in shares.items():
        if share is not None and len(addresses[action]) > share * held:
            yield _over_share(action, addresses[action], held, share)


def _over_share(action: Action, addresses: Sequence[Address], held: int, share: float) -> Refusal:
    count = len(addresses)
    plural, verb = ("", "is") if count == 1 else ("s", "are")
    message = (
        f"{count:,} {action}{plural} {verb} {_percent(count / held)} of the {held:,} records in the state, "
        f"{_percent(share)} allowed"
    )
    raising = f"--allow-deletes {count}" if action is Action.DELETE else f"a higher safety.max_{action}_share"
    return Refusal(
        f"max-{action}-share", message, tuple(addresses), f"go on with {raising}, or leave some out with --exclude"
    )


def _percent(share: float) -> str:
    return f"{100 * share:,.1f}".removesuffix(".0") + " %"


def refusals_by_policy(declared: Sequence[PaymentToken], changes: Iterable[Change], policy: Policy) -> list[Refusal]:
    """The rules that records break: each rule once, naming its records and where they are declared."""
    refusals: list[Refusal] = []
    if (allowed := policy.allowed_providers) is not None:
        other = [record for record in declared if _provider_name(record) not in {None, *allowed}]
        refusals += _broken("allowed-providers", "{} with a provider other than " + ", ".join(allowed), other)
    if (pattern := policy.notes_pattern) is not None:
        is_right = matcher(pattern)
        wrong = [record for record in declared if not (isinstance(record.notes, str) and is_right(record.notes))]
        refusals += _broken("notes-pattern", "{} without notes that match the pattern", wrong)
    if policy.protected is not None:
        refusals += _unprotected(declared, changes, policy.protected)
    return refusals


def _unprotected(declared: Iterable[PaymentToken], changes: Iterable[Change], globs: tuple[str, ...]) -> list[Refusal]:
    def has_to_be(address: Address) -> bool:
        return any(fnmatchcase(address, glob) for glob in globs)

    bare = [record for record in declared if not record.protect and has_to_be(record.address)]
    retired = [change for change in changes if change.action is Action.DELETE and has_to_be(change.address)]
    return [
        *_broken("protected", "{} without `protect: true`", bare),
        *_broken("protected", "{} to be deleted at a protected address", retired),
    ]


def _provider_name(record: PaymentToken) -> str | None:
    provider = record.regular_payment_provider
    return provider.name if isinstance(provider, Provider) else None


def _broken(rule: str, what: str, those: Sequence[PaymentToken | Change]) -> list[Refusal]:
    """The refusal that names `those`, the first few with their places; none where nothing breaks the rule."""
    if not those:
        return []
    named = [f"{one.address} ({one.location})" if one.location else one.address for one in those[:_NAMED]]
    if len(those) > _NAMED:
        named.append(f"and {len(those) - _NAMED:,} more")
    counted = f"{len(those):,} record{'' if len(those) == 1 else 's'}"
    setting = "policy." + rule.replace("-", "_")
    message = f"{setting}: {what.format(counted)}: {', '.join(named)}"
    excluding = f"--exclude {those[0].address}" if len(those) == 1 else "--exclude"
    return [Refusal(f"policy-{rule}", message, tuple(one.address for one in those), f"correct that, or {excluding}")]
