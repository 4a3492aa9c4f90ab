"""`machine`: the other machines on which rounds can be trained, over ssh."""

from __future__ import annotations

import argparse

from ..jobs.machines import Machine, add_machine, find_machine, load_machines, remove_machine
from ..jobs.remote.checks import run_checks
from ..jobs.remote.installation import install
from .columns import print_columns

DEFAULT_FOLDER = "~/semi-supervised-seg"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command and its actions."""
    parser = subparsers.add_parser("machine", help="other machines that train, over ssh")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser("add", help="name a machine, or change one")
    add.add_argument("name", metavar="NAME", help="what to call it")
    add.add_argument("host", metavar="HOST", help="host, login@host, or an alias of your configuration of ssh")
    add.add_argument("--folder", default=DEFAULT_FOLDER, help=f"folder there for this program ({DEFAULT_FOLDER})")
    add.set_defaults(run=_add)
    actions.add_parser("list", help="show the machines").set_defaults(run=_list)
    for name, run, text in (
        ("test", _test, "check login, Python, program, PyTorch, card and disk of a machine"),
        ("setup", _setup, "install this program on a machine, or bring it up to date"),
        ("remove", _remove, "forget a machine; nothing is removed there"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("name", metavar="NAME", help="name of the machine")
        action.set_defaults(run=run)


def _add(options: argparse.Namespace) -> int:
    add_machine(Machine(options.name, options.host, options.folder))
    print(f"Added {options.name}. Next: semi-supervised-seg machine setup {options.name}")
    return 0


def _list(options: argparse.Namespace) -> int:
    machines = load_machines()
    if not machines:
        print("There is no machine yet. To add one: semi-supervised-seg machine add NAME HOST")
        return 0
    print_columns([("name", "host", "folder"), *((item.name, item.host, item.folder) for item in machines)])
    return 0


def _test(options: argparse.Namespace) -> int:
    failed = 0
    for check in run_checks(find_machine(options.name)):
        failed += bool(check.advice)
        print(
            f"{'FAILED' if check.advice else 'ok':6}  {check.title}: {check.found} {check.advice}".rstrip(), flush=True
        )
    return 1 if failed else 0


def _setup(options: argparse.Namespace) -> int:
    install(find_machine(options.name), lambda line: print(line, flush=True))
    return 0


def _remove(options: argparse.Namespace) -> int:
    machine = remove_machine(options.name)
    print(f"Removed {machine.name} from the list. What lies in {machine.folder} on {machine.host} stays there.")
    return 0
