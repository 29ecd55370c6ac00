"""A run is a function that gives a Recipe; its docstring has the command, the hours and the score."""

from collections.abc import Callable

from contract.errors import ConfigurationError
from training.recipes.recipe import Recipe
from training.recipes.voc import voc_boxes, voc_boxes_paper, voc_boxes_second

RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe for recipe in (voc_boxes, voc_boxes_second, voc_boxes_paper)
}


def find_recipe(name: str) -> Recipe:
    """
    Give a recipe by name.

    Raises:
        ConfigurationError: If there is none; names those there are.
    """
    if name not in RECIPES:
        raise ConfigurationError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]()
