from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from SemiSupervisedSegLib.engine.inference.bundle import TrainedModel, load_bundle, save_bundle
from SemiSupervisedSegLib.engine.inference.predict import predict_image
from SemiSupervisedSegLib.engine.inference.prototype_classifiers import (
    GAUSSIAN_LEVELS,
    CosineClassifier,
    GaussianClassifier,
)
from SemiSupervisedSegLib.engine.networks.factory import build_planned_network
from SemiSupervisedSegLib.study.errors import UserError


def test_no_space_left_keeps_the_older_model(bundle, model, largest_file):
    before = (bundle / "models" / "model.pt").read_bytes()
    with largest_file(20_000), pytest.raises(UserError, match="no space left"):
        save_bundle(bundle, model)
    assert (bundle / "models" / "model.pt").read_bytes() == before
    assert [path.name for path in bundle.parent.iterdir()] == ["model"]


class Exploit:
    """A pickled object that would run code when it is loaded."""

    ran = False

    def __reduce__(self):
        return (setattr, (Exploit, "ran", True))


@pytest.fixture
def model(plan_of, structures) -> TrainedModel:
    torch.manual_seed(0)
    plan = plan_of((32, 32), 3)
    network = build_planned_network(plan)
    length = sum(network.feature_channels[level] for level in GAUSSIAN_LEVELS)
    classifier = GaussianClassifier(
        GAUSSIAN_LEVELS,
        torch.tensor([True, True, False]),
        torch.randn(3, length, dtype=torch.float64),
        torch.diag(torch.rand(length, dtype=torch.float64)),
        torch.tensor([0.9, 0.1, 0.0], dtype=torch.float64),
    )
    return TrainedModel(network, plan, structures, "cpcl", classifier, {"seed": 7, "steps": 100})


@pytest.fixture
def bundle(tmp_path, model):
    save_bundle(tmp_path / "model", model)
    return tmp_path / "model"


def image() -> sitk.Image:
    return sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 900, (3, 40, 36)).astype(np.int16))


def test_what_was_saved_comes_back(bundle, model):
    loaded = load_bundle(bundle)
    assert loaded.plan == model.plan
    assert loaded.structures == model.structures
    assert (loaded.method, loaded.training) == ("cpcl", {"seed": 7, "steps": 100})
    assert loaded.classifier.levels == model.classifier.levels
    for name, tensor in model.classifier.tensors().items():
        assert torch.equal(loaded.classifier.tensors()[name], tensor)
    assert not loaded.network.training
    before, after = predict_image(model, image()), predict_image(loaded, image())
    assert torch.equal(before.final, after.final)
    assert torch.equal(before.prototype, after.prototype)


def test_a_model_of_an_older_program_compares_cosines_as_it_did(bundle):
    tensors = {"vectors": torch.randn(3, 32), "valid": torch.tensor([True, False, True])}
    torch.save(tensors, bundle / "models" / "prototypes.pt")
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    own = metadata["semi_supervised_seg"]
    del own["prototype_classifier"], own["prototype_levels"]
    metadata["semi_supervised_seg"] = own | {"prototype_level": "decoder_half", "bundle_version": 1}
    path.write_text(json.dumps(metadata))
    loaded = load_bundle(bundle)
    assert isinstance(loaded.classifier, CosineClassifier)
    output = loaded.network(torch.randn(1, 1, 32, 32))
    features = output.decoder_half[0, :, 3, 3]
    cosines = torch.nn.functional.cosine_similarity(tensors["vectors"], features[None])[[0, 2]]
    logits = loaded.classifier.logits(output, (16, 16))[0, :, 3, 3]
    torch.testing.assert_close(logits[[0, 2]], 20 * cosines)
    assert logits.softmax(0)[1] == 0


def test_saving_again_replaces_the_whole_folder(bundle, model):
    (bundle / "stray.txt").write_text("from before")
    save_bundle(bundle, model)
    assert not (bundle / "stray.txt").exists()
    assert [path.name for path in bundle.parent.iterdir()] == ["model"]


def damage_pickled_code(bundle):
    torch.save({"weight": Exploit()}, bundle / "models" / "model.pt")


def damage_text(bundle):
    (bundle / "models" / "model.pt").write_text("not a model")


def damage_truncate(bundle):
    content = (bundle / "models" / "model.pt").read_bytes()
    (bundle / "models" / "model.pt").write_bytes(content[: len(content) // 2])


def damage_flip_inside(bundle):
    content = bytearray((bundle / "models" / "model.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "models" / "model.pt").write_bytes(content)


def damage_zip(bundle):
    with zipfile.ZipFile(bundle / "models" / "model.pt", "w") as file:
        file.writestr("hello.txt", "hello")


def damage_list(bundle):
    torch.save([torch.zeros(3)], bundle / "models" / "model.pt")


def damage_missing(bundle):
    (bundle / "models" / "model.pt").unlink()


def damage_other_network(bundle):
    torch.save({"weight": torch.zeros(3)}, bundle / "models" / "model.pt")


def damage_metadata(bundle):
    (bundle / "configs" / "metadata.json").write_text('{"version": ')


def damage_nesting(bundle):
    (bundle / "configs" / "metadata.json").write_text("[" * 100_000)


def damage_foreign(bundle):
    (bundle / "configs" / "metadata.json").write_text('{"version": "1.0.0"}')


def edit_own(bundle, **changes):
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["semi_supervised_seg"].update(changes)
    path.write_text(json.dumps(metadata))


def damage_newer(bundle):
    edit_own(bundle, bundle_version=3)


def damage_level(bundle):
    edit_own(bundle, prototype_levels=["logits", "decoder_full"])


def damage_classifier(bundle):
    edit_own(bundle, prototype_classifier="cosine")


def damage_covariance(bundle):
    path = bundle / "models" / "prototypes.pt"
    tensors = torch.load(path, weights_only=True)
    torch.save(tensors | {"covariance": tensors["covariance"][1:]}, path)


def damage_structure(bundle):
    edit_own(bundle, structures=[{"name": "organ", "label": 1, "color": [0, 0, "red"], "terminology": None}])


def damage_sparse(bundle):
    path = bundle / "models" / "prototypes.pt"
    tensors = torch.load(path, weights_only=True)
    torch.save(tensors | {"means": tensors["means"].to_sparse()}, path)


def damage_plan(bundle):
    edit_own(bundle, plan={})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_pickled_code, "could run foreign program code"),
        (damage_text, "not a model file, or it is incomplete"),
        (damage_truncate, "not a model file, or it is incomplete"),
        (damage_flip_inside, "damaged"),
        (damage_zip, "damaged"),
        (damage_list, "not a model file"),
        (damage_sparse, "not a model file"),
        (damage_structure, "do not fit together"),
        (damage_missing, "missing"),
        (damage_other_network, "do not fit together"),
        (damage_metadata, "cannot be read"),
        (damage_nesting, "cannot be read"),
        (damage_foreign, "not written by this program"),
        (damage_newer, "newer version"),
        (damage_level, "do not fit together"),
        (damage_classifier, "do not fit together"),
        (damage_covariance, "do not fit together"),
        (damage_plan, "damaged"),
    ],
)
def test_what_is_not_a_model_is_refused_in_words(bundle, damage, message):
    damage(bundle)
    with pytest.raises(UserError, match=message) as caught:
        load_bundle(bundle)
    assert caught.value.advice
    assert not Exploit.ran


def test_another_folder_is_not_a_model(tmp_path):
    with pytest.raises(UserError, match="does not contain a trained model"):
        load_bundle(tmp_path)
