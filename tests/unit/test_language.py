"""Two languages, one catalogue: complete, true to its templates, and spoken by every command."""

from __future__ import annotations

import importlib.util
import pickle
import re
from contextlib import suppress
from pathlib import Path
from string import Formatter

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from babel.messages import pofile
from click.testing import CliRunner

import gridmap
from gridmap.cli import COMMANDS, main
from gridmap.io.export import sheets_of
from gridmap.language import LOCALE, Message, compile_catalogues, joined, speaking, tr

ROOT = Path(__file__).parents[2]
CJK = re.compile("[\u4e00-\u9fff]")
ENGLISH = re.compile(r"(?<![`\w./-])[a-z]{2,} [a-z]{2,} [a-z]{2,}")
QUOTED = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"|\([^()]*=[^()]*\)")
THEIR_WORDS = ("结案", "社区", "总户数")  # what a planner's own table says


def _script():
    spec = importlib.util.spec_from_file_location("catalogue", ROOT / "scripts" / "catalogue.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
SAID = {(one.template, one.context or None): one.place for one in SCRIPT.ours()}
with (LOCALE / "zh" / "LC_MESSAGES" / "gridmap.po").open("rb") as file:
    CHINESE = {(one.id, one.context): one.string for one in pofile.read_po(file) if one.id}


NOT_WORDS = {("en", None), ("{en}", None)}  # a code; what older files hold in both languages


def _names(template):
    parts = Formatter().parse(template)
    return {re.split(r"[.\[]", name)[0] for _, name, *_ in parts if name is not None}


def test_the_catalogue_holds_all_that_is_said_and_nothing_else():
    """Run `scripts/catalogue.py` and fill in what is empty."""
    assert SAID.keys() - CHINESE.keys() == set(), "said, but not in the catalogue"
    assert CHINESE.keys() - SAID.keys() == set(), "in the catalogue, but not said any more"
    assert [key for key, words in CHINESE.items() if not words] == [], "without Chinese"


def _wrong(english, chinese):
    """Tell what is wrong with a pair, "" when nothing is."""
    bare = re.sub(r"\{[^{}]*\}", "", english)
    for word in THEIR_WORDS:
        bare = bare.replace(word, "")
    words = re.sub(r"<[^<>]*>", "", bare)
    plain = re.sub(r"\{[^{}]*\}", "", chinese)
    if not _names(chinese) <= _names(english):
        return "a value that the template does not name"
    if CJK.search(bare):
        return "Chinese in the English"
    if re.search("[A-Za-z]{2}", words) and not re.search("[\u3000-\u9fff\uff00-\uffef]", chinese):
        return "no Chinese"
    if re.search("[\u4e00-\u9fff][,:;!?](?!\\d)", chinese.replace("西,南,东,北", "")):
        return "ASCII marks between Chinese"
    return "English in the Chinese" if ENGLISH.search(QUOTED.sub("", plain)) else ""


def test_each_message_is_in_its_language():
    pairs = [(key[0], words) for key, words in CHINESE.items() if key not in NOT_WORDS]
    assert [(en, zh, wrong) for en, zh in pairs if (wrong := _wrong(en, zh))] == []


COUNTED = re.compile(r"(?<!-)(?<!than )\{(\w+)(?::[,d])?\} ([a-z]+s)\b")
NOT_COUNTED = {
    "is",
    "ways",
    "has",
    "as",
    "does",
    "was",
    "lies",
    "stands",
    "crosses",
    "lets",
    "swallows",
    "exists",
    "fits",
    "needs",
    "holds",
    "leaves",
    "says",
    "reads",
    "names",
    "runs",
    "ends",
    "keeps",
    "gives",
    "areas",  # of a kind that is named before
    "permutations",
    "digits",
    "times",
}  # verbs, and given numbers


def test_a_counted_noun_has_its_singular():
    """Write {n:,} {n:row|rows}."""
    for template, _ in SAID:
        nouns = {noun for name, noun in COUNTED.findall(template) if name != "title"}
        assert nouns <= NOT_COUNTED, template


class _Anything:
    """A value that can be written in any way that a template asks for."""

    def __format__(self, spec):
        return "7" if spec and "|" not in spec else "x"

    def __repr__(self):
        return "'x'"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_each_message_can_be_said(lang):
    """Every template, in either language, is filled from the values that it names."""
    for template, context in SAID:
        named = _names(template) | _names(CHINESE[template, context])
        values = {name: _Anything() for name in named}
        said = Message(template, context=context or "", **values).text(lang)
        assert said, template


OF_THE_SHELL = re.compile(r"`gridmap[^`]*`")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_cure_is_in_the_words_of_the_door(lang):
    """Options at the shell, keywords in Python; a command named in full is one at both."""
    for (template, context), place in SAID.items():
        if place.startswith("gridmap/cli/"):
            continue
        message = Message(template, context=context or "")
        told = OF_THE_SHELL.sub("", message.text(lang))
        assert not re.search(r"--[a-z]", told), (place, told)


def test_options_become_keywords_with_their_values():
    """As they are written in Python: text in quotes, flags True, reasons by code."""
    said = {
        "Name them: `--x COLUMN --y COLUMN`.": 'Name them: `x="COLUMN", y="COLUMN"`.',
        "Add --overwrite, or wait.": "Add `overwrite=True`, or wait.",
        "`--workers 1` or --date-order": "`workers=1` or `date_order`",
        "`gridmap apply --hand`": "`gridmap apply --hand`",
    }
    for template, told in said.items():
        assert str(Message(template)) == told
        with speaking("en", at_shell=True):
            assert str(Message(template)) == template
    assert str(Message('`--approve {code}="…"`', code="A1")) == '`approve={"A1": "…"}`'


def test_a_number_chooses_its_words():
    said = Message("{n:,} {n:row is|rows are} blank in {of} {of:file|files}")
    assert str(said(n=1, of=1)) == "1 row is blank in 1 file"
    assert str(said(n=1200, of=0)) == "1,200 rows are blank in 0 files"


@pytest.mark.parametrize("value", [np.float64(2), np.arange(3), pd.Series([1, 2]), np.array(2)])
def test_whatever_a_caller_handed_in_can_be_shown(value):
    assert "2" in str(Message("it is {value!r}", value=value))
    assert "2" in str(Message("it is {value}", value=value))


def test_a_message_is_said_in_the_language_that_is_spoken_when_it_is_shown():
    kept = Message("`{name}` is empty; give at least one row.", name="cells")
    assert str(kept) == "`cells` is empty; give at least one row."
    with speaking("zh"):
        assert CJK.search(str(kept))
        assert joined(["a", "b"]) == "a、b"
    assert kept.both() == {"zh": kept.text("zh"), "en": str(kept)}


def test_what_stands_in_a_message_is_said_in_its_language_too():
    inner = Message("Check the path.")
    outer = Message("`{path}` is not there. {cure}", path="x", cure=inner)
    assert outer.text("zh") == "找不到 `x`。请检查路径。"
    assert Message("It has {all}.", all=["a", inner]).text("en") == "It has a, Check the path.."


def test_names_from_data_are_never_read_as_templates():
    assert str(Message("`{name}` is empty.", name="{0.__class__}")) == "`{0.__class__}` is empty."
    assert str(gridmap.InputError("a brace { as it is")) == "a brace { as it is"


def test_a_message_survives_a_file_and_a_process():
    inner = Message("{n:,} {n:row|rows}", n=3)
    kept = Message("{name}: {text}", name="x", text=inner)
    assert Message.of(kept.plain()).text("zh") == kept.text("zh") == "x：3 行"
    assert Message.of({"en": "as it was", "zh": "原样"}).both() == {"en": "as it was", "zh": "原样"}
    error = pickle.loads(pickle.dumps(gridmap.InputError("{n:,} {n:row|rows}", n=3)))
    assert str(error) == "3 rows"
    with speaking("zh"):
        assert str(error) == "3 行"


def test_pages_ask_for_a_language_and_leave_the_one_spoken():
    assert tr("Households", lang="zh") == "户数"
    assert tr("Households") == "Households"


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_in_the_language_asked_for(name):
    asked = [*([name] if name else []), "--help"]
    zh = CliRunner().invoke(main, ["--lang", "zh", *asked]).stdout
    en = CliRunner().invoke(main, ["--lang", "en", *asked]).stdout
    for word in THEIR_WORDS:
        en = en.replace(word, "")
    assert not CJK.search(en)
    plain = re.sub(r"`[^`]*`|--[a-z-]+|\[[^\]]*\]", "", zh).replace("English: gridmap", "")
    assert CJK.search(zh) and not ENGLISH.search(plain), ENGLISH.search(plain)
    assert len(zh.splitlines()) > 3
    assert not re.search("[\u3001-\u9fff，；] [\u3001-\u9fff]", zh.split("选项")[0])


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A desk full of bad files."""
    desk = tmp_path_factory.mktemp("desk")
    cells = gpd.GeoDataFrame(
        {"网格编号": ["A1", "A2"], "户数": [400, 500]},
        geometry=shapely.box([0, 5], 0, [5, 10], 5),
        crs=4547,
    )
    cells.to_file(desk / "cells.gpkg")
    cells.to_crs(4326).to_file(desk / "degrees.gpkg")
    cells.set_crs(4326, allow_override=True).translate(5e5, 4e6).to_file(desk / "wrong.gpkg")
    cells[["geometry"]].to_file(desk / "bare.shp")
    (desk / "bare.prj").unlink()
    cells.iloc[:0].to_file(desk / "none.gpkg")
    gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=4547).to_file(desk / "points.gpkg")
    pd.DataFrame({"网格编号": ["A1"], "户数": ["两百"]}).to_csv(desk / "text.csv", index=False)
    pd.DataFrame({"经度": [34.7], "纬度": [113.6], "户数": [3]}).to_csv(
        desk / "swapped.csv", index=False
    )
    pd.DataFrame({"户数": [3]}).to_csv(desk / "nowhere.csv", index=False)
    (desk / "empty.gpkg").write_bytes(b"")
    (desk / "notes.xyz").write_text("x")
    (desk / "folder").mkdir()
    (desk / "cut.gpkg").write_bytes((desk / "cells.gpkg").read_bytes()[:5000])
    (desk / "cut.xlsx").write_bytes(b"PK\x03\x04 cut short")
    return desk


BAD = [
    ("validate cell.gpkg", "找不到 `cell.gpkg`。是不是 `cells.gpkg`？"),
    ("validate nofolder/cells.gpkg", "没有文件夹 `nofolder`"),
    ("validate notes.xyz", "不认识 `notes.xyz` 的格式"),
    ("validate empty.gpkg", "是空文件（0 字节）"),
    ("validate none.gpkg", "`none.gpkg` 中没有要素"),
    ("validate bare.shp", "没有坐标系，坐标无从解释"),
    ("validate wrong.gpkg", "不是经纬度。请用 `--crs EPSG:4547`"),
    ("validate cells.gpkg:nets", "没有图层 'nets'"),
    ("validate cells.gpkg --boundary points.gpkg", "是点，不是面"),
    ("validate cells.gpkg --boundary outline --code x9", "--code 所指的列 'x9' 不存在"),
    ("validate cells.gpkg --boundary outline --fail-on holes", "不是缺陷类型"),
    ("validate cells.gpkg --defects cells.gpkg", "而本命令也要读取"),
    ("validate cells.gpkg --defects out/d.gpkg", "文件夹 `out` 不存在"),
    ("validate cells.gpkg --crs EPSG:四五四七 --boundary bare.shp", "不是坐标系"),
    ("validate", "缺少参数 'CELLS'"),
    ("validate cells.gpkg --bound x", "没有选项 '--bound'。 相近的有 '--boundary'"),
    ("validate cells.gpkg --min 0", "'--min' 的值无效：0 不在范围 x>=1 内"),
    ("validate cells.gpkg --min", "选项 '--min' 后面要有值"),
    ("validate cells.gpkg extra", "多出参数（extra）"),
    ("repair cells.gpkg --boundary outline", "缺少选项 -o / --output"),
    ("repair cells.gpkg -o x.gpkg", "缺少选项 '--boundary'"),
    (
        "repair cells.gpkg --boundary outline -o x.gpkg --policy best",
        "'best' 不在 'longest-border'",
    ),
    ("repair cells.gpkg --boundary degrees.gpkg -o x.gpkg", "请先把其中一个转换过来"),
    ("adopt cells.gpkg --boundary outline -o x.gpkg --min 600 --max 300", "请对调 --min 和 --max"),
    ("adopt cells.gpkg --boundary outline -o x.gpkg --level 街道", "没有层级列 '街道'"),
    ("map cells.gpkg -o x.html", "不是网格成果文件"),
    ("account cells.gpkg nowhere.csv", "没有坐标列，现有列："),
    ("account cells.gpkg swapped.csv", "经纬度似乎颠倒"),
    ("account cells.gpkg text.csv --x 经度 --y 纬度", "没有 '经度' 这一列"),
    ("account cells.gpkg swapped.csv --datum xian80", "--datum 为 'xian80'"),
    ("partition cells.gpkg -o x.gpkg", "请给出 --households 或 --units 之一"),
    ("partition cells.gpkg --households text.csv -o x.gpkg", "两百"),
    ("nonsense", "没有命令 'nonsense'"),
]


@pytest.mark.parametrize(("line", "said"), BAD, ids=[line for line, _ in BAD])
def test_a_clerk_reads_chinese(desk, monkeypatch, line, said):
    monkeypatch.chdir(desk)
    result = CliRunner().invoke(main, line.split())
    last = result.stderr.splitlines()[-1]
    assert result.exit_code == 2, result.output
    assert last.startswith("gridmap: ") and said in last
    assert not ENGLISH.search(last), "English is left"


@pytest.mark.parametrize("line", [line for line, _ in BAD])
def test_who_asks_for_english_reads_no_chinese(desk, monkeypatch, line):
    monkeypatch.chdir(desk)
    result = CliRunner().invoke(main, ["--lang", "en", *line.split()])
    assert result.exit_code == 2, result.output
    assert not CJK.search(re.sub(OWN, "", result.stderr)), "Chinese is left"


LINES = {
    "info": "{0}",
    "partition": "{0} --households {1} -o out.gpkg",
    "adopt": "{0} --boundary {1} -o out.gpkg",
    "validate": "{0} --boundary {1}",
    "repair": "{0} --boundary {1} -o out.gpkg",
    "assign": "{0} {1} -o out.csv",
    "hotspots": "{0} {1} -o out.csv",
    "indicators": "{0} {1}",
    "map": "{0} -o out.html --incidents {1}",
    "atlas": "{0} --streets {1} -o out.pdf",
    "briefing": "{0} {1} -o out.html",
    "weekly": "{0} --incidents {1}",
    "compare": "{0} {1}",
    "account": "{0} {1}",
    "share": "{0} -o out.csv --column {1}",
    "export": "{0} -o {1}",
    "staff": "{0} {1}",
    "patrol": "{0} {1} -o out.gpkg",
    "streets": "{0} {1} {1} -o out.gpkg",
    "duplicates": "{0} {1} -o out.csv",
    "recheck": "{0} {1} -o out.csv",
    "clusters": "{0} {1} -o out.csv",
    "edit": "{0} -o out.html --compare {1}",
    "apply": "{0} {1} -o out.gpkg",
    "plans": "{0} {1} -o out.html",
}
SPOILT = [
    "nowhere.gpkg",
    "folder",
    "empty.gpkg",
    "notes.xyz",
    "cut.gpkg",
    "cut.xlsx",
    "nowhere.csv",
]
OWN = "编码|四五四七|街道|经度|纬度|户数|两百|网格编号"  # what stands in the files


def test_every_command_is_driven():
    assert LINES.keys() == COMMANDS.keys() - {"example"}, "add a line for a new command"


@pytest.mark.parametrize("command", LINES)
def test_a_spoilt_file_is_told_in_one_language_by_every_command(desk, monkeypatch, command):
    """One line with its cure, exit code 2, nothing of the other language, nothing written."""
    monkeypatch.chdir(desk)
    for bad in SPOILT:
        for line in {LINES[command].format(bad, bad), LINES[command].format("cells.gpkg", bad)}:
            for lang, foreign in (("zh", ENGLISH), ("en", CJK)):
                result = CliRunner().invoke(main, ["--lang", lang, command, *line.split()])
                said = QUOTED.sub("", re.sub(OWN, "", result.stderr))
                assert result.exit_code in (1, 2) or command == "info", (line, result.output)
                assert not foreign.search(said), (line, said)
    assert not list(desk.glob("out.*"))


def test_what_cannot_be_mended_is_told_in_chinese(desk):
    cells = gpd.GeoDataFrame({"户数": [300, 5]}, geometry=[shapely.box(0, 0, 5, 5), None], crs=4547)
    cells.to_parquet(desk / "lost.parquet")
    place = [str(desk / "lost.parquet"), "--boundary", "outline", "-o", str(desk / "out.gpkg")]
    result = CliRunner().invoke(main, ["repair", *place, "--count", "户数"])
    assert result.exit_code == 1
    assert "网格 1 有 5 户，在边界内却没有图形" in result.stderr


def test_english_stays_english(desk, monkeypatch):
    monkeypatch.chdir(desk)
    result = CliRunner().invoke(main, ["--lang", "en", "validate", "cell.gpkg"])
    assert result.stderr == "gridmap: `cell.gpkg` is not there. Did you mean `cells.gpkg`?\n"
    result = CliRunner().invoke(main, ["--lang", "en", "validate"])
    assert "Usage: " in result.stderr and "Missing argument 'CELLS'." in result.stderr


def test_python_raises_in_english(desk):
    with pytest.raises(gridmap.InputError, match="is not there"):
        gridmap.read_grid(desk / "none")


def test_a_grid_made_in_english_is_filed_in_chinese(tmp_path):
    blocks = gpd.GeoDataFrame(
        {"parent": ["A", "A", "A", "B"], "households": [200, 250, 700, 90]},
        geometry=shapely.box([0, 1, 2, 3], 0, [1, 2, 3, 4], 1),
        crs=4547,
    )
    made = gridmap.partition(blocks, lang="en")
    gridmap.write_grid(made, tmp_path / "grid.gpkg")
    read = gridmap.read_grid(tmp_path / "grid.gpkg")
    assert read.exceptions["reason"].str.contains("households").all()
    said = read.in_language("zh")
    assert list(said.cells["name"]) == ["A第一网格", "A第二网格", "B第一网格"]
    assert said.content_hash == made.content_hash
    sheets = sheets_of(read, lang="zh")
    text = sheets["例外"][["原因", "可选办法"]].to_csv(index=False)
    assert "只有 90 户" in text and not re.search("[a-z]{3}", text)
    assert "只有 90 户" in said.in_language("en").in_language("zh").exceptions["reason"].iloc[1]


def test_a_catalogue_that_cannot_be_compiled_stops_nobody(tmp_path, monkeypatch):
    """A checkout of somebody else, a full disk, a kill: the old words, and nothing left behind."""
    folder = tmp_path / "zh" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "gridmap.po").write_bytes((LOCALE / "zh/LC_MESSAGES/gridmap.po").read_bytes())
    monkeypatch.setattr("gridmap.language.LOCALE", tmp_path)
    for error in (PermissionError(13, "denied"), KeyboardInterrupt()):

        def fail(*_, error=error):
            raise error

        with monkeypatch.context() as patched:
            patched.setattr("os.replace", fail)
            with suppress(KeyboardInterrupt):
                compile_catalogues()
        assert [path.name for path in folder.iterdir()] == ["gridmap.po"]
    compile_catalogues()
    assert (folder / "gridmap.mo").stat().st_size > 100_000
