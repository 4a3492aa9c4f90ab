"""Rounds that begin with what an earlier model or an earlier training has learned."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from SemiSupervisedSegLib.engine.inference.bundle import load_bundle
from SemiSupervisedSegLib.engine.networks.factory import BUILDERS, build_network
from SemiSupervisedSegLib.engine.worker import reporter
from SemiSupervisedSegLib.engine.worker.warm_start import start_from_model
from SemiSupervisedSegLib.jobs.continuation import make_continued_spec, model_in
from SemiSupervisedSegLib.jobs.event_text import describe
from SemiSupervisedSegLib.jobs.events import CheckpointSaved, Progress, StageStarted, StepDone, WarningRaised
from SemiSupervisedSegLib.jobs.folder import JobFolder
from SemiSupervisedSegLib.jobs.rounds import next_round
from SemiSupervisedSegLib.study.errors import UserError
from SemiSupervisedSegLib.study.model import Structure
from SemiSupervisedSegLib.study.store import save_study

from ...benchmarks.reliability.identical import CHECKPOINT, differences, load, same_content
from .rounds import EXIT_CANCELLED, EXIT_FINISHED, assert_fails_with, copy_of, main, new_round, run_until, tiny_study

RATE, STEPS, MORE = 0.01, 3, 23


def continued(folder: JobFolder, steps: int) -> JobFolder:
    following = next_round(folder.path.parents[1], folder.name.split("-", 1)[1])
    following.write_spec(make_continued_spec(folder, steps))
    return following


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    """A finished round of a method with a teacher; not to be changed."""
    study = tiny_study(tmp_path_factory.mktemp("trained") / "study", structures=2)
    folder = new_round(study, "mean_teacher", {"steps": STEPS, "learning_rate": RATE})
    assert main(folder.path) == EXIT_FINISHED
    return folder


@pytest.fixture(scope="module")
def longer(trained: JobFolder) -> JobFolder:
    """A round that continues the training of the other, and counts steps as if each took more than a second."""
    folder = continued(trained, MORE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporter, "_STEP_SECONDS", 0.0)
        assert main(folder.path) == EXIT_FINISHED
    return folder


def test_a_finished_training_is_continued_as_a_new_round(trained: JobFolder, longer: JobFolder) -> None:
    steps = [event for event in longer.events()[0] if isinstance(event, StepDone)]
    saved = [event.step for event in longer.events()[0] if isinstance(event, CheckpointSaved)]
    (stage,) = (event for event in longer.events()[0] if isinstance(event, StageStarted) and event.name == "train")
    assert (saved, stage.steps) == (list(range(STEPS, MORE + 1)), MORE)
    assert [event.step for event in steps] == [STEPS + 10, MORE]
    assert steps[-1].learning_rate == pytest.approx(RATE * (1 - (MORE - 1) / MORE) ** 0.9)
    before, after = load(trained, CHECKPOINT), load(longer, CHECKPOINT)
    assert before["method"].keys() == after["method"].keys()
    assert any(name.startswith("teacher") for name in after["method"])
    assert longer.result()["steps"] == MORE and trained.result()["steps"] == STEPS


def test_every_slow_step_is_counted_before_the_first_losses_come(longer: JobFolder) -> None:
    counted = [event for event in longer.events()[0] if isinstance(event, Progress) and event.unit == "step"]
    assert [(event.done, event.total) for event in counted] == [(step, MORE) for step in range(STEPS, MORE + 1)]
    assert counted[0].seconds_left is None and all(event.seconds_left is not None for event in counted[1:])
    assert describe(counted[1]) == f"step {STEPS + 1} of {MORE}"


def test_a_continued_training_that_is_stopped_ends_as_the_one_that_was_not(
    trained: JobFolder, longer: JobFolder
) -> None:
    folder = continued(trained, MORE)
    stopped = run_until(folder, lambda event: isinstance(event, CheckpointSaved) and event.step > STEPS)
    assert stopped == EXIT_CANCELLED
    assert main(folder.path) == EXIT_FINISHED
    differing = [name for name in differences(folder, longer) if name != CHECKPOINT]
    assert not differing
    ours, theirs = (load(place, CHECKPOINT) for place in (folder, longer))
    assert same_content(ours | {"key": ""}, theirs | {"key": ""})


def test_the_continued_round_may_be_deleted_once_its_state_is_taken_over(trained: JobFolder) -> None:
    earlier = copy_of(trained)
    earlier.spec_file.write_bytes(trained.spec_file.read_bytes())
    folder = continued(earlier, MORE)
    assert run_until(folder, lambda event: isinstance(event, CheckpointSaved)) == EXIT_CANCELLED
    shutil.rmtree(earlier.path)
    assert main(folder.path) == EXIT_FINISHED


def test_what_cannot_be_continued_is_refused_with_the_reason(trained: JobFolder) -> None:
    with pytest.raises(UserError, match=f"{trained.name} has {STEPS} steps already"):
        make_continued_spec(trained, STEPS)
    earlier = copy_of(trained)
    folder = continued(earlier, MORE)
    earlier.last_checkpoint.unlink()
    assert_fails_with(folder, f"training of {earlier.name} cannot be continued", "starts from its model")
    with pytest.raises(UserError, match=f"{earlier.name} cannot be continued"):
        make_continued_spec(earlier, MORE)


def test_the_outputs_of_structures_are_taken_over_by_name(trained: JobFolder, tmp_path: Path) -> None:
    """Also of another study, whose structures are in another order and have others beside them."""
    model = load_bundle(trained.model)
    known = [structure.name for structure in model.structures]
    study = tiny_study(tmp_path / "study", structures=1 + len(known))
    study = dataclasses.replace(study, structures=study.structures[::-1])
    save_study(study)
    settings = {"steps": 1, "learning_rate": 1e-8}
    folder = new_round(study, settings=settings, warm_start=model_in(trained.path.parents[1]))
    assert main(folder.path) == EXIT_FINISHED
    (note,) = (event.message for event in folder.events()[0] if isinstance(event, WarningRaised))
    assert (
        note
        == f"From the earlier model {' and '.join(reversed(known))} are taken over; {study.structures[0].name} is new."
    )
    ours, theirs = (load_bundle(place.model).network.state_dict() for place in (folder, trained))
    fresh = ours["head.weight"][1]
    for name, weights in theirs.items():
        expected = weights[[0, 2, 1]] if name.startswith("head.") else weights
        taken = ours[name][[0, 2, 3]] if name.startswith("head.") else ours[name]
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(taken, expected, rtol=0, atol=1e-5)
    assert fresh.std() > 0 and not any(torch.allclose(fresh, row) for row in theirs["head.weight"])


@pytest.mark.parametrize(("name", "embedded"), [*((name, False) for name in BUILDERS), ("v_net", True)])
def test_every_network_is_matched_class_by_class(trained: JobFolder, name: str, embedded: bool) -> None:
    """All tensors but those of the last layer are copied whole."""
    model, added = load_bundle(trained.model), Structure("added", 9, (0, 0, 1))
    first, second = model.structures
    plan = dataclasses.replace(
        model.plan, network=dataclasses.replace(model.plan.network, backbone=name, embedded=embedded)
    )
    model = dataclasses.replace(model, plan=plan, network=build_network(name, 1, 3, embedded=embedded))
    student = build_network(name, 1, 4, embedded=embedded)
    random = {key: value.clone() for key, value in student.state_dict().items()}
    start_from_model(student, model, (second, added, first))
    for key, value in student.state_dict().items():
        weights = model.network.state_dict()[key]
        if key.startswith("head."):
            assert torch.equal(value[[0, 1, 3]], weights[[0, 2, 1]]) and torch.equal(value[2], random[key][2])
        else:
            assert torch.equal(value, weights), key


def test_a_network_of_several_tasks_gets_the_features_for_other_structures(trained: JobFolder) -> None:
    model, added = load_bundle(trained.model), Structure("added", 9, (0, 0, 1))
    network = dataclasses.replace(model.plan.network, tasks=((1,), (2,)))
    earlier = build_network("unet_2d", 1, 3, tasks=network.tasks)
    model = dataclasses.replace(model, plan=dataclasses.replace(model.plan, network=network), network=earlier)
    student = build_network("unet_2d", 1, 3, tasks=network.tasks)
    random = {key: value.clone() for key, value in student.state_dict().items()}
    start_from_model(student, model, (added, model.structures[0]))
    for key, value in student.state_dict().items():
        assert torch.equal(value, (random if key.startswith("head.") else earlier.state_dict())[key]), key


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("models/model.pt", None, "does not contain a trained model"),
        ("models/model.pt", b"hello", "do not fit together"),
        ("models/model.pt", 5000, "do not fit together"),
        ("configs/metadata.json", 300, "cannot be read"),
        ("configs/metadata.json", b'{"version": "0.1"}', "was not written by this program"),
    ],
)
def test_what_is_no_whole_model_is_refused_when_it_is_chosen(
    trained: JobFolder, tmp_path: Path, file: str, content: bytes | int | None, message: str
) -> None:
    """A number is that of the bytes that were copied."""
    copy = Path(shutil.copytree(trained.model, tmp_path / "model"))
    whole = (copy / file).read_bytes()
    assert model_in(copy) == copy
    (copy / file).unlink()
    if content is not None:
        (copy / file).write_bytes(whole[:content] if isinstance(content, int) else content)
    with pytest.raises(UserError, match=message):
        model_in(copy)


def test_a_folder_stands_for_its_latest_model(trained: JobFolder, longer: JobFolder, tmp_path: Path) -> None:
    study = trained.path.parents[1]
    assert model_in(trained.path) == model_in(trained.model) == trained.model
    assert model_in(study).parent.name > longer.name or model_in(study) == longer.model
    shutil.copytree(trained.model, tmp_path / "exported")
    # One level off is near enough, unless there are several.
    for place in (tmp_path / "exported", tmp_path / "exported" / "models", tmp_path):
        assert model_in(place) == tmp_path / "exported"
    shutil.copytree(trained.model, tmp_path / "another")
    for place in (tmp_path, tmp_path.parent):
        with pytest.raises(UserError, match="no trained model in"):
            model_in(place)


def test_job_json_is_of_the_new_format_only_where_it_has_to_be(trained: JobFolder, longer: JobFolder) -> None:
    """Older programs read the jobs that they understand, and ask for an update for the others."""
    before, after = (json.loads(place.spec_file.read_text(encoding="utf-8")) for place in (trained, longer))
    assert (before["schema_version"], "continues" in before) == (1, False)
    assert (after["schema_version"], after["continues"]) == (2, True)
