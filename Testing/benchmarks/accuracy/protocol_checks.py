"""What a protocol cannot say, found before anything is trained."""

from __future__ import annotations

from SemiSupervisedSegLib.jobs.catalogue import load_catalogue
from SemiSupervisedSegLib.study.errors import UserError

from .data_sets import data_set
from .metric_names import METRICS
from .protocol_model import PUBLIC_METHODS, PUBLIC_SETTINGS, Data, MethodRow, Protocol

_DECIDED = {
    "validation_interval": "test cases are scored once, at the end",
    "preview_interval": "previews would show test cases before the end",
}


def check_protocol(protocol: Protocol) -> None:
    """Raise UserError for the first thing that cannot be done; rows have their titles already."""
    _check_numbers(protocol)
    _check_names(protocol)
    _check_sets(protocol)
    for row in protocol.methods:
        _check_loop(protocol, row)
        load_catalogue().resolve(row.method, protocol.preset, protocol.settings_of(row))
        _check_streams(protocol, row)
        _check_row_of_sets(protocol, row)


def _check_numbers(protocol: Protocol) -> None:
    lists = (("labeled", protocol.labeled, 1), ("seeds", protocol.seeds, 0), ("draws", protocol.draws, 0))
    for what, numbers, least in lists:
        if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < least:
            raise _refused(protocol, f"{what} has to be different whole numbers from {least} on")
    if protocol.all_labeled and (protocol.all_labeled <= max(protocol.labeled) or len(protocol.data.sets) > 1):
        raise _refused(protocol, "all_labeled has to be more than labeled, and of one data set")


def _check_names(protocol: Protocol) -> None:
    titles = [row.title for row in protocol.methods]
    if not protocol.name.strip() or not titles:
        raise _refused(protocol, "it needs a name and at least one method")
    if len(set(titles)) < len(titles):
        raise _refused(protocol, "two rows have the same title")
    protocol.row(protocol.reference)
    unknown = [name for name in protocol.metrics if name not in METRICS]
    if unknown or not protocol.metrics:
        known = ", ".join(METRICS)
        raise _refused(protocol, f"the metric {unknown[0]!r} is unknown" if unknown else "it has no metric", known)
    known = {setting.name for row in protocol.methods for setting in load_catalogue().method(row.method).settings}
    for table in (protocol.settings, *(row.settings for row in protocol.methods)):
        for name in table:
            if name in _DECIDED:
                raise _refused(protocol, f"{name} cannot be set, because {_DECIDED[name]}")
            if name not in known:
                raise _refused(protocol, f"none of its methods has the setting {name!r}")


def _check_sets(protocol: Protocol) -> None:
    data = protocol.data
    if data.kind != "sets":
        if data != Data(data.kind, data.sites, data.phantom):
            raise _refused(protocol, "only data of the kind sets have sets, their numbers and a local site")
        return
    if not data.sets or len(set(data.sets)) < len(data.sets):
        raise _refused(protocol, "it needs the names of different data sets")
    sites = {site for name in data.sets for site in data_set(name).sites}
    if bool(sites) != bool(data.local_site) or (sites and data.local_site not in sites):
        raise _refused(protocol, f"it has no local site {data.local_site!r}", ", ".join(sorted(sites)) or "none")
    for name in (*data.labeled, *data.test, *([data.scored] if data.scored else [])):
        if name not in data.sets:
            raise _refused(protocol, f"{name} is none of its data sets", ", ".join(data.sets))
    for name, counts in data.labeled.items():
        if len(counts) != len(protocol.labeled) or min(counts) < 1:
            raise _refused(protocol, f"labeled of {name} has to be one number for each of {list(protocol.labeled)}")


def _check_row_of_sets(protocol: Protocol, row: MethodRow) -> None:
    data = protocol.data
    named = (*row.sets, *([row.scored] if row.scored else []))
    for name in named:
        if name not in data.sets:
            raise _refused(
                protocol, f"{row.title} names {name!r}, which is none of its data sets", ", ".join(data.sets)
            )
    if row.unlabeled and data.kind != "sets":
        raise _refused(protocol, "only data of the kind sets have a number of unlabeled cases")
    if len(protocol.sets_of(row)) > 1 and not load_catalogue().method(row.method).partial_annotations:
        raise _refused(protocol, f"{row.title} cannot be trained on cases that are annotated for different structures")


def _check_loop(protocol: Protocol, row: MethodRow) -> None:
    if row.loop == "worker":
        return
    if row.method not in PUBLIC_METHODS:
        raise _refused(protocol, f"{row.method} has no public loop", ", ".join(PUBLIC_METHODS))
    if protocol.data.kind in ("left_atrium", "sets"):
        raise _refused(protocol, "the public loop trains on slices, and published trainings of these data on volumes")
    if unread := sorted(set(row.settings) - PUBLIC_SETTINGS):
        raise _refused(protocol, f"the public loop has no setting {unread[0]!r}")


def _check_streams(protocol: Protocol, row: MethodRow) -> None:
    data = protocol.data
    one_site = {"acdc": data.sites == "local", "left_atrium": True, "sets": not data.local_site}.get(data.kind, False)
    needs = "external" in load_catalogue().method(row.method).streams
    if one_site and needs:
        raise _refused(protocol, f"{row.title} needs images of other sites, and there are none")
    if not row.other_sites and (needs or one_site or data.sites == "as needed"):
        reason = "which it needs" if needs else "and there are none"
        raise _refused(protocol, f"{row.title} is to do without images of other sites, {reason}")


def _refused(protocol: Protocol, reason: str, choices: str = "") -> UserError:
    advice = f"Choose from: {choices}." if choices else "Correct the file."
    return UserError(f"The protocol {protocol.name} cannot be used: {reason}.", advice)
