"""A project folder, opened: its settings, manifests, backend and secrets. Opening one changes no byte of it.

What only some commands need is loaded when they ask for it: `validate` knows neither state nor secrets.
"""

import gc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconcile.adapters.manifest_files import load_manifests, read_file
from reconcile.adapters.yaml_reader import parse_document
from reconcile.adapters.yaml_text import UnreadableError
from reconcile.core.diagnostics import Diagnostic, has_errors, in_file_order
from reconcile.core.errors import DiagnosedError, UsageError
from reconcile.core.manifest import Manifests
from reconcile.core.nodes import Node
from reconcile.core.quota import UNLIMITED, Limits
from reconcile.core.records import PaymentToken
from reconcile.settings import FILE_NAME, Settings, read_settings

if TYPE_CHECKING:
    from reconcile.adapters.secrets import TokenSources
    from reconcile.core.differences import FingerprintOf
    from reconcile.core.fingerprints import Fingerprints
    from reconcile.core.folded import Folded
    from reconcile.journal import Journal
    from reconcile.ports import Backend, Clock, HeldLock


class Project(NamedTuple):
    """One project folder and what belongs to it.

    Attributes:
        environ: The environment that settings, credentials and secrets come from.
        is_sandbox: Whether everything happens against an embedded sandbox, with a state of its own.
        sandbox_limits: What that sandbox allows.
    """

    settings: Settings
    environ: Mapping[str, str]
    is_sandbox: bool = False
    sandbox_limits: Limits = UNLIMITED

    @property
    def limits(self) -> Limits:
        """The limits of the account it works with."""
        return self.sandbox_limits if self.is_sandbox else self.settings.api.limits

    @property
    def root(self) -> Path:
        """The folder."""
        return self.settings.root

    @property
    def backend(self) -> "Backend":
        """Where its state is."""
        from reconcile.adapters.backends.local import LocalBackend

        return LocalBackend(self.settings.state)

    def secrets(self) -> "TokenSources":
        """Where tokens come from; in the sandbox, one that is not at hand becomes a placeholder."""
        from reconcile.adapters.secrets import TokenSources

        return TokenSources(self.settings.secrets_directory, self.environ, placeholder=self.is_sandbox)

    def fingerprints(self, *, create: bool) -> "Fingerprints | None":
        """Under the key from the environment or beside the state; None when there is none and none is to be made."""
        from reconcile.core.fingerprints import Fingerprints, key_of_text

        if self.settings.fingerprint_key is not None:
            return Fingerprints(key_of_text(self.settings.fingerprint_key.reveal()))
        key = self.backend.fingerprint_key(create=create)
        return Fingerprints(key) if key is not None else None


def open_project(
    directory: str, environ: Mapping[str, str], *, is_sandbox: bool = False, sandbox_limits: str | None = None
) -> Project:
    """Reads the settings of a project folder. `sandbox_limits` is the value of --limits.

    Raises:
        UsageError: There is no such folder, or the limits cannot be understood.
        DiagnosedError: The settings are wrong.
    """
    root = Path(directory).resolve()
    if not root.is_dir():
        raise UsageError(f"there is no folder {directory}", code="no-folder")
    document, problems = _settings_document(root)
    settings, more = read_settings(root, document, environ)
    diagnostics = in_file_order([*problems, *more])
    if has_errors(diagnostics):
        from reconcile.adapters.excerpts import with_excerpts

        raise DiagnosedError("the settings are invalid", with_excerpts(diagnostics, root))
    if is_sandbox:
        settings = settings._replace(state=settings.state / "sandbox")
    return Project(settings, environ, is_sandbox, _limits_of_sandbox(sandbox_limits))


def _settings_document(root: Path) -> tuple[Node | None, list[Diagnostic]]:
    path = root / FILE_NAME
    if not os.path.lexists(path):
        return None, []
    try:
        return parse_document(read_file(path, FILE_NAME), FILE_NAME)
    except UnreadableError as refused:
        return None, [refused.diagnostic]


