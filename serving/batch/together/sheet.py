"""A contact sheet of the photos that the model was least sure of."""

import io

from PIL import Image, ImageDraw

from contract.classes import ClassMap
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.pictures import SIDE
from serving.batch.places import Place, written

COLUMNS = 6
GAP = 6
CAPTION = 16
LETTERS = 38
PAPER, INK = (255, 255, 255), (30, 30, 30)


def write_sheet(path: Place, ledger: Ledger, classes: ClassMap, identity: Identity) -> None:
    """
    Draw the least confident photos with their masks, the least sure one first.

    Args:
        path: Where it goes, a JPEG.
        ledger: Has their pictures.
        classes: Not used; all such files are written alike.
        identity: Not used.

    Raises:
        WriteError: If it cannot be written.
    """
    cells = list(ledger.doubtful())
    across = min(COLUMNS, max(1, len(cells)))
    down = max(1, -(-len(cells) // COLUMNS))
    width, height = SIDE + GAP, SIDE + CAPTION + GAP
    sheet = Image.new("RGB", (across * width + GAP, down * height + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (name, confidence, jpeg) in enumerate(cells):
        left = GAP + number % COLUMNS * width
        top = GAP + number // COLUMNS * height
        with Image.open(io.BytesIO(jpeg)) as picture:
            sheet.paste(picture, (left, top + CAPTION))
        pen.text((left, top), f"{confidence:.2f}  {name[-LETTERS:]}", INK)
    with written(path) as stream:
        sheet.save(stream, "JPEG", quality=90)
