"""The same kind of plan by octoDNS and terraform: as many records, 1 % of them changed, against what they know already.

octoDNS comes from the package index into an environment of its own. Each record is one of a zone, compared with the
same zone in a second folder. terraform is measured where it is installed: one `terraform_data` block a record, the only
resource that needs no provider, against a state written by hand. Its time grows faster than the number of records (100
thousand: 285 s and 10 GB on two cores), so it runs at a smaller number, and is compared with a plan of that number.
"""

import json
import shutil
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path

from make_manifests import FIRST, LINEAGE, PROVIDERS, notes_of
from measuring import BenchError, Command, measure, run_quietly
from places import Bench, reconcile
from tables import Report, say, times

_OCTODNS = """\
manager: {max_workers: 1}
providers:
  declared: {class: octodns.provider.yaml.YamlProvider, directory: declared}
  known: {class: octodns.provider.yaml.YamlProvider, directory: known}
zones:
  example.com.: {sources: [declared], targets: [known]}
"""


def octodns(bench: Bench, report: Report) -> None:
    """octoDNS against reconcile."""
    count = bench.size.octodns
    report.head(f"octoDNS: {count:,} records")
    try:
        tool = _installed_octodns(bench)
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        report.remark(f"not measured: octoDNS cannot be installed ({str(error).splitlines()[0]})")
        return
    folder = bench.scratch / "octodns"
    for name, is_changed in (("declared", True), ("known", False)):
        path = folder / name / "example.com.yaml"
        path.parent.mkdir(parents=True)
        with path.open("w") as file:
            file.writelines(_zone(count, is_changed=is_changed))
    (folder / "config.yaml").write_text(_OCTODNS)
    other = Command("octoDNS plan", [tool, "--config-file", "config.yaml"], folder)
    _compare(bench, report, count, other)


def _installed_octodns(bench: Bench) -> Path:
    place = bench.work / "octodns"
    tool = place / "bin" / "octodns-sync"
    if not tool.exists():
        say("installing octoDNS into an environment of its own")
        venv.create(place, with_pip=True)
        run_quietly(bench.work, [place / "bin" / "pip", "install", "--quiet", "octodns"])
    return tool


def _zone(count: int, *, is_changed: bool) -> Iterator[str]:
    """In the order of names, which octoDNS insists on."""
    yield "---\n"
    for number in range(FIRST, FIRST + count):
        ttl = 600 if is_changed and number % 100 == 0 else 300
        yield f"inv-{number}:\n  ttl: {ttl}\n  type: TXT\n  value: {notes_of(number)}\n"


def terraform(bench: Bench, report: Report) -> None:
    """terraform against reconcile."""
    count = bench.size.terraform
    report.head(f"terraform: {count:,} records")
    tool = shutil.which("terraform")
    if tool is None:
        report.remark("not measured: terraform is not installed")
        return
    folder = bench.scratch / "terraform"
    folder.mkdir()
    with (folder / "main.tf").open("w") as file:
        file.writelines(_block(number, is_changed=number % 100 == 0) for number in range(FIRST, FIRST + count))
    state = {"version": 4, "terraform_version": "1.5.0", "serial": 1, "lineage": LINEAGE, "outputs": {}}
    resources = [_instance(number) for number in range(FIRST, FIRST + count)]
    (folder / "terraform.tfstate").write_text(json.dumps({**state, "resources": resources, "check_results": None}))
    run_quietly(bench.work, [tool, "init", "-input=false"], folder)
    other = Command("terraform plan", [tool, "plan", "-input=false", "-lock=false"], folder)
    _compare(bench, report, count, other)
    report.remark("terraform's time and memory grow faster than the records: 285 s and 10 GB for 100,000 on two cores")


def _compare(bench: Bench, report: Report, count: int, other: Command) -> None:
    project = bench.make_project(f"beside-{other.name.split()[0]}", count, "--changed", "1")
    is_long = count >= 20_000
    say(f"{other.name} of {count:,}")
    (theirs,) = measure(bench.work, [other], runs=1 if is_long else 3, warm_ups=0 if is_long else 1)
    (ours,) = measure(bench.work, [reconcile(f"reconcile plan of {count:,}", project, "plan")], runs=3)
    ratio = theirs.over(ours)
    # Both kinds of time: a run of minutes takes no turns, and meets whatever else the machine does meanwhile.
    more = f"{ratio.by_processor:.1f} x by processor time, {theirs.peak_mb / ours.peak_mb:.1f} x its memory"
    report.rows([ours, theirs], ["", f"{times(ratio, 'reconcile')}, {more}"])


def _values(number: int, *, is_changed: bool = False) -> dict[str, str | int]:
    return {
        "coworker_invoice_id": number,
        "notes": notes_of(number) + (", corrected" if is_changed else ""),
        "regular_payment_provider": PROVIDERS[number % len(PROVIDERS)],
        "token_from": f"env:INV_{number}_TOKEN",
    }


def _block(number: int, *, is_changed: bool) -> str:
    fields = "\n".join(
        f"    {name} = {json.dumps(value)}" for name, value in _values(number, is_changed=is_changed).items()
    )
    return f'resource "terraform_data" "inv-{number}" {{\n  input = {{\n{fields}\n  }}\n}}\n'


def _instance(number: int) -> dict[str, object]:
    values = _values(number)
    kinds = {name: "number" if isinstance(value, int) else "string" for name, value in values.items()}
    typed = {"value": values, "type": ["object", kinds]}
    identity = f"00000000-0000-4000-8000-{number:012}"
    return {
        "mode": "managed",
        "type": "terraform_data",
        "name": f"inv-{number}",
        "provider": 'provider["terraform.io/builtin/terraform"]',
        "instances": [
            {
                "schema_version": 0,
                "attributes": {"id": identity, "input": typed, "output": typed, "triggers_replace": None},
                "sensitive_attributes": [],
            }
        ],
    }
