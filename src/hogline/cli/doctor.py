"""hogline doctor."""

from __future__ import annotations

from hogline.cli.common import Common, Failed, Json, ask, out, print_json

_DEFAULT = Common()
_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]"}


def doctor(*, json: Json = False, common: Common = _DEFAULT) -> None:
    """Check the disk, clock, limits, addresses, credentials and backups, and say what to fix.

    Exits with 1 if it finds a problem.
    """
    findings = ask(common, lambda service: service.doctor.examine())
    if json:
        print_json({"findings": findings})
    else:
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            out.print(f"{_MARKS[finding.level]} [bold]{finding.subject:<{width}}[/]  ", end="")
            out.print(finding.sentence, markup=False)
            if finding.to_do:
                out.print(f"  {'':<{width}}  {finding.to_do}", style="dim", markup=False)
    if any(finding.level == "problem" for finding in findings):
        raise Failed
