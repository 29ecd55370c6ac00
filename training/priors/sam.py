"""The mask inside a box by SAM (Kirillov et al., 2023) or SAM 2 (Ravi et al., 2024), of weights at hand."""

import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from contract.annotations import Box
from contract.arrays import Uint8
from contract.errors import ConfigurationError, DependencyMissing
from training.priors.stacking import LEAST_FILL, stack_objects
from training.priors.weights import content_name, find_folder, read_config

KINDS = {"sam": "Sam", "sam2": "Sam2", "sam2_video": "Sam2"}
"""How transformers calls the classes of each kind of weights; SAM 2's are published with their video part."""


@dataclass(frozen=True, slots=True)
class Sam:
    """
    Per box the mask that SAM thinks best of, large boxes first so that small objects lie on top.

    SAM was itself trained on masks, so what it teaches is no result of boxes alone: `reads` says so.

    Args:
        weights: Folder that save_pretrained wrote, or a name on the hub.
        least_fill: Below this share of the box the mask is not believed and the whole box is taken.
        device: Where it computes; each process that guesses holds a model of its own there.
    """

    reads: ClassVar[str] = "SAM"
    """What it knows beyond the boxes, for records."""

    weights: str
    least_fill: float = LEAST_FILL
    device: str = "cpu"

    @property
    def key(self) -> str:
        """Names the weights by their content, and the settings; see `Prior.key`."""
        return f"sam-{content_name(self.weights)}-{self.least_fill}"

    def guess(self, image: Uint8, boxes: tuple[Box, ...]) -> Uint8:
        """
        Guess the label of each pixel; see `Prior.guess`.

        Raises:
            ConfigurationError: If the weights cannot be had or are none of SAM's.
            DependencyMissing: If transformers is not installed.
        """
        masks = _load(self.weights, self.device).masks(image, boxes) if boxes else {}
        size = (image.shape[0], image.shape[1])
        return stack_objects(size, boxes, masks.__getitem__, least_fill=self.least_fill)


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    """A loaded model with what prepares its input; both are transformers' own."""

    model: Any
    processor: Any

    @torch.inference_mode()
    def masks(self, image: Uint8, boxes: tuple[Box, ...]) -> dict[Box, npt.NDArray[np.bool_]]:
        """Cut each box's object out of it: (box height, box width) bool."""
        corners = [[_corners(box) for box in boxes]]
        inputs = self.processor(images=Image.fromarray(image), input_boxes=corners, return_tensors="pt")
        seen = self.model.get_image_embeddings(inputs["pixel_values"].to(self.model.device))
        prompts = inputs["input_boxes"].float().to(self.model.device)
        # One box at a time: masks of many at the photo's own size would not fit into memory.
        return {
            box: self._mask(seen, prompts[:, index : index + 1], inputs)[box.slices].copy()
            for index, box in enumerate(boxes)
        }

    def _mask(self, seen: Any, prompt: Tensor, inputs: Mapping[str, Tensor]) -> npt.NDArray[np.bool_]:
        """Give the mask of one box with the best predicted IoU, (H, W) bool at the photo's own size."""
        answer = self.model(image_embeddings=seen, input_boxes=prompt, multimask_output=True)
        best = int(answer.iou_scores[0, 0].argmax())
        sizes = {name: inputs[name] for name in ("original_sizes", "reshaped_input_sizes") if name in inputs}
        masks = self.processor.post_process_masks(answer.pred_masks[:, :, best : best + 1].cpu(), **sizes)
        mask: npt.NDArray[np.bool_] = masks[0][0, 0].numpy()
        return mask


def _corners(box: Box) -> list[int]:
    """Give a box as SAM was taught them: xyxy [px], both ends inside."""
    return [box.left, box.top, box.right - 1, box.bottom - 1]


@cache
def _load(weights: str, device: str) -> _Network:
    """Load the weights, once per process."""
    folder = find_folder(weights)
    transformers = _transformers()
    kind = _kind(weights, folder)
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)  # the processes already fill the cores
    try:
        model_class = getattr(transformers, f"{kind}Model")
        model, report = model_class.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        processor = getattr(transformers, f"{kind}Processor").from_pretrained(folder, local_files_only=True)
        model = model.eval().to(device)
    except Exception as error:  # damaged files, missing ones and absent devices fail in many ways
        raise ConfigurationError(f"SAM weights {weights}: cannot be loaded ({error})") from error
    _refuse_gaps(weights, report)
    return _Network(model, processor)


def _transformers() -> Any:
    try:
        transformers = import_module("transformers")
    except ModuleNotFoundError as error:
        raise DependencyMissing(
            "prior SAM needs the package transformers, which is not installed here",
            hint="pip install -e '.[sam]'",
        ) from error
    # Every process would draw a bar; what is wrong with weights is refused below instead of warned of.
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    return transformers


def _kind(weights: str, folder: Path) -> str:
    found = read_config(folder).get("model_type")
    if found not in KINDS:
        raise ConfigurationError(
            f"SAM weights {weights}: expected a model_type of {', '.join(KINDS)}, got {found}",
            hint="name weights of SAM or SAM 2, such as facebook/sam-vit-base",
        )
    return KINDS[found]


def _refuse_gaps(weights: str, report: Mapping[str, Any]) -> None:
    """Refuse weights that do not fill the network: transformers would go on with random ones."""
    for problem in ("missing_keys", "mismatched_keys"):
        if gaps := sorted(map(str, report[problem])):
            raise ConfigurationError(
                f"SAM weights {weights}: {len(gaps)} tensors {problem.split('_')[0]}, first {gaps[0]}",
                hint="fetch or convert them again",
            )
