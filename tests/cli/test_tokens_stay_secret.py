"""No token in any file, output or URL, however it is spelled (protocol.md, I11), while much goes wrong."""

import json
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from project_folder import UNPACED, Folder

from reconcile.sandbox.auth import User
from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]

TOKENS = {
    "env": "pm_env/9fQ+x7 Zr&=%é",
    "file": 'mandate"file\\Kx31/==',
    "literal": "literal_5Tq8+Wv/2Ln9",
    "password": "pass&word/Jd72+Gh58",
    "access": "bearer-Rt63Yu17Io40",
}


REVIEWED = ("markdown", "html", "github")


def spellings(token: str) -> Iterator[bytes]:
    """Every way in which a token may be written, as protocol.md lists them."""
    raw = token.encode()
    yield raw
    yield from (text(token, safe="").encode() for text in (quote, quote_plus))
    yield quote(token).encode()
    for ascii_only in (True, False):
        yield json.dumps(token, ensure_ascii=ascii_only)[1:-1].encode()
        yield json.dumps(token, ensure_ascii=ascii_only)[1:-1].replace("/", "\\/").encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for offset in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            # Without the characters that depend on what stands before and behind.
            yield encode(b"\0" * offset + raw)[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]


def leaks(data: bytes) -> list[str]:
    return [name for name, token in TOKENS.items() if any(spelling in data for spelling in spellings(token))]


def test_the_search_finds_a_token_in_every_spelling() -> None:
    token = TOKENS["env"]
    for text in (token, quote(token), json.dumps({"a": token}), token.encode().hex(), f"x{token}y"):
        assert leaks(text.encode()) == ["env"]
    for before in ("", "a", "ab"):
        assert leaks(b64encode(f"{before}{token}:more".encode())) == ["env"]


@pytest.fixture
def planted(folder: Folder) -> Folder:
    """Six records: two tokens of each source."""
    folder.write(
        "manifests/a.yaml",
        "payment_tokens:\n"
        "  env-1: {coworker_invoice_id: 1, token_from: {env: PLANTED}}\n"
        "  env-2: {coworker_invoice_id: 2, token_from: {env: PLANTED}}\n"
        "  file-1: {coworker_invoice_id: 3, token_from: {file: planted}}\n"
        "  file-2: {coworker_invoice_id: 4, token_from: {file: planted}}\n"
        f"  literal-1: {{coworker_invoice_id: 5, token: {TOKENS['literal']}}}\n"
        f"  literal-2: {{coworker_invoice_id: 6, token: {TOKENS['literal']}}}\n",
    )
    folder.write("secrets/planted", TOKENS["file"] + "\n")
    folder.environ["PLANTED"] = TOKENS["env"]
    return folder


def files_with_leaks(folder: Folder) -> dict[str, list[str]]:
    """The files that hold a token, without those that are to hold it: manifests, secrets and the sandbox's database."""
    found: dict[str, list[str]] = {}
    for path in folder.path.rglob("*"):
        name = path.relative_to(folder.path)
        is_source = name.parts[0] in {"manifests", "secrets"} or "nexudus.sqlite" in name.name
        if path.is_file() and not is_source and (leaked := leaks(path.read_bytes())):
            found[str(name)] = leaked
    return found


def test_no_token_is_in_any_file_output_or_url(planted: Folder, serve: Serve) -> None:
    user = User("jane@example.com", TOKENS["password"])
    sandbox = serve(users=(user,))
    planted.point_at(sandbox).environ |= {"NEXUDUS_USERNAME": user.email, "NEXUDUS_PASSWORD": user.password}
    said: list[str] = []

    def run(*args: str, **environ: str) -> int:
        ran = planted.run(*args, environ=environ)
        said.append(ran.out + ran.err)
        return ran.code

    planned_summary = planted.path / "summary.md"
    sandbox.set_faults("rejected=1")
    assert run("-v", "apply", "--auto-approve") == 1
    assert run("apply", "--auto-approve", "--format", "json") == 1
    sandbox.set_faults("http_401=1")
    assert run("-v", "apply", "--auto-approve") == 1
    assert run("-v", "apply", "--auto-approve", NEXUDUS_ACCESS_TOKEN=TOKENS["access"]) == 1
    sandbox.set_faults("unsuccessful=1")
    assert run("-v", "apply", "--auto-approve", "--target", "*-1") == 1
    sandbox.set_faults("conflict_409_after=1")
    assert run("-v", "apply", "--auto-approve", "--target", "*-2") == 0
    sandbox.set_faults("lost_before@99")
    assert run("-v", "apply", "--auto-approve", "--format", "json") == 0
    assert run("-v", "resolve") == 0
    for args in (
        *("plan", "plan --format json", "plan --full", "show", "show --format json", "state list", "state pull"),
        *("validate", "validate --strict", "validate --format json", "state rm env-9"),
        *(f"{command} --format {output}" for command in ("plan --full", "show", "show env-1") for output in REVIEWED),
        *(f"validate {strict} --format {output}" for strict in ("", "--strict") for output in ("github", "sarif")),
    ):
        run(*args.split(), GITHUB_STEP_SUMMARY=str(planned_summary))

    assert "literal-token" in planned_summary.read_text(encoding="utf-8")
    assert files_with_leaks(planted) == {}
    assert [output for output in said if leaks(output.encode())] == []
    assert [line for line in sandbox.url_log if leaks(line.encode())] == []
    assert sorted(str(record["Token"]) for record in sandbox.records()) == sorted(
        2 * [TOKENS["env"], TOKENS["file"], TOKENS["literal"]]
    )


