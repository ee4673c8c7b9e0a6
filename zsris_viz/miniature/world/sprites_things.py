"""Sprites of vehicles, food, vessels, furniture and other things."""

from __future__ import annotations

from math import cos, pi, sin

from zsris_viz.miniature.world.rasterizer import Canvas, Colour, shade

GLASS: Colour = (200, 222, 230)
METAL: Colour = (165, 165, 170)
TYRE: Colour = (85, 82, 80)
WOOD: Colour = (150, 112, 75)
LEAF: Colour = (110, 130, 85)
PAPER: Colour = (242, 238, 225)


def _wheel(canvas: Canvas, x: float, y: float, radius: float) -> None:
    canvas.ellipse((x - radius, y - radius, x + radius, y + radius), TYRE)
    canvas.ellipse((x - radius * 0.45, y - radius * 0.45, x + radius * 0.45, y + radius * 0.45), METAL)


def car(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a car."""
    canvas.polygon([(22, 46), (34, 26), (68, 26), (82, 46)], colour)
    canvas.polygon([(28, 45), (37, 31), (49, 31), (49, 45)], GLASS)
    canvas.polygon([(53, 45), (53, 31), (66, 31), (75, 45)], GLASS)
    canvas.rectangle((0, 44, 100, 66), colour, radius=8)
    canvas.rectangle((0, 50, 7, 56), (250, 245, 200))
    _wheel(canvas, 24, 66, 11)
    _wheel(canvas, 76, 66, 11)


def bus(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a bus."""
    canvas.rectangle((0, 18, 100, 72), colour, radius=5)
    for x in (6, 24, 42, 60):
        canvas.rectangle((x, 26, x + 14, 44), GLASS)
    canvas.rectangle((79, 26, 95, 70), GLASS)
    canvas.rectangle((0, 52, 76, 57), shade(colour, 1.35))
    _wheel(canvas, 22, 74, 9)
    _wheel(canvas, 68, 74, 9)


def truck(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a truck."""
    canvas.rectangle((34, 14, 100, 68), colour, radius=1)
    for x in (50, 66, 82):
        canvas.line([(x, 16), (x, 66)], shade(colour, 0.75), 1.5)
    canvas.polygon([(0, 68), (0, 50), (10, 34), (31, 34), (31, 68)], shade(colour, 1.2))
    canvas.polygon([(5, 49), (13, 38), (24, 38), (24, 49)], GLASS)
    canvas.rectangle((0, 66, 100, 73), METAL)
    for x in (16, 68, 88):
        _wheel(canvas, x, 76, 9)


def boat(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a boat."""
    canvas.rectangle((47, 4, 51, 68), WOOD)
    canvas.polygon([(53, 6), (53, 60), (92, 60)], PAPER)
    canvas.polygon([(45, 16), (45, 60), (16, 60)], shade(PAPER, 0.93))
    canvas.polygon([(0, 66), (100, 66), (84, 94), (16, 94)], colour)
    canvas.line([(8, 76), (92, 76)], shade(colour, 1.4), 3)


def apple(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw an apple."""
    canvas.ellipse((4, 24, 62, 96), colour)
    canvas.ellipse((38, 24, 96, 96), colour)
    canvas.ellipse((24, 30, 76, 98), colour, outline=1)
    canvas.line([(50, 32), (54, 8)], WOOD, 5)
    canvas.polygon([(55, 16), (70, 4), (86, 10), (70, 20)], LEAF)
    canvas.ellipse((18, 38, 30, 56), shade(colour, 1.5), outline=1)


def banana(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a banana."""
    outer = [(6 + 88 * t / 24, 30 + 52 * sin(pi * (t / 24) * 0.92 + 0.1)) for t in range(25)]
    inner = [(94 - 76 * t / 24, 26 + 22 * sin(pi * (1 - t / 24) * 0.9 + 0.1)) for t in range(25)]
    canvas.polygon(outer + inner, colour)
    middle = [(12 + 78 * t / 24, 29 + 40 * sin(pi * (t / 24) * 0.92 + 0.1)) for t in range(25)]
    canvas.line(middle, shade(colour, 0.8), 2)
    canvas.polygon([(2, 34), (4, 22), (14, 22), (16, 32)], WOOD)
    canvas.ellipse((89, 30, 98, 40), WOOD)


def cup(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a cup."""
    canvas.ellipse((0, 76, 100, 96), PAPER)
    canvas.ellipse((16, 79, 84, 91), shade(PAPER, 0.85))
    canvas.polygon([(16, 30), (84, 30), (66, 84), (34, 84)], colour)
    canvas.ellipse((16, 22, 84, 38), shade(colour, 0.65))


def mug(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a mug."""
    canvas.arc((58, 26, 100, 76), 270, 90, shade(colour, 0.85), 9)
    canvas.rectangle((8, 10, 76, 96), colour, radius=5)
    canvas.ellipse((8, 4, 76, 20), shade(colour, 0.65))
    canvas.rectangle((20, 40, 62, 72), PAPER)


def bottle(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a bottle."""
    canvas.rectangle((42, 0, 58, 10), METAL)
    canvas.rectangle((44, 8, 56, 34), colour)
    canvas.polygon([(44, 28), (56, 28), (68, 46), (32, 46)], colour)
    canvas.rectangle((32, 44, 68, 100), colour, radius=4)
    canvas.rectangle((32, 60, 68, 82), PAPER)


def chair(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a chair."""
    for x in (20, 72):
        canvas.rectangle((x, 58, x + 8, 100), WOOD)
    canvas.rectangle((20, 0, 28, 60), shade(colour, 0.8))
    canvas.rectangle((72, 0, 80, 60), shade(colour, 0.8))
    for y in (4, 20, 36):
        canvas.rectangle((22, y, 78, y + 10), colour, radius=3)
    canvas.polygon([(18, 54), (82, 54), (90, 68), (10, 68)], colour)


def table(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a table."""
    for x in (8, 26, 70, 86):
        canvas.rectangle((x, 42, x + 6, 84 if x in (26, 70) else 92), shade(colour, 0.75))
    canvas.polygon([(14, 26), (86, 26), (100, 42), (0, 42)], colour)
    canvas.rectangle((0, 42, 100, 49), shade(colour, 0.85))


def lamp(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a lamp."""
    canvas.rectangle((47, 42, 53, 92), METAL)
    canvas.ellipse((26, 88, 74, 100), METAL)
    canvas.ellipse((42, 40, 58, 56), (255, 245, 190))
    canvas.polygon([(32, 0), (68, 0), (88, 46), (12, 46)], colour)


def tree(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a tree."""
    canvas.polygon([(43, 52), (57, 52), (60, 100), (40, 100)], WOOD)
    for box in ((8, 24, 52, 66), (48, 24, 92, 66), (24, 0, 76, 46)):
        canvas.ellipse(box, colour)
    canvas.ellipse((22, 20, 78, 60), colour, outline=1)
    for x, y in ((30, 34), (62, 28), (48, 48), (72, 46)):
        canvas.arc((x - 6, y - 4, x + 6, y + 6), 200, 340, shade(colour, 0.65), 2)


def flower(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a flower."""
    canvas.line([(50, 40), (50, 100)], LEAF, 5)
    canvas.polygon([(50, 84), (74, 66), (82, 74), (52, 92)], LEAF)
    canvas.polygon([(50, 76), (26, 58), (18, 68), (48, 86)], LEAF)
    for step in range(6):
        x, y = 50 + 20 * cos(step * pi / 3), 28 + 20 * sin(step * pi / 3)
        canvas.ellipse((x - 14, y - 14, x + 14, y + 14), colour)
    canvas.ellipse((39, 17, 61, 39), (235, 215, 150))


def house(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a house."""
    canvas.rectangle((12, 42, 88, 100), colour)
    canvas.rectangle((70, 8, 80, 34), (150, 125, 115))
    canvas.polygon([(0, 44), (50, 4), (100, 44)], (150, 125, 115))
    canvas.rectangle((42, 66, 60, 100), WOOD)
    canvas.rectangle((20, 54, 36, 70), GLASS)
    canvas.rectangle((66, 54, 82, 70), GLASS)


def ball(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a ball."""
    canvas.ellipse((0, 0, 100, 100), colour)
    canvas.arc((-46, 0, 34, 100), 290, 70, PAPER, 6)
    canvas.arc((66, 0, 146, 100), 110, 250, PAPER, 6)
    canvas.line([(3, 50), (97, 50)], PAPER, 6)


def book(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a book."""
    canvas.polygon([(2, 18), (50, 28), (98, 18), (98, 84), (50, 94), (2, 84)], colour)
    canvas.polygon([(8, 12), (50, 24), (50, 86), (8, 76)], PAPER)
    canvas.polygon([(92, 12), (50, 24), (50, 86), (92, 76)], shade(PAPER, 0.94))
    for y in (30, 42, 54):
        canvas.line([(15, y - 4), (43, y + 4)], METAL, 2.5)
        canvas.line([(57, y + 4), (85, y - 4)], METAL, 2.5)


def umbrella(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw an umbrella."""
    canvas.line([(50, 40), (50, 88)], WOOD, 4)
    canvas.arc((50, 76, 70, 98), 0, 180, WOOD, 4)
    canvas.pieslice((0, 2, 100, 94), 180, 360, colour)
    for left in (0, 33.3, 66.6):
        canvas.ellipse((left + 1, 43, left + 32.5, 55), shade(colour, 0.7))
    canvas.line([(50, 4), (33, 46)], shade(colour, 0.6), 2)
    canvas.line([(50, 4), (67, 46)], shade(colour, 0.6), 2)
