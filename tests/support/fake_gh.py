"""The command `gh`, as far as the recipes use it: GitHub's side is a folder, named by FAKE_GITHUB.

`pulls.json`, `files-<number>.json` and `comments-<number>.json` are what its API answers; artifacts are folders.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

GITHUB = Path(os.environ["FAKE_GITHUB"])
BOT = {"login": "github-actions[bot]"}


def main(argv: list[str]) -> int:
    assert os.environ.get("GH_TOKEN"), "gh needs a token"
    if argv == ["auth", "setup-git"]:
        return 0
    if argv[:2] == ["run", "download"]:
        return download(argv[2], option(argv, "--name"), Path(option(argv, "--dir")))
    assert argv[0] == "api"
    return api([word for word in argv[1:] if word not in {"--silent", "--paginate"}])


def option(argv: list[str], name: str) -> str:
    return argv[argv.index(name) + 1]


def download(run: str, name: str, to: Path) -> int:
    kept = GITHUB / "artifacts" / run / name
    if not kept.is_dir():
        sys.stderr.write("no valid artifacts found to download\n")
        return 1
    shutil.copytree(kept, to, symlinks=True)
    return 0


def api(argv: list[str]) -> int:
    method = option(argv, "--method") if "--method" in argv else "GET"
    url = urlsplit(next(word for word in argv if word.startswith("repos/")))
    path = url.path.split("/", 3)[3]
    if method == "GET":
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        sys.stdout.write(json.dumps(answer(path, query)))
    else:
        field, _, file = option(argv, "--field").partition("=@")
        assert field == "body"
        write(method, path, Path(file).read_text(encoding="utf-8"))
    return 0


def answer(path: str, query: dict[str, str]) -> object:
    if path == "pulls":
        assert query["state"] == "open"
        return [pull for pull in read("pulls") if pull["head"]["label"] == query["head"]]
    if match := re.fullmatch(r"pulls/(\d+)/files", path):
        return read(f"files-{match[1]}")
    match = re.fullmatch(r"issues/(\d+)/comments", path)
    assert match, path
    return read(f"comments-{match[1]}")


def write(method: str, path: str, body: str) -> None:
    assert len(body) <= 65_536
    if match := re.fullmatch(r"issues/(\d+)/comments", path):
        assert method == "POST"
        name = f"comments-{match[1]}"
        comments = read(name)
        comments.append({"id": int(match[1]) * 1000 + len(comments), "user": BOT, "body": body})
    else:
        match = re.fullmatch(r"issues/comments/(\d+)", path)
        assert match, path
        assert method == "PATCH"
        name = f"comments-{int(match[1]) // 1000}"
        comments = read(name)
        (comment,) = [comment for comment in comments if comment["id"] == int(match[1])]
        assert comment["user"] == BOT
        comment["body"] = body
    (GITHUB / f"{name}.json").write_text(json.dumps(comments), encoding="utf-8")


def read(name: str) -> list[dict[str, object]]:
    path = GITHUB / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
