"""Makes what clusters are named with, in itae_cluster/model, from the originals.

python docs/make_names.py mini-classes.safetensors wordnet_ilsvrc.json WORDNET-LICENSE.txt

Only synsets that have a word below may be a cluster's name: all classes but `NEVER`, and of the
synsets above them those of `EVERYDAY`. docs/names.md tells by which rule they were chosen.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path

from safetensors.numpy import load_file, save_file

from itae_cluster.model.quantized import quantize

MODEL = Path(__file__).parents[1] / "itae_cluster" / "model"

METADATA = {
    "model": "a linear classifier on the embeddings of mini 2, int8",
    "story": "see docs/models.md of itae-cluster",
    "licence": "Apache-2.0",
}

# WordNet's name → the word that people use. A name that several synsets have means the one above
# most classes.
EVERYDAY = {
    name: said or name
    for entry in """
animal; dog; terrier; spaniel; poodle; retriever; wolf; fox; bear; domestic cat=cat; big cat;
rodent; squirrel; rabbit; monkey; ape; elephant; whale; dolphin; seal; horse; cattle; sheep; goat;
antelope; swine=pig; camel; kangaroo; lemur; bird; duck; swan; owl; parrot; penguin; hawk; eagle;
aquatic bird=water bird; bird of prey; game bird; finch; heron; stork; snake; lizard; turtle; frog;
salamander; crocodilian reptile=crocodile; reptile; dinosaur; fish; shark; ray; insect; butterfly;
beetle; spider; crab; lobster; mollusk; coral; flower; orchid; plant; fungus=mushroom;
edible fruit=fruit; vegetable; squash; apple; pepper; cabbage; food; bread; dessert;
beverage=drink; wine; coffee; vehicle; truck; car; bus; van; bicycle; motorcycle; boat; ship;
sailing vessel=sailing ship; sailboat; warship; aircraft; airplane; train; locomotive; cart; sled;
spacecraft; building; house; shed; place of worship; bridge; fence; tower; theater; shop; roof;
mountain; shore; geological formation=landscape; musical instrument; guitar; piano;
stringed instrument; wind instrument; brass=brass instrument; percussion instrument;
keyboard instrument; furniture; chair; table; bed; sofa; baby bed; cabinet; lamp; clock; watch;
computer; portable computer=laptop; telephone; camera;
home appliance; kitchen appliance; oven; kitchen utensil; tableware; bottle; glass; mug; jug; bowl;
basket; bag; box; ball; plaything=toy; puzzle; sports equipment; tool; weapon; gun; pistol; knife;
hat; helmet; mask; clothing; dress; skirt; shirt; sweater; coat; jacket; swimsuit; hosiery=socks;
footwear=shoes; shoe; boot; glove; scarf; necktie; jewelry; spectacles=glasses; towel; curtain;
rug; tent; umbrella; pen; military vehicle; telescope; microscope; mirror; candle; sign; person;
wheel; drum
""".replace("\n", " ").split(";")
    for name, _, said in [entry.strip().partition("=")]
}

# Classes that are called otherwise than by WordNet's first word.
CALLED = {
    "African elephant": "elephant", "agaric": "mushroom", "airliner": "airplane", "alp": "mountain",
    "analog clock": "clock", "Arabian camel": "camel", "ashcan": "trash can",
    "ballplayer": "baseball player", "bannister": "banister", "bathing cap": "swimming cap",
    "beer glass": "glass of beer", "bolete": "mushroom", "bow": "archer's bow",
    "bullet train": "train", "Cardigan": "corgi", "cellular telephone": "mobile phone",
    "chain saw": "chainsaw", "cock": "rooster", "comic book": "comic", "consomme": "soup",
    "crossword puzzle": "crossword", "dial telephone": "telephone", "dishrag": "dishcloth",
    "drake": "duck", "ear": "ear of corn", "Egyptian cat": "cat", "electric fan": "fan",
    "French loaf": "baguette", "gasmask": "gas mask", "Granny Smith": "apple",
    "gyromitra": "mushroom", "hand-held computer": "handheld computer", "head cabbage": "cabbage",
    "hen-of-the-woods": "mushroom", "hip": "rose hip", "hotdog": "hot dog", "ice lolly": "ice pop",
    "Indian elephant": "elephant", "maillot": "swimsuit", "mouse": "computer mouse",
    "notebook": "laptop", "pay-phone": "pay phone", "Pembroke": "corgi", "pot": "flowerpot",
    "projectile": "rocket", "red wine": "wine", "sorrel": "horse", "streetcar": "tram",
    "file": "filing cabinet", "upright": "piano",
    "studio couch": "sofa", "sunglass": "sunglasses", "tabby": "tabby cat", "tusker": "elephant",
    "typewriter keyboard": "typewriter", "vacuum": "vacuum cleaner", "water jug": "jug",
    "web site": "website", "yellow lady's slipper": "orchid",
}  # fmt: skip

# Classes that stand for the look of a picture or a detail of it, and not for what is on it.
NEVER = {
    "abaya", "apron", "Band Aid", "bandeau", "barrow", "bib", "binder", "brassiere", "breastplate",
    "bubble", "car wheel", "carton", "cloak", "crate", "cuirass", "dough", "envelope",
    "face powder", "fountain pen nib", "fur coat", "gown", "grille", "hair spray", "hook",
    "hoopskirt", "isopod", "jean", "jersey", "kimono", "lab coat", "lotion", "matchstick",
    "medicine chest", "menu", "miniskirt", "monitor", "mosquito net", "muzzle", "nail",
    "neck brace", "overskirt", "oxygen mask", "packet", "pajama", "patio", "Petri dish", "plate",
    "plate rack", "pole", "poncho", "prayer rug", "radiator", "rain barrel", "rubber eraser",
    "rule", "sarong", "scoreboard", "screen", "screw", "seat belt", "shield", "shower curtain",
    "sliding door", "stage", "stole", "suit", "sweatshirt", "switch", "theater curtain", "tray",
    "toyshop", "trench coat", "velvet", "vestment", "web", "wig", "window screen", "window shade",
    "wool",
}  # fmt: skip


def main(classifier: str, wordnet: str, licence: str) -> None:
    """Write the three files."""
    arrays = load_file(classifier)
    save_file(quantize(arrays), MODEL / "mini-classes.safetensors", metadata=METADATA)
    shutil.copyfile(licence, MODEL / "WORDNET-LICENSE.txt")
    words = json.loads(Path(wordnet).read_text(encoding="utf-8"))
    (MODEL / "wordnet.json").write_text(_compact(words), encoding="utf-8")


def _compact(wordnet: dict) -> str:
    """Synsets as lists, the classes first, parents by their place."""
    synsets = wordnet["synsets"]
    order = [*wordnet["classes"], *sorted(synsets.keys() - set(wordnet["classes"]))]
    place = {offset: number for number, offset in enumerate(order)}
    said = _said(wordnet)
    rows = [
        [offset, "|".join(synsets[offset]["words"]), [place[p] for p in synsets[offset]["parents"]],
         said.get(offset, "")]
        for offset in order
    ]  # fmt: skip
    lines = ",\n".join(json.dumps(row, separators=(",", ":"), ensure_ascii=True) for row in rows)
    return f'{{"classes":{len(wordnet["classes"])},"synsets":[\n{lines}\n]}}\n'


def _said(wordnet: dict) -> dict[str, str]:
    """What each synset is called that may be a name."""
    synsets, classes = wordnet["synsets"], set(wordnet["classes"])
    above: dict[str, set[str]] = defaultdict(set)
    for leaf in classes:
        todo = [leaf]
        while todo:
            offset = todo.pop()
            above[offset].add(leaf)
            todo += synsets[offset]["parents"]
    best: dict[str, str] = {}
    for offset in sorted(synsets, key=lambda each: len(above[each])):
        best[synsets[offset]["name"]] = offset
    inner = {best[name]: word for name, word in EVERYDAY.items()}
    leaves = {
        offset: CALLED.get(synsets[offset]["name"], synsets[offset]["name"])
        for offset in classes
        if synsets[offset]["name"] not in NEVER
    }
    return {**leaves, **inner}


if __name__ == "__main__":
    main(*sys.argv[1:])
