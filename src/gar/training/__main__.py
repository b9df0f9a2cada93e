"""`python -m gar.training RECIPE [key=value …]`: `gar train` for launchers that start modules, such as accelerate's."""

import sys

from gar.ending import exit_status
from gar.training.command import run_command


def main(arguments: list[str]) -> int:
    """Runs the command; mistakes are one line on stderr and exit status 2."""
    dry_run = "--dry-run" in arguments
    given = [argument for argument in arguments if argument != "--dry-run"]
    if not given:
        sys.stderr.write("usage: python -m gar.training RECIPE [key=value …] [--dry-run]\n")
        return 2
    return exit_status(lambda: run_command(given[0], given[1:], dry_run=dry_run))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
