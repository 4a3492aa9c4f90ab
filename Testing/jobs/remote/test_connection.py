"""What a real sshd refuses or lacks ends in one sentence and one advice."""

from __future__ import annotations

import dataclasses

import pytest

from SemiSupervisedSegLib.jobs.machines import Machine
from SemiSupervisedSegLib.jobs.remote.checks import run_checks
from SemiSupervisedSegLib.jobs.remote.connection import Connection
from SemiSupervisedSegLib.jobs.remote.failures import Unreachable, explain
from SemiSupervisedSegLib.jobs.remote.same_program import check_version
from SemiSupervisedSegLib.jobs.slurm_request import SlurmRequest
from SemiSupervisedSegLib.study.errors import UserError

from .ssh_server import without_torch


def failure_of(far) -> UserError:
    with pytest.raises(UserError) as caught:
        check_version(Connection(far.machine))
    assert caught.value.message.endswith(".")
    assert caught.value.advice.endswith((".", "box"))
    return caught.value


def test_the_same_program_is_there(far):
    check_version(Connection(far.machine))


def test_another_host_key_is_refused(far):
    far.know("other_key")
    assert "is not the one you know" in failure_of(far).message


def test_an_unknown_host_is_refused(far):
    (far.home / "known_hosts").write_text("")
    assert "host key is unknown" in failure_of(far).message


def test_a_refused_login_is_said(far):
    (far.home / "authorized_keys").write_text("")
    error = failure_of(far)
    assert "refuses the login" in error.message
    assert not isinstance(error, Unreachable)


def test_a_machine_that_is_off_is_said(far):
    far.close()
    assert isinstance(failure_of(far), Unreachable)


def test_a_machine_without_the_program_is_said(far):
    (far.folder / "venv" / "bin" / "python").unlink()
    assert "machine setup box" in failure_of(far).advice


@pytest.mark.parametrize("change", ['__version__ = "0.0.9"', "# another state"])
def test_another_program_is_said(far, change, tmp_path):
    import shutil

    from .ssh_server import PACKAGE_ROOT

    copy = tmp_path / "copy"
    package = "SemiSupervisedSegLib"
    shutil.copytree(PACKAGE_ROOT / package, copy / package, ignore=shutil.ignore_patterns("panel", "__pycache__"))
    with open(copy / package / "__init__.py", "a") as file:
        file.write(f"\n{change}\n")
    python = far.folder / "venv" / "bin" / "python"
    python.write_text(python.read_text().replace(f"PYTHONPATH={PACKAGE_ROOT} ", f"PYTHONPATH={copy} "))
    error = failure_of(far)
    assert ("version 0.0.9" if "0.0.9" in change else "another state of version") in error.message
    assert "machine setup box" in error.advice


def test_missing_pytorch_is_said_before_anything_is_sent(far):
    without_torch(far)
    error = failure_of(far)
    assert error.message == "torch is not installed on box."
    assert "machine setup box" in error.advice


def test_a_login_that_prints_something_is_understood(far):
    python = far.folder / "venv" / "bin" / "python"
    python.write_text(python.read_text().replace("#!/bin/sh\n", "#!/bin/sh\necho Welcome to box\n"))
    check_version(Connection(far.machine))


def test_checks_say_what_is_there_and_go_on_after_a_failure(far):
    checks = {check.title: check for check in run_checks(far.machine)}
    assert checks["Host key and login"].found.startswith(("Linux", "Darwin"))
    assert not any(checks[title].advice for title in ("Host key and login", "SemiSupervisedSeg", "Python"))
    assert "GB free" in checks["PyTorch"].found or checks["PyTorch"].advice
    assert "GB" in checks["Free disk"].found


def test_without_the_program_that_is_said_once(far):
    (far.folder / "venv" / "bin" / "python").unlink()
    for machine in (far.machine, dataclasses.replace(far.machine, slurm=SlurmRequest(60))):
        *passed, last = run_checks(machine)
        assert not any(check.advice for check in passed)
        assert last.title == "SemiSupervisedSeg"
        assert "is not installed" in last.found


def test_after_a_refused_login_nothing_else_is_tried(far):
    (far.home / "authorized_keys").write_text("")
    (check,) = run_checks(far.machine)
    assert check.advice


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ssh: connect to host box port 22: Connection timed out", "cannot be reached"),
        ("client_loop: send disconnect: Broken pipe", "cannot be reached"),
        ("scratch: No space left on device", "cannot be reached"),
        ("Bad owner or permissions on config", "ssh cannot be used"),
    ],
)
def test_failures_of_ssh_itself(said, expected):
    assert expected in explain(Machine("box", "box", "there"), 255, said).message


@pytest.mark.parametrize("value", ["-oProxyCommand=x", "a b", "x;y", "", "$(x)", "a\nb"])
def test_words_that_a_shell_or_ssh_would_read_otherwise_are_refused(value):
    for name, host, folder in ((value, "box", "x"), ("box", value, "x"), ("box", "box", value), ("a", "b", "../x")):
        with pytest.raises(UserError):
            Machine(name, host, folder)
