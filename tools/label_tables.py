"""Make the tables of labels that the package ships, from WordNet's database and a list of Places365.

    python tools/label_tables.py synsets data.noun > imagenet_synsets.tsv
    python tools/label_tables.py scenes IO_places365.txt > scene_categories.tsv

The package has them in bidsapp_synthfmri/decoding/data. ``data.noun`` is WordNet 3.0's (on Debian
/usr/share/wordnet/data.noun, of the package wordnet-base); ``IO_places365.txt`` is in the repository
CSAILVision/places365. Which synsets and categories there are is taken from the present tables' first
column; ``--rows FILE`` names them anew, one a line.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_DATA = Path(__file__).parents[1] / "bidsapp_synthfmri" / "decoding" / "data"
TABLES = {"synsets": _DATA / "imagenet_synsets.tsv", "scenes": _DATA / "scene_categories.tsv"}
MISSING = "n/a"

# lexnames(5WN): the noun files by their number.
_LEXICOGRAPHER_FILES = {
    3: "Tops",
    4: "act",
    5: "animal",
    6: "artifact",
    7: "attribute",
    8: "body",
    9: "cognition",
    10: "communication",
    11: "event",
    12: "feeling",
    13: "food",
    14: "group",
    15: "location",
    16: "motive",
    17: "object",
    18: "person",
    19: "phenomenon",
    20: "plant",
    21: "possession",
    22: "process",
    23: "quantity",
    24: "relation",
    25: "shape",
    26: "state",
    27: "substance",
    28: "time",
}

# Every class has 8 or more of BOLD5000's 958 synsets, and no synset has two of them.
SUPERORDINATES = {
    "dog": ("n02084071",),
    "feline": ("n02120997",),
    "ungulate": ("n02370806",),
    "primate": ("n02469914",),
    "bird": ("n01503061",),
    "reptile": ("n01661091",),
    "amphibian": ("n01627424",),
    "fish": ("n02512053",),
    "insect": ("n02159955",),
    "crustacean": ("n01974773",),
    "vehicle": ("n04524313",),
    "musical instrument": ("n03800933",),
    "furniture": ("n03405725",),
    "clothing": ("n03051540",),
    "building": ("n02913152",),
    "tool": ("n04451818",),
    "vessel": ("n04531098",),
    "electronic equipment": ("n03278248",),
    "home appliance": ("n03528263",),
    "timepiece": ("n04437953",),
    "ball": ("n02778669",),
    "food": ("n07555863", "n00021265"),
    "geological formation": ("n09287968",),
}


@dataclass(frozen=True)
class Synset:
    """A noun synset: lexicographer file, first lemma, and the synsets it is a kind or an instance of."""

    lexicographer: str
    lemma: str
    hypernyms: tuple[str, ...]


def read_nouns(lines: Iterable[str]) -> dict[str, Synset]:
    """Synsets of a ``data.noun`` by their id, ``n`` and the offset; format of wndb(5WN)."""
    nouns = {}
    for line in lines:
        if line.startswith(" "):  # the licence
            continue
        fields = line.split(" | ")[0].split()
        n_words = int(fields[3], 16)
        pointers = fields[5 + 2 * n_words :]
        hypernyms = tuple(
            f"n{offset}"
            for symbol, offset in zip(pointers[::4], pointers[1::4], strict=False)
            if symbol in ("@", "@i")
        )
        lexicographer = f"noun.{_LEXICOGRAPHER_FILES[int(fields[1])]}"
        nouns[f"n{fields[0]}"] = Synset(lexicographer, fields[4].replace("_", " "), hypernyms)
    return nouns


def ancestors(synset: str, nouns: dict[str, Synset]) -> set[str]:
    """The synset itself and all it is a kind of, over every path."""
    found, waiting = {synset}, [synset]
    while waiting:
        new = set(nouns[waiting.pop()].hypernyms) - found
        found |= new
        waiting += new
    return found


def superordinate(synset: str, nouns: dict[str, Synset]) -> str:
    """The one chosen class that the synset belongs to, or ``n/a``.

    Raises
    ------
    ValueError : it belongs to two
    """
    above = ancestors(synset, nouns)
    classes = [name for name, roots in SUPERORDINATES.items() if above.intersection(roots)]
    if len(classes) > 1:
        raise ValueError(
            f"{synset} ({nouns[synset].lemma}) is {' and '.join(classes)}: choose disjoint classes"
        )
    return classes[0] if classes else MISSING


def synset_rows(synsets: Iterable[str], nouns: dict[str, Synset]) -> Iterator[tuple[str, ...]]:
    """Rows of ``imagenet_synsets.tsv``, header first."""
    yield "synset", "lemma", "lexicographer", "superordinate"
    for synset in sorted(synsets):
        noun = nouns[synset]
        yield synset, noun.lemma, noun.lexicographer, superordinate(synset, nouns)


def scene_rows(categories: Iterable[str], places: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Rows of ``scene_categories.tsv``, header first.

    A category has the setting of the one Places365 category that has all of its letters, in any order of
    the words, and no other; or the one that its own name ends in.
    """
    setting = {"1": "indoor", "2": "outdoor"}
    known = {}
    for path, code in (line.split() for line in places if line.strip()):
        words = path.split("/")[2:]
        for spelling in (words, words[::-1]):
            known[_letters("".join(spelling))] = (setting[code], path)
    yield "category", "setting", "places365"
    for category in sorted(categories):
        own = re.search(r"(indoor|outdoor)s?$", category.lower())
        found, path = known.get(_letters(category), (own[1] if own else MISSING, MISSING))
        yield category, found, path


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def main() -> None:
    """Write one table to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", choices=sorted(TABLES))
    parser.add_argument("source", type=Path)
    parser.add_argument("--rows", type=Path, help="what the table has a row of, one a line")
    given = parser.parse_args()
    present = (given.rows or TABLES[given.table]).read_text(encoding="utf-8").splitlines()
    names = [line.split("\t")[0] for line in present[0 if given.rows else 1 :] if line]
    with given.source.open(encoding="utf-8") as lines:
        rows = synset_rows(names, read_nouns(lines)) if given.table == "synsets" else scene_rows(names, lines)
        csv.writer(sys.stdout, delimiter="\t", lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
