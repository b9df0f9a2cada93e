"""What things usually are: what they are made of, what form they have, how their surface looks.

Choices:
- These are facts about nouns, not about one picture: a noun has a word here only if nearly all its things are so, real
  ones and drawn ones. Of what that could be argued about (bottles, benches, cups, sinks) nothing is said.
- A form is that of the thing, an outline (`outlines.py`) that of its mask: a can is cylindrical, and its outline
  rectangular.
"""

from __future__ import annotations

__all__ = ["USUAL", "wrong_usual"]

_NOUNS: dict[str, dict[str, str]] = {
    "material": {
        "metal": (
            "car, bus, school bus, train, truck, fire truck, van, police car, tram, airplane, motorcycle, bicycle,"
            " fork, spoon, knife, scissors, fire hydrant, stop sign, parking meter, oven, toaster, refrigerator, key,"
            " hammer, chain, anchor, saw, wrench, screwdriver, nut and bolt, gear, frying pan, dumbbell, cannon, bell,"
            " trophy, coin, padlock, safety pin, paper clip, thumbtack, microwave, tractor, can, trumpet,"
            " saxophone, hook"
        ),
        "wood": (
            "log, violin, guitar, chopsticks, pencil, broom, nesting dolls, crate, cello, banjo, cricket bat,"
            " hockey stick, boomerang, bow and arrow, dining table"
        ),
        "glass": (
            "wine glass, light bulb, jar, hourglass, crystal ball, cocktail, beer mug, whiskey glass, test tube, window"
        ),
        "fabric": (
            "tie, umbrella, teddy bear, couch, t-shirt, jeans, socks, dress, scarf, coat, apron, kimono, skirt,"
            " sweater, bow tie, tent, parachute, shorts, dress shirt, blouse, backpack, gloves, lab coat"
        ),
        "plastic": (
            "keyboard, computer mouse, remote, frisbee, toothbrush, game controller, joystick, bucket,"
            " printer, hair drier, water pistol, floppy disk, compact disc, radio, telephone"
        ),
        "ceramic": "toilet, vase, bathtub, plate, teapot",
        "paper": "book, newspaper, envelope, notebook, receipt, scroll, banknote, ticket, toilet paper, calendar",
        "leather": "baseball glove, leather shoe, purse, handbag, boxing glove, high heel, boot, american football",
        "stone": "gravestone, stone statue, rock, mountain, fountain",
    },
    "form": {
        "cylindrical": (
            "bottle, can, candle, barrel, jar, battery, cup, drum, log, beer mug, bucket, baby bottle, lipstick, fire"
            " extinguisher, water tower, toilet paper, soda cup, spool of thread, flashlight"
        ),
        "spherical": (
            "orange, soccer ball, basketball, baseball, volleyball, sports ball, tennis ball, golf ball, softball,"
            " globe, crystal ball, billiard ball, disco ball, ball of yarn, planet, peach, pomegranate, tomato"
        ),
        "conical": "ice cream cone, christmas tree, pine tree, party popper, volcano",
        "curved": "banana, boomerang, croissant, hook, shrimp",
        "box-shaped": (
            "suitcase, microwave, refrigerator, oven, toaster, cardboard box, dice, gift, juice box, toolbox, washing"
            " machine, ballot box, printer"
        ),
        "long and thin": (
            "pencil, pen, chopsticks, cigarette, baseball bat, skis, walking stick, broom, snake, needle, flute,"
            " fishing rod, knife, paintbrush, magic wand, pole"
        ),
        "disc-shaped": "pizza, plate, frisbee, compact disc, coin, flatbread, dartboard, cookie",
    },
    "texture": {
        "furry": (
            "dog, cat, bear, rabbit, fox, wolf, lion, koala, panda, squirrel, tiger, leopard, hamster, polar bear,"
            " raccoon, poodle, guinea pig, cougar, baboon, chimpanzee, orangutan, gorilla, monkey, mouse, beaver"
        ),
        "woolly": "sheep, llama, ball of yarn, sweater, scarf, gloves",
        "feathery": (
            "bird, owl, parrot, chicken, duck, goose, swan, eagle, rooster, dove, peacock, turkey, flamingo, crow,"
            " stork, heron, feather"
        ),
        "scaly": "snake, fish, crocodile, lizard, dragon, dinosaur, turtle, mermaid",
        "smooth": (
            "plate, cup, car, apple, banana, tomato, balloon, billiard ball, laptop, cell phone, refrigerator, egg,"
            " toilet, bathtub, wine glass, spoon, bottle, bus, airplane, computer mouse, sink, frisbee, lemon, eggplant"
        ),
        "rough": "rock, log, bricks, coral, bread, mountain, cliff, stone statue, gravestone, volcano, cookie",
    },
}

USUAL = {
    attribute: {noun: word for word, nouns in words.items() for noun in nouns.split(", ")}
    for attribute, words in _NOUNS.items()
}
"""Attribute → noun → its word."""

_AKIN: dict[str, tuple[frozenset[str], ...]] = {
    "material": (
        frozenset(("ceramic", "glass", "stone")),
        frozenset(("fabric", "leather")),
        frozenset(("plastic", "metal")),
    ),
    "form": (frozenset(("cylindrical", "long and thin")), frozenset(("curved", "long and thin"))),
    "texture": (frozenset(("furry", "woolly")),),
}
"""Words of which one may be said of some things of the other."""


def wrong_usual(attribute: str, own: str) -> list[str]:
    """Lists the words of an attribute that are wrong for what is usually `own`.

    >>> "glass" in wrong_usual("material", "ceramic")
    False
    """
    akin = {word for group in _AKIN[attribute] if own in group for word in group}
    return [word for word in _NOUNS[attribute] if word != own and word not in akin]
