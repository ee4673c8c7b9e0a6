"""Sprites of people and animals."""

from __future__ import annotations

from zsris_viz.miniature.world.rasterizer import Canvas, Colour, shade

SKINS: tuple[Colour, ...] = ((240, 205, 175), (205, 160, 120), (150, 105, 75), (225, 185, 150))
HAIRS: tuple[Colour, ...] = ((95, 65, 45), (150, 115, 70), (120, 120, 120), (75, 50, 40))
TROUSERS: tuple[Colour, ...] = ((150, 145, 135), (115, 110, 105), (175, 165, 145), (130, 120, 105))
EYE: Colour = (25, 25, 25)
WHITE: Colour = (240, 240, 235)


def _face(canvas: Canvas, centre: float, top: float, radius: float, skin: Colour) -> None:
    canvas.ellipse((centre - radius, top, centre + radius, top + 2 * radius), skin)
    for side in (-1, 1):
        x = centre + side * radius * 0.4
        canvas.ellipse((x - 1.1, top + radius * 0.8, x + 1.1, top + radius * 0.8 + 2.2), EYE)


def man(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a man."""
    skin, hair, trousers = SKINS[variant], HAIRS[variant], TROUSERS[variant]
    hem = 76 if clothes == "coat" else 57
    canvas.rectangle((38, 50, 48, 98), trousers)
    canvas.rectangle((52, 50, 62, 98), trousers)
    canvas.rectangle((35, 94, 48, 100), shade(trousers, 0.5))
    canvas.rectangle((52, 94, 65, 100), shade(trousers, 0.5))
    canvas.rectangle((24, 24, 35, 54), colour, radius=4)
    canvas.rectangle((65, 24, 76, 54), colour, radius=4)
    canvas.ellipse((25, 51, 34, 60), skin)
    canvas.ellipse((66, 51, 75, 60), skin)
    canvas.rectangle((33, 22, 67, hem), colour, radius=4)
    if clothes == "coat":
        canvas.line([(50, 24), (50, hem)], shade(colour, 0.55), 2)
    _face(canvas, 50, 2, 10.5, skin)
    canvas.pieslice((39, 0, 61, 20), 180, 360, hair)
    canvas.pieslice((40, 5, 60, 24), 20, 160, hair)


def woman(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a woman."""
    skin, hair, skirt = SKINS[variant], HAIRS[(variant + 1) % 4], TROUSERS[(variant + 1) % 4]
    canvas.ellipse((35, 0, 65, 42), hair)
    canvas.rectangle((40, 70, 47, 98), skin)
    canvas.rectangle((53, 70, 60, 98), skin)
    canvas.line([(33, 28), (22, 55)], colour, 8)
    canvas.line([(67, 28), (78, 55)], colour, 8)
    canvas.ellipse((18, 53, 26, 61), skin)
    canvas.ellipse((74, 53, 82, 61), skin)
    if clothes == "coat":
        canvas.polygon([(36, 24), (64, 24), (75, 82), (25, 82)], colour)
        canvas.line([(50, 26), (50, 80)], shade(colour, 0.55), 2)
    else:
        canvas.polygon([(38, 48), (62, 48), (76, 80), (24, 80)], skirt)
        canvas.polygon([(34, 24), (66, 24), (63, 54), (37, 54)], colour)
    _face(canvas, 50, 4, 10, skin)
    canvas.pieslice((38, 0, 62, 22), 180, 360, hair)


def boy(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a boy."""
    skin, cap, shorts = SKINS[variant], TROUSERS[(variant + 2) % 4], TROUSERS[(variant + 3) % 4]
    canvas.rectangle((38, 84, 47, 100), skin)
    canvas.rectangle((53, 84, 62, 100), skin)
    canvas.rectangle((35, 70, 65, 88), shorts, radius=2)
    canvas.line([(32, 50), (18, 40)], colour, 9)
    canvas.line([(68, 50), (82, 40)], colour, 9)
    canvas.ellipse((11, 33, 20, 42), skin)
    canvas.ellipse((80, 33, 89, 42), skin)
    canvas.rectangle((31, 44, 69, 86 if clothes == "coat" else 75), colour, radius=5)
    if clothes == "coat":
        canvas.line([(50, 46), (50, 84)], shade(colour, 0.55), 2)
    _face(canvas, 50, 8, 19, skin)
    canvas.pieslice((30, 2, 70, 40), 180, 360, cap)
    canvas.rectangle((60, 18, 82, 24), cap, radius=3)


def girl(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a girl."""
    skin, hair = SKINS[variant], HAIRS[variant]
    canvas.ellipse((8, 20, 30, 48), hair)
    canvas.ellipse((70, 20, 92, 48), hair)
    canvas.rectangle((41, 82, 47, 100), skin)
    canvas.rectangle((53, 82, 59, 100), skin)
    canvas.line([(38, 52), (24, 68)], colour, 8)
    canvas.line([(62, 52), (76, 68)], colour, 8)
    canvas.ellipse((18, 65, 26, 73), skin)
    canvas.ellipse((74, 65, 82, 73), skin)
    if clothes == "coat":
        canvas.polygon([(38, 44), (62, 44), (74, 90), (26, 90)], colour)
        canvas.line([(50, 46), (50, 88)], shade(colour, 0.55), 2)
    else:
        canvas.polygon([(38, 68), (62, 68), (72, 86), (28, 86)], TROUSERS[variant])
        canvas.polygon([(36, 44), (64, 44), (66, 72), (34, 72)], colour)
    canvas.ellipse((29, 4, 71, 46), hair)
    _face(canvas, 50, 12, 17, skin)


def cat(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a cat."""
    canvas.arc((62, 48, 98, 98), 250, 110, shade(colour, 0.85), 7)
    canvas.ellipse((28, 44, 74, 100), colour)
    canvas.polygon([(28, 30), (30, 2), (48, 20)], colour)
    canvas.polygon([(74, 30), (72, 2), (54, 20)], colour)
    canvas.ellipse((24, 12, 78, 56), colour)
    for x in (40, 62):
        canvas.ellipse((x - 4, 26, x + 4, 36), (225, 225, 170))
        canvas.ellipse((x - 1.5, 27, x + 1.5, 35), EYE)
    canvas.polygon([(47, 40), (55, 40), (51, 45)], (220, 150, 150))
    for side in (-1, 1):
        for lift in (0, 5):
            canvas.line([(51 + side * 8, 44 + lift / 2), (51 + side * 34, 41 + lift * 1.6)], WHITE, 1.2)
    canvas.ellipse((34, 90, 49, 100), shade(colour, 1.2))
    canvas.ellipse((53, 90, 68, 100), shade(colour, 1.2))


def dog(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a dog."""
    canvas.line([(88, 46), (98, 24)], colour, 6)
    for x in (30, 42, 72, 84):
        canvas.rectangle((x - 5, 62, x + 5, 96), shade(colour, 0.85), radius=3)
    canvas.rectangle((24, 42, 92, 72), colour, radius=12)
    canvas.rectangle((0, 30, 30, 48), shade(colour, 1.15), radius=7)
    canvas.ellipse((12, 14, 48, 54), colour)
    canvas.ellipse((34, 16, 52, 60), shade(colour, 0.6))
    canvas.ellipse((20, 24, 27, 31), EYE)
    canvas.ellipse((-1, 30, 8, 39), EYE)


def bird(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a bird."""
    beak = (205, 170, 95)
    canvas.line([(46, 76), (46, 96)], beak, 3)
    canvas.line([(56, 76), (56, 96)], beak, 3)
    canvas.polygon([(66, 52), (100, 40), (96, 64)], shade(colour, 0.7))
    canvas.ellipse((22, 34, 82, 82), colour)
    canvas.ellipse((10, 14, 50, 52), colour)
    canvas.polygon([(12, 28), (-2, 36), (14, 41)], beak)
    canvas.ellipse((22, 25, 30, 33), WHITE)
    canvas.ellipse((24, 27, 29, 32), EYE)
    canvas.polygon([(40, 50), (80, 46), (62, 72)], shade(colour, 0.6))


def fish(canvas: Canvas, colour: Colour, variant: int, clothes: str | None) -> None:
    """Draw a fish."""
    canvas.polygon([(68, 50), (100, 24), (94, 50), (100, 76)], shade(colour, 0.8))
    canvas.polygon([(30, 32), (52, 14), (62, 32)], shade(colour, 0.8))
    canvas.ellipse((0, 26, 78, 74), colour)
    canvas.polygon([(38, 54), (56, 50), (50, 66)], shade(colour, 0.65))
    canvas.arc((4, 28, 34, 72), 285, 75, shade(colour, 0.6), 2)
    canvas.ellipse((12, 40, 22, 50), WHITE)
    canvas.ellipse((15, 43, 20, 48), EYE)
