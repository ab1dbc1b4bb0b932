"""The tool that makes the shipped tables: WordNet's format, closure over every path, names of scenes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDNET = Path("/usr/share/wordnet/data.noun")

# A tree of its own in the format of wndb(5WN): words counted in base 16, pointers of several kinds.
NOUNS = """\
  1 This is where the licence stands
00000001 03 n 01 entity 0 001 ~ 00000002 n 0000 | all there is
00000002 05 n 02 animal 0 beast 0 002 @ 00000001 n 0000 + 00000009 v 0101 | moves | by itself
02084071 05 n 01 dog 0 001 @ 00000002 n 0000 | barks
02084072 05 n 0a big_dog 0 a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 002 #m 00000001 n 0000 @ 02084071 n 0000 | ten
04524313 06 n 01 vehicle 0 001 @ 00000001 n 0000 | moves people
00000007 06 n 01 Rex 0 002 @i 02084071 n 0000 @ 04524313 n 0000 | a dog and a vehicle
00000008 27 n 01 dust 0 001 @ 00000001 n 0000 | fine
""".splitlines(keepends=True)


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("label_tables", ROOT / "tools" / "label_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["label_tables"] = module
    spec.loader.exec_module(module)
    return module


def test_synsets_get_first_lemma_lexicographer_file_and_class_by_closure(tool: ModuleType) -> None:
    nouns = tool.read_nouns(NOUNS)
    assert len(nouns) == 7
    rows = list(tool.synset_rows(["n02084072", "n00000008"], nouns))
    assert rows == [
        ("synset", "lemma", "lexicographer", "superordinate"),
        ("n00000008", "dust", "noun.substance", "n/a"),
        ("n02084072", "big dog", "noun.animal", "dog"),
    ]
    assert tool.ancestors("n02084072", nouns) == {"n02084072", "n02084071", "n00000002", "n00000001"}


def test_two_classes_for_one_synset_are_refused(tool: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"n00000007 \(Rex\) is dog and vehicle"):
        tool.superordinate("n00000007", tool.read_nouns(NOUNS))


def test_scenes_get_the_setting_of_the_category_with_all_of_their_letters(tool: ModuleType) -> None:
    places = ["/a/art_studio 1\n", "/s/stadium/football 2\n", "/c/church/indoor 1\n", "/c/church/outdoor 2\n"]
    names = ["church", "artStudio", "footballstadium", "cabinIndoors", "balconyIN", "stream_outdoor"]
    rows = {name: rest for name, *rest in list(tool.scene_rows(names, places))[1:]}
    assert rows == {
        "artStudio": ["indoor", "/a/art_studio"],
        "footballstadium": ["outdoor", "/s/stadium/football"],
        "church": ["n/a", "n/a"],
        "cabinIndoors": ["indoor", "n/a"],
        "balconyIN": ["n/a", "n/a"],
        "stream_outdoor": ["outdoor", "n/a"],
    }


@pytest.mark.skipif(not WORDNET.is_file(), reason="WordNet's database is not installed (wordnet-base)")
def test_the_shipped_table_is_what_wordnet_says(tool: ModuleType) -> None:
    shipped = [line.split("\t") for line in tool.TABLES["synsets"].read_text("utf-8").splitlines()]
    with WORDNET.open(encoding="utf-8") as lines:
        made = tool.synset_rows([row[0] for row in shipped[1:]], tool.read_nouns(lines))
        assert [list(row) for row in made] == shipped
