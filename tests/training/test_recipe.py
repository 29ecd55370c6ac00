import dataclasses

import pytest

from contract.errors import ConfigurationError
from training.losses.total import WARM_START
from training.recipes import RECIPES, find_recipe
from training.recipes.recipe import change


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_holds(name: str) -> None:
    """Each recipe passes its own checks and carries its own name."""
    assert find_recipe(name).name == name


def test_fields_change_by_name() -> None:
    """Numbers, truths, words and lists are read from text into their types."""
    recipe = change(
        find_recipe("voc_boxes"),
        ["epochs=5", "shared_decoder=false", "classes=cat,dog", "scales=0.5,2", "gamma=0.8"],
    )
    assert (recipe.epochs, recipe.shared_decoder, recipe.gamma) == (5, False, 0.8)
    assert (recipe.classes, recipe.scales) == (("cat", "dog"), (0.5, 2.0))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("epoch=5", "no recipe field 'epoch'; there are classes, encoder"),
        ("epochs=five", "recipe field epochs: 'five' is not valid: .*integer"),
        ("epochs", "expected FIELD=VALUE"),
        ("optimizer=lion", "adamw"),
        ("crop=100", "multiple of 32, got 100"),
        ("evaluate_every=0", "at least 1"),
        ("learning_rate=-1", "above 0"),
        ("weight_decay=-5", "weight_decay: at least 0, got -5"),
        ("encoder_rate=-1", "encoder_rate: at least 0"),
        ("filling=nan", "filling: at least 0, got nan"),
        ("scales=0.5,inf", "least, then largest"),
        ("seed=-1", "at least 0"),
        ("gamma=2", r"gamma: in \[0, 1\], got 2"),
        ("warm_epochs=99", "from 0 to epochs"),
        ("long_side=100", "multiple of 32"),
        ("classes=cat,cat", "each once"),
    ],
)
def test_wrong_fields_are_refused(assignment: str, message: str) -> None:
    """A wrong name, type or value is refused in words that name the right ones."""
    with pytest.raises(ConfigurationError, match=message):
        change(find_recipe("voc_boxes"), [assignment])


def test_stages() -> None:
    """The warm start comes first, then all terms with the recipe's weights."""
    recipe = dataclasses.replace(find_recipe("voc_boxes"), warm_epochs=2, grabcut=0.25)
    assert recipe.loss_weights(1) == WARM_START
    assert recipe.loss_weights(2).grabcut == 0.25
    assert recipe.loss_weights(2).embedding == 0