def _limits_of_sandbox(spec: str | None) -> Limits:
    """The limits that a value of --limits means; a check by the sandbox's own grammar, where there is one to check."""
    if spec is None or spec == "off":
        return UNLIMITED
    from reconcile.sandbox.throttle import parse_limits

    try:
        parse_limits(spec)
    except ValueError as error:
        raise refused_options(error) from None
    if spec.strip() == "published":
        return Limits()
    named = {name.strip(): int(number) for name, _, number in (item.partition("=") for item in spec.split(","))}
    return Limits(**{name: named.get(name) for name in Limits._fields})


def refused_options(error: ValueError) -> UsageError:
    """What the sandbox says about its options, without the table that it adds."""
    message, _, _ = str(error).partition("; write ")
    return UsageError(
        message, code="sandbox-options", help="`reconcile sandbox --help` lists the limits and the faults"
    )


def folder_in_repository(folder: Path) -> str:
    """Where an absolute path is below its repository's root, or else below the working directory; empty for these.

    Paths that a pull request shows begin with it.
    """
    root = next((above for above in (folder, *folder.parents) if (above / ".git").exists()), Path.cwd())
    below = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else "."
    return "" if below == "." else below


def load_declared(project: Project, *, strict: bool = False) -> Manifests:
    """What the manifests declare.

    Raises:
        DiagnosedError: They hold errors, all of which it carries.
    """
    manifests = read_manifests(project, strict=strict)
    if has_errors(manifests.diagnostics):
        from reconcile.adapters.excerpts import with_excerpts

        raise DiagnosedError("the manifests are invalid", with_excerpts(manifests.diagnostics, project.root))
    return manifests


def read_manifests(project: Project, *, strict: bool = False) -> Manifests:
    """What the manifests declare, with whatever is wrong among the diagnostics."""
    settings = project.settings
    return load_manifests(settings.manifests, root=settings.root, env_prefix=settings.env_prefix, strict=strict)


def folded_state(project: Project) -> "Folded":
    """The state with open journal entries folded in; takes no lock and changes no byte.

    Raises:
        StateError: It cannot be read or believed.
    """
    from reconcile.reading import read_current

    return read_current(project.backend, new_lineage=str)  # a state that does not exist yet has no lineage to show


def open_journal(project: Project, clock: "Clock", lock: "HeldLock") -> "Journal":
    """The journal, open for writing for as long as the lock is held.

    The quota's ledger takes over the writes of earlier runs first, and those of later ones before each commit.

    Raises:
        StateError: State, journal or ledger cannot be read or believed.
    """
    from reconcile.adapters.quota_ledger import absorb
    from reconcile.core.times import iso
    from reconcile.journal import Journal
    from reconcile.reading import load

    backend = project.backend
    loaded = load(backend, new_lineage=_new_lineage)
    return Journal.open(
        backend,
        loaded,
        now=lambda: iso(clock.now()),
        is_ours=lock.is_held,
        absorb=lambda writes: absorb(backend, writes, clock.now()),
    )


def keep_loaded() -> None:
    """Ends the start of a command: what it has loaded stays, and from now on garbage is collected among the rest."""
    gc.freeze()
    gc.enable()


def _new_lineage() -> str:
    from uuid import uuid4

    return str(uuid4())


def fingerprint_with(project: Project, fingerprints: "Fingerprints | None") -> "FingerprintOf":
    """How a plan fingerprints declared tokens: None wherever the value or the key is not at hand."""
    if fingerprints is None:
        return lambda declared: None  # noqa: ARG005 - the signature of a FingerprintOf
    secrets = project.secrets()

    def fingerprint_of(declared: PaymentToken) -> str | None:
        secret = secrets.find(declared)
        return fingerprints.of(secret) if secret is not None else None

    return fingerprint_of