def test_the_embedded_sandbox_keeps_tokens_in_its_database_alone(planted: Folder) -> None:
    ran = planted.run("-v", "--sandbox", "--faults", "rejected@2,lost_before@3", "apply", "--auto-approve")

    assert ran.code == 4
    assert leaks((ran.out + ran.err).encode()) == []
    assert files_with_leaks(planted) == {}
    database: Path = planted.path / "state" / "sandbox" / "nexudus.sqlite"
    assert leaks(database.read_bytes()) != []
    assert database.stat().st_mode & 0o077 == 0


class Echo(BaseHTTPRequestHandler):
    """A server that repeats everything it was sent, in many spellings, wherever an answer has words."""

    status = 400
    url = ""

    def do_GET(self) -> None:
        body = b'{"Records": [], "TotalItems": 0, "HasNextPage": false}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        heard = [str(sent.get("Token", "")), self.headers["Authorization"].removeprefix("Bearer ")]
        words = " ; ".join(spelling.decode() for token in heard for spelling in spellings(token))
        errors = [{"AttemptedValue": words, "Message": words, "PropertyName": words}]
        body = json.dumps({"Message": words, "Value": None, "Errors": errors, "WasSuccessful": False}).encode()
        self.send_response(self.status, quote(words)[:2000])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test's own output is no log."""


@pytest.fixture
def echo() -> Iterator[type[Echo]]:
    class OwnEcho(Echo):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), OwnEcho) as server:
        OwnEcho.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield OwnEcho
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 1), (400, 1), (401, 1), (404, 1), (409, 4), (422, 1), (500, 4)])
def test_what_a_server_repeats_is_masked_everywhere(status: int, code: int, planted: Folder, echo: type[Echo]) -> None:
    echo.status = status
    planted.environ |= UNPACED | {"NEXUDUS_BASE_URL": echo.url, "NEXUDUS_ACCESS_TOKEN": TOKENS["access"]}

    ran = [planted.run("-v", "apply", "--auto-approve", "--format", output) for output in ("text", "json")]
    ran += [planted.run("plan"), planted.run("plan", "--format", "json")]

    assert [each.code for each in ran] == [code, code, 0, 0]
    assert "***" in ran[0].out + ran[0].err, "the words of the server were not shown, so nothing was proven"
    assert [leaks((each.out + each.err).encode()) for each in ran] == [[], [], [], []]
    assert files_with_leaks(planted) == {}


@pytest.mark.parametrize("length", [1, 3])
def test_a_refused_manifest_shows_no_token(length: int, planted: Folder) -> None:
    """Wherever a token stands by mistake, the excerpt masks it."""
    mistakes = [
        f"payment_tokens:\n  a: {{coworker_invoice_id: x, token: {TOKENS['literal']}}}\n",
        f"payment_tokens:\n  a:\n    coworker_invoice_id: 1\n    tokn: {TOKENS['literal']}\n",
        f"payment_tokens:\n  a:\n    coworker_invoice_id: 1\n    token: {TOKENS['literal']}\n   bad indent: [\n",
    ]
    for number, text in enumerate(mistakes[:length]):
        planted.write(f"manifests/bad-{number}.yaml", text)
    in_formats = (f"plan --format {output}" for output in ("json", *REVIEWED))
    validated = (f"validate --format {output}" for output in ("text", "json", "github", "sarif"))
    for args in ("plan", "apply --auto-approve", *in_formats, *validated):
        ran = planted.run(*args.split())
        assert ran.code == 65
        assert leaks((ran.out + ran.err).encode()) == []
