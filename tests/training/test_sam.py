"""SAM and SAM 2 as priors: true networks of transformers, tiny and random, on drawn photos."""

import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import load_file, save_file

from contract.annotations import AnnotatedImage, Box
from contract.errors import ConfigurationError, DependencyMissing
from tests.drawing import draw_photo
from training.priors.cache import PriorCache, read_guess
from training.priors.sam import Sam

PHOTO = draw_photo([(12, 5, 5, 90, 60), (8, 30, 20, 60, 50)], seed=0)[0]
LARGE, SMALL = Box(2, 5, 5, 90, 60), Box(1, 30, 20, 60, 50)
DECODER = {"hidden_size": 16, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def save_sam(folder: Path) -> None:
    """Write SAM for 64 x 64 pixels."""
    vision = {
        **{"hidden_size": 16, "output_channels": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
        **{"image_size": 64, "patch_size": 8, "window_size": 4, "global_attn_indexes": [1]},
        **{"num_pos_feats": 8, "mlp_dim": 32},
    }
    prompt = {"hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4}
    config = transformers.SamConfig(
        vision_config=vision,
        prompt_encoder_config=prompt,
        mask_decoder_config={**DECODER, "iou_head_hidden_dim": 16, "iou_head_depth": 2},
    )
    transformers.SamModel(config).save_pretrained(folder)
    sides = {"size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64}}
    transformers.SamProcessor(transformers.SamImageProcessor(**sides)).save_pretrained(folder)


def save_sam2(folder: Path) -> None:
    """Write SAM 2 for 64 x 64 pixels."""
    backbone = {
        **{"model_type": "sam2_hiera_det_model", "hidden_size": 8, "image_size": [64, 64]},
        **{"blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64]},
        **{"num_attention_heads_per_stage": [1, 1, 1, 1], "window_size_per_stage": [4, 4, 4, 4]},
        **{"global_attention_blocks": [3], "window_positional_embedding_background_size": [4, 4]},
    }
    vision = {
        **{"model_type": "sam2_vision_model", "backbone_config": backbone, "fpn_hidden_size": 16},
        **{"backbone_channel_list": [64, 32, 16, 8], "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]]},
    }
    config = transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "mask_input_channels": 4},
        mask_decoder_config={**DECODER, "iou_head_hidden_dim": 16, "iou_head_depth": 2},
    )
    transformers.Sam2Model(config).save_pretrained(folder)
    processor = transformers.Sam2ImageProcessor(size={"height": 64, "width": 64})
    transformers.Sam2Processor(processor).save_pretrained(folder)


@pytest.fixture(scope="module", params=[save_sam, save_sam2], ids=["sam", "sam2"])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights; not to be changed."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    torch.manual_seed(0)
    request.param(folder)
    return folder


@pytest.fixture
def copied(weights: Path, tmp_path: Path) -> Path:
    """A folder of the same weights, to be changed."""
    return Path(shutil.copytree(weights, tmp_path / "tiny"))


def best_mask(weights: Path, box: Box) -> np.ndarray:
    """Ask transformers itself, with the whole photo in one call, for the mask of the best predicted IoU."""
    kind = "Sam2" if (weights / "config.json").read_text().count("sam2_vision") else "Sam"
    model = getattr(transformers, f"{kind}Model").from_pretrained(weights).eval()
    processor = getattr(transformers, f"{kind}Processor").from_pretrained(weights)
    corners = [[[box.left, box.top, box.right - 1, box.bottom - 1]]]
    inputs = processor(images=Image.fromarray(PHOTO), input_boxes=corners, return_tensors="pt")
    inputs["input_boxes"] = inputs["input_boxes"].float()
    with torch.inference_mode():
        answer = model(pixel_values=inputs["pixel_values"], input_boxes=inputs["input_boxes"])
    sizes = [inputs[name] for name in ("original_sizes", "reshaped_input_sizes") if name in inputs]
    masks = processor.post_process_masks(answer.pred_masks, *sizes)[0][0]
    return np.asarray(masks[int(answer.iou_scores.argmax())])


def test_it_is_sams_best_mask(weights: Path) -> None:
    """Inside the box the label stands where SAM's best mask does; outside it is background."""
    mask = best_mask(weights, LARGE)
    assert 0 < mask[LARGE.slices].mean() < 1
    expected = np.zeros(PHOTO.shape[:2], dtype=np.uint8)
    expected[LARGE.slices][mask[LARGE.slices]] = 2
    assert np.array_equal(Sam(str(weights), least_fill=0).guess(PHOTO, (LARGE,)), expected)


def test_small_objects_lie_on_top(weights: Path) -> None:
    """Where boxes overlap, the smaller one's object is seen, in whatever order they come."""
    sam = Sam(str(weights))
    first, second = (sam.guess(PHOTO, boxes) for boxes in ((LARGE, SMALL), (SMALL, LARGE)))
    assert np.array_equal(first, second)
    assert np.array_equal(first == 1, sam.guess(PHOTO, (SMALL,)) == 1)


def test_an_unbelievable_mask_falls_back_to_the_box(weights: Path) -> None:
    """A mask that fills less of its box than demanded is not believed: the whole box is the mask."""
    guess = Sam(str(weights), least_fill=1.01).guess(PHOTO, (SMALL,))
    assert (guess[SMALL.slices] == 1).all()
    assert guess.sum() == SMALL.area


def test_odd_boxes_do_not_fail(weights: Path) -> None:
    """Boxes of one pixel, over the whole photo, twice, or none at all give a guess."""
    boxes = (Box(1, 0, 0, 1, 1), Box(2, 95, 63, 96, 64), Box(1, 0, 0, 96, 64), Box(1, 0, 0, 96, 64))
    assert Sam(str(weights)).guess(PHOTO, boxes).shape == (64, 96)
    assert not Sam(str(weights)).guess(PHOTO, ()).any()


def test_it_says_what_it_reads(weights: Path) -> None:
    """SAM learned from masks: what it teaches is never a result of boxes alone."""
    assert Sam(str(weights)).reads == Sam.reads == "SAM"


def test_the_key_is_the_contents(weights: Path, copied: Path, tmp_path: Path) -> None:
    """The same files elsewhere have the same key, other weights or settings another; it can name a folder."""
    key = Sam(str(weights)).key
    assert Sam(str(copied)).key == key
    assert Sam(str(weights), least_fill=0.2).key != key
    other = Path(shutil.copytree(weights, tmp_path / "other" / "tiny"))
    change_weights(other, lambda tensors: tensors | {"extra": torch.zeros(1)})
    assert Sam(str(other)).key != key
    assert "/" not in key


def test_workers_guess_the_same(tmp_path: Path) -> None:
    """The prior travels to the cache's processes, which load the weights for themselves."""
    save_sam(tmp_path / "tiny")
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    image = AnnotatedImage("photo", tmp_path / "photo.png", (64, 96), (LARGE, SMALL))
    sam = Sam(str(tmp_path / "tiny"))
    assert pickle.loads(pickle.dumps(sam)) == sam
    ((_, path),) = PriorCache(sam, tmp_path / "cache").fill([image], workers=1)
    assert isinstance(path, Path)
    assert np.array_equal(read_guess(path), sam.guess(PHOTO, image.boxes))


def test_missing_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is no folder is looked for on the hub; without a network that is said, with what to do."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name in ("facebook/sam-vit-base", str(tmp_path / "nothing")):
        with pytest.raises(ConfigurationError, match=rf"weights {name}: no such folder here, and the hub"):
            Sam(name).guess(PHOTO, (SMALL,))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """A folder without weights, and one of another network, are refused with what is expected."""
    with pytest.raises(ConfigurationError, match=r"no config.json in .*\n  hint: expected a folder"):
        Sam(str(tmp_path)).guess(PHOTO, (SMALL,))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ConfigurationError, match=r"expected a model_type of sam, sam2, sam2_video, got bert"):
        Sam(str(tmp_path)).guess(PHOTO, (SMALL,))


def test_weights_with_gaps_are_refused(copied: Path) -> None:
    """A missing tensor would be filled at random by transformers, which goes on."""
    change_weights(copied, lambda tensors: dict(list(tensors.items())[1:]))
    with pytest.raises(ConfigurationError, match=r"1 tensors missing"):
        Sam(str(copied)).guess(PHOTO, (SMALL,))


def test_damaged_weights_are_refused(copied: Path) -> None:
    """A file that was cut off is named, not traced back."""
    file = copied / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ConfigurationError, match=rf"SAM weights {copied}: cannot be loaded"):
        Sam(str(copied)).guess(PHOTO, (SMALL,))


def test_without_transformers(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra that brings it is named."""
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DependencyMissing, match=r"pip install -e '.\[sam\]'"):
        Sam(str(copied)).guess(PHOTO, (SMALL,))


def change_weights(folder: Path, change: object) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})  # type: ignore[operator]
