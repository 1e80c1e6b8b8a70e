"""`python -m systems.findings`: write docs/findings.md, or look whether all of it is still so."""

from __future__ import annotations

import sys

import click

from systems.findings.page import PAGE, check, collect, render


@click.command()
@click.option("--check", "checking", is_flag=True, help="Carry out the command of each finding.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def main(checking: bool, names: tuple[str, ...]) -> None:
    """Write docs/findings.md; with --check, carry out the commands of all findings, or of NAMEs.

    The exit code is 1 if one is not seen any more, or if the page is not up to date.
    """
    findings = collect()
    if not checking:
        PAGE.write_text(render(findings), encoding="utf-8")
        click.echo(f"{PAGE}: {len(findings)} findings")
        return
    unknown = sorted({*names} - {finding.name for finding in findings})
    if unknown:
        raise click.UsageError(f"There is no finding called {', '.join(unknown)}.")
    lost = PAGE.read_text(encoding="utf-8") != render(findings)
    if lost:
        click.echo(f"{PAGE} is not up to date; `python -m systems.findings` writes it")
    for finding in findings:
        if not names or finding.name in names:
            checked = check(finding)
            click.echo(f"{checked.outcome:16} {finding.name}")
            if checked.outcome != "seen":
                click.echo(checked.output)
            lost |= checked.outcome == "not seen"
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
