"""`machine`: the other machines and clusters on which rounds can be trained."""

from __future__ import annotations

import argparse

from ..jobs.machines import DEFAULT_FOLDER, Machine, add_machine, find_machine, load_machines, remove_machine
from ..jobs.remote.checks import run_checks
from ..jobs.remote.installation import install
from ..jobs.slurm_request import SlurmRequest, minutes_of
from ..study.errors import UserError
from .columns import print_columns


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command and its actions."""
    parser = subparsers.add_parser(
        "machine", help="other machines that train: workstations over ssh, clusters through Slurm"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser("add", help="name a machine, or change one")
    add.add_argument("name", metavar="NAME", help="what to call it")
    add.add_argument(
        "host",
        metavar="HOST",
        nargs="?",
        default="",
        help="host, login@host, or alias of your configuration of ssh; left out where this computer submits to Slurm",
    )
    add.add_argument("--folder", default=DEFAULT_FOLDER, help=f"folder there for this program ({DEFAULT_FOLDER})")
    _add_slurm(add)
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


def _add_slurm(add: argparse.ArgumentParser) -> None:
    group = add.add_argument_group("a cluster", "what each job asks of Slurm; the folder is one that all nodes have")
    group.add_argument("--slurm", action="store_true", help="jobs wait in the queue of Slurm there")
    group.add_argument("--time", help="time of a turn, such as 24:00:00; a longer training goes on in the next turn")
    group.add_argument("--partition", help="partition, or several with commas between (that of the cluster)")
    group.add_argument("--account", help="account that pays (yours)")
    for name, text in (("cards", "graphics cards"), ("cores", "processor cores"), ("memory", "main memory in GB")):
        group.add_argument(f"--{name}", metavar="N", type=int, help=f"{text} (what the cluster gives)")


def _add(options: argparse.Namespace) -> int:
    machine = Machine(options.name, options.host, options.folder, _request(options))
    add_machine(machine)
    action = "test" if machine.is_here else "setup"
    print(f"Added {machine.name}. Next: semi-supervised-seg machine {action} {machine.name}")
    return 0


def _request(options: argparse.Namespace) -> SlurmRequest | None:
    names = ("partition", "account", "cards", "cores", "memory")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if not options.slurm:
        if given or options.time:
            raise UserError("Time, partition and the like are for Slurm.", "Add --slurm, or leave them out.")
        return None
    try:
        minutes = minutes_of(options.time or "")
    except ValueError as error:
        raise UserError("It is not said how long a job may take.", "Add --time, such as --time 24:00:00.") from error
    return SlurmRequest(minutes, **given)


def _list(options: argparse.Namespace) -> int:
    machines = load_machines()
    if not machines:
        print("There is no machine yet. To add one: semi-supervised-seg machine add NAME HOST")
        return 0
    rows = ((item.name, item.kind, item.host or "this computer", item.folder) for item in machines)
    print_columns([("name", "kind", "host", "folder"), *rows])
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
    print(f"To see whether all is well: semi-supervised-seg machine test {options.name}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    machine = remove_machine(options.name)
    place = f"{machine.folder} on {machine.host or 'this computer'}"
    print(f"Removed {machine.name} from the list. What lies in {place} stays there.")
    return 0
