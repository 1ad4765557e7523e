"""In which encoding a text is: obeyed when declared, taken when plausible, else asked for."""

from __future__ import annotations

import codecs
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from gridmap._checks import simplified
from gridmap.errors import InputError
from gridmap.language import Message

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHINESE = ("gb18030", "big5", "cp950", "big5hkscs")
_OTHERS = ("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1258", "mac_roman",
           "cp932", "euc_jp", "cp949", "iso8859_15")  # fmt: skip
_KANJI = ("cp932", "euc_jp")
_NO_TEXT = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem")
_PRINTED = "“”‘’„‚–—…«»•€°§©®™"  # signs of printed text, which stand among letters
_PINYIN = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜüêɑńňɡ"  # letters that Chinese encodings have
_SHOWN = 4
_JUDGED = 4000  # characters by which a reading is judged
_PLAUSIBLE = 0.5  # mean worth of a character from which a reading is Chinese
_USUAL = 0.6  # mean worth from which a reading is Chinese though it could be Korean
_LEAD = 0.12  # by how much it must be better than the other Chinese encoding
_FEW = 0.02  # share of UTF-16's zero bytes on one side

# What official tables are made of: the commonest characters, and those of places, addresses,
# persons and office tables. A byte string of another language meets them a time in six.
_COMMON = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后"
    "作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因"
    "只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应"
    "战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿"
    "原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太"
    "量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界"
    "达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今"
    "切院让识候带导争运户号楼栋幢单元街村居委网编码经纬度坐标址停车违章案上报时间置结办闭受理派遣核查"
    "乡镇县省州江河湖桥园苑花城府湾岸里弄巷段级型源状态层姓名性别电话手机身份证职务岗位责任者备注说明"
    "日期类别大小描述详细地附近旁对面占道经营乱堆放垃圾井盖破损路灯暴露围挡噪音扰民矛盾纠纷消防隐患通道"
    "阻塞堵塞施工渣土油烟宠物流浪狗犬绿化树木枯枝积水管网漏水供热燃气物业维修投诉咨询建议求助举报感谢表扬"
    "福锦绣康宁华兴祥瑞龙凤翠柏松梅兰竹菊桂枫林泰丰富贵吉庆永远东升旭阳光明月星辰云霞春夏秋冬雅致逸景"
    "合计总共面积米平方公顷常住流动人口男女党支部服务中心站所派出医卫幼儿小学校商场超市银行酒店公司企"
    "汉武昌青硚陂蔡甸夏洪新台桃竹苗投嘉义屏宜莲澎台湾港澳闽粤川渝津沪京冀晋蒙辽黑苏浙皖赣鲁豫鄂湘桂琼滇藏陕甘宁疆"
    "壹贰叁甲乙丙丁戊一二三四五六七八九十百千零〇亿两左右内外前后东西南北号室座排坡岭坪埔厝寮庄屯堡寨沟塘"
    "圆环道义忠孝仁爱信和健和平复兴中正民权民生敦化光复基隆松山信义大安万华士林投内湖文汽机自行摩托肇逃"
)


class Reading(NamedTuple):
    """A text as one encoding has it, and how much it looks like a text."""

    encoding: str
    worth: float
    sample: str


def named_encoding(name: str) -> str:
    """Return the codec that a declared name means, as libraries and programs write it.

    Examples
    --------
    >>> named_encoding("Big-5"), named_encoding("ANSI 936"), named_encoding("UTF8")
    ('big5hkscs', 'gb18030', 'utf-8')
    >>> named_encoding("ISO 8859-1"), named_encoding("1251"), named_encoding("LDID/87")
    ('cp1252', 'cp1251', 'cp1252')

    Raises
    ------
    InputError
        When no codec of texts has that name.
    """
    key = re.sub(r"[^a-z0-9]", "", name.strip().lower())
    key = _SAME.get(key, key)
    number = re.fullmatch(r"(?:cp|ansi|oem|windows|win|ms|msdos|ibm|codepage)?(\d{3,5})", key)
    part = re.fullmatch(r"(?:iso)?8859(\d+)", key)
    numbered = [f"cp{number[1]}"] if number else []
    numbered += [f"iso8859_{part[1]}"] if part else []
    for candidate in (key, name.strip(), *numbered):
        try:
            found = codecs.lookup(candidate)
        except (LookupError, ValueError):
            continue
        if found._is_text_encoding and found.name not in _NO_TEXT:
            return _SAME.get(re.sub(r"[^a-z0-9]", "", found.name), found.name)
    raise InputError(
        "`encoding` is {name!r}, which is not known. Use utf-8, gb18030, utf-16 or big5.", name=name
    )


# Each name is the smallest superset in use, so that a declared text is read whole.
_SAME = {
    "gbk": "gb18030", "gb2312": "gb18030", "gb231280": "gb18030", "cp936": "gb18030",
    "936": "gb18030", "ansi936": "gb18030", "euccn": "gb18030", "gb18030": "gb18030",
    "windows936": "gb18030", "ms936": "gb18030", "54936": "gb18030", "cp54936": "gb18030",
    "ldid77": "gb18030", "ldid122": "gb18030",
    "big5": "big5hkscs", "big5tw": "big5hkscs", "cp950": "cp950", "950": "cp950",
    "ansi950": "cp950", "ldid78": "cp950", "ldid79": "cp949", "ldid120": "cp950",
    "utf8": "utf-8", "65001": "utf-8", "cp65001": "utf-8", "ansi65001": "utf-8",
    "utf8sig": "utf-8-sig", "utf8bom": "utf-8-sig", "1200": "utf-16-le", "1201": "utf-16-be",
    "iso88591": "cp1252", "latin1": "cp1252", "88591": "cp1252", "l1": "cp1252",
    "ldid87": "cp1252", "ldid3": "cp1252", "ldid201": "cp1251", "ldid200": "cp1250",
    "ldid202": "cp1254", "ldid203": "cp1253", "ldid101": "cp866", "ldid1": "cp437",
    "ldid2": "cp850", "ldid19": "cp932", "ldid123": "cp932", "ldid121": "cp949",
    "ldid124": "cp874", "shiftjis": "cp932", "sjis": "cp932", "windows31j": "cp932",
    "mskanji": "cp932", "euckr": "cp949", "ksc5601": "cp949", "uhc": "cp949",
    "macintosh": "mac_roman", "macroman": "mac_roman",
}  # fmt: skip


def choose_encoding(data: bytes, *, cut: bool = False, name: str = "file") -> str:
    """Tell in which encoding a text is: its mark, else UTF-8, else plausible Chinese.

    Parameters
    ----------
    data : bytes
        The text or its beginning.
    cut : bool
        Whether `data` may end within a character.
    name : str
        What to call the text in an error.

    Returns
    -------
    str

    Raises
    ------
    InputError
        When it is neither; it names the encodings that would make words of it.

    Examples
    --------
    >>> choose_encoding("小区,户数\\n福苑,36\\n".encode("gbk"))
    'gb18030'
    >>> choose_encoding("違規停車,路燈".encode("big5"))
    'big5'
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    wide = _wide(data)
    if wide is not None:
        return wide
    if is_shifted(data) and decoded(data, "iso2022_jp", cut) is not None:
        return "iso2022_jp"
    text = decoded(data, "utf-8", cut)
    if text is not None:
        return "gb18030" if _is_short_chinese(text, data, cut) else "utf-8"
    _refuse_mixture(data, name)
    found = sorted(_chinese(data, cut), key=lambda reading: -reading.worth)
    japanese = any(r.encoding == "gb18030" and _is_kana(data, cut) for r in found)
    korean = any(
        r.encoding == "gb18030" and r.worth < _USUAL and _is_hangul(data, cut) for r in found
    )
    if found and found[0].worth >= _PLAUSIBLE and not (japanese or korean):
        others = [r for r in found if (r.encoding == "gb18030") != (found[0].encoding == "gb18030")]
        if not others or found[0].worth - others[0].worth >= _LEAD:
            return found[0].encoding
    raise InputError(_question(data, cut, name, found))


def is_utf8(data: bytes) -> bool:
    """Tell whether bytes, not by accident, are UTF-8, whatever is said of them elsewhere."""
    return chinese_worth(decoded(data, "utf-8") or "") >= _PLAUSIBLE


def is_shifted(data: bytes) -> bool:
    """Tell whether a text changes between ASCII and another script by signs, as ISO 2022 does."""
    return b"\x1b$" in data


def _refuse_mixture(data: bytes, name: str) -> None:
    """Refuse a text of which some lines are in UTF-8, as of files that were put together."""
    for line in data.split(b"\n"):
        text = None if line.isascii() else decoded(line, "utf-8", False)
        if text is None or chinese_worth(text) < _PLAUSIBLE:
            continue
        if chinese_worth(line.decode("gb18030", errors="replace")) < _PLAUSIBLE:
            raise InputError(
                "`{name}` has lines in UTF-8, as {sample}, and lines that are not: it is damaged, "
                "or of files that were put together. Save each as UTF-8, and put them together "
                "again.",
                name=name,
                sample=_sample(text),
            )


def _is_short_chinese(text: str, data: bytes, cut: bool) -> bool:
    """Tell whether a text is UTF-8 by accident, as the two characters 违停 in GB 18030 are."""
    if text.isascii() or re.search("[\u0800-\U0010ffff]", text) or _words(text) > 0.5:
        return False
    return chinese_worth(decoded(data, "gb18030", cut) or "") >= _USUAL


def _is_kana(data: bytes, cut: bool) -> bool:
    """Tell whether most of a text is kana, which GB 2312 and EUC-JP write alike."""
    others = _others(decoded(data, "gb18030", cut) or "")
    return len(re.findall(r"[\u3041-\u30fe]", others)) > len(others) / 3


def _is_hangul(data: bytes, cut: bool) -> bool:
    """Tell whether a text is hangul alone in EUC-KR, which is Chinese of the letters A to M."""
    others = _others(decoded(data, "euc_kr", cut) or "")
    return re.fullmatch("[\uac00-\ud7a3]+", others) is not None


def _wide(data: bytes) -> str | None:
    """Return UTF-16 without a mark: a text whose zero bytes all stand on one side."""
    if b"\0" not in data[:4096]:
        return None
    head = data[: 4096 if len(data) > 4096 else len(data) - len(data) % 2]
    for side, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = head[side::2].count(0), head[1 - side :: 2].count(0)
        if others > zeros / 3 or zeros <= _FEW * len(head) / 2:
            continue
        text = decoded(head, encoding, True)
        if text and ("\n" in text or "\r" in text):
            return encoding
    return None


def decoded(data: bytes, encoding: str, cut: bool = True) -> str | None:
    """Return a text, whose end may be cut off, or None where the encoding is not its own."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data, final=not cut)
    except UnicodeDecodeError:
        return None


def _chinese(data: bytes, cut: bool) -> list[Reading]:
    """Return the readings as Chinese; of the kinds of Big5 the narrowest that fits."""
    found: list[Reading] = []
    for encoding in _CHINESE:
        text = decoded(data, encoding, cut)
        if text is None or (found and found[-1].encoding != "gb18030"):
            continue
        found.append(Reading(encoding, chinese_worth(text), _sample(text)))
    return found


def chinese_worth(text: str) -> float:
    """Return how much a text looks like Chinese: the mean worth of what is not ASCII, at most 1.

    Examples
    --------
    >>> chinese_worth("户数") > 0.9, chinese_worth("S鉶 Jo鉶") < 0.3
    (True, True)
    """
    worth = [_worth(c) for c in _others(text)]
    told = [value for value in worth if value is not None]
    if not told:
        return 0.6 if worth else 0.0  # signs of full width and nothing else
    return sum(told) / len(told)


def _others(text: str) -> str:
    """Return the characters that are not ASCII, as many as are judged."""
    return "".join(re.findall(r"[^\x00-\x7f]+", text))[:_JUDGED]


@lru_cache(maxsize=8192)
def _worth(character: str) -> float | None:
    if (
        unicodedata.normalize("NFKC", character).isascii()
        or character in "，。、；：？！“”‘’（）《》【】…—·℃°²￥"
    ):
        return None
    if len(character.encode("gb18030", errors="replace")) == 4 or character in _PINYIN:
        return None
    if character.encode("gb2312", errors="replace")[:1] == b"\xa1":
        return None  # signs, as ′ and ※
    if not "\u4e00" <= character <= "\u9fff" and character != "〇":
        return -1.0
    plain = character.translate(simplified())
    if plain in _COMMON:
        return 1.0
    try:
        lead = plain.encode("gb2312")[0]
    except UnicodeEncodeError:
        return -0.5
    return 0.3 if lead < 0xD8 else 0.0  # the first level of GB 2312 holds the usual ones


def _question(data: bytes, cut: bool, name: str, chinese: list[Reading]) -> Message:
    """Say what could not be told, and how each encoding that makes words would read it."""
    mended = data.decode("gb18030", errors="replace")
    if chinese_worth(mended) > _USUAL and not _is_kana(data, cut):
        told = Message(
            "`{name}` is Chinese in GB 18030, but damaged at {n:,} {n:place|places}, the first "
            "after {before!r}. Ask for the file again, or mend it and save it as UTF-8."
        )
        before, *damaged = mended.split("\ufffd")
        return told(name=name, n=len(damaged), before=before[-12:].strip())
    readings = [r for r in chinese if r.worth > 0] + _alphabetic(data, cut)
    readings.sort(key=lambda reading: -reading.worth)
    if not readings:
        told = Message(
            "`{name}` is no text in any encoding that is known here. "
            "Save it again as UTF-8, or tell the encoding: `--encoding NAME`."
        )
        return told(name=name)
    told = Message(
        "`{name}` is neither UTF-8 nor plainly Chinese; it could be {readings}. "
        "Say which: `--encoding {encoding}`."
    )
    shown = [f"{r.encoding} ({r.sample})" for r in readings[:_SHOWN]]
    return told(name=name, readings=shown, encoding=readings[0].encoding)


def _alphabetic(data: bytes, cut: bool) -> list[Reading]:
    """Return the readings under which what is not ASCII are letters of words."""
    found: list[Reading] = []
    for encoding in _OTHERS:
        text = decoded(data, encoding, cut)
        if text is None:
            continue
        worth, sample = _words(text), _sample(text)
        if encoding in _KANJI:  # which need no kana beside them
            kanji = chinese_worth(text)
            worth = max(worth, kanji + 0.3 if kanji >= _PLAUSIBLE else worth)
        if worth > 0.5 and sample not in {reading.sample for reading in found}:
            found.append(Reading(encoding, worth, sample))
    return found


def _words(text: str) -> float:
    """Return the share of letters that make words among what is not ASCII.

    Small letters count more. Accented Latin letters stand alone among plain ones, capitals at the
    beginning, and Japanese has kana.
    """
    others = _others(text)
    letters = sum(c.isalpha() or c in _PRINTED for c in others)
    if not letters:
        return 0.0
    head = text[:100_000]
    odd = sum(map(len, re.findall(r"[\u00c0-\u024f]{3,}|[a-zß-ÿ][À-ÖØ-Þ]", head)))
    odd += len(re.findall(r"[A-Za-z][\u0370-\u04ff]|[\u0370-\u04ff][A-Za-z]", head))
    odd += len(re.findall(r"[а-яά-ώ][А-ЯΆ-Ϋ]", head))
    han = len(re.findall(r"[\u4e00-\u9fff]", others))
    hangul = len(re.findall(r"[\uac00-\ud7a3]", others))
    kana = re.search(r"[\u3041-\u30fa]", others) is not None
    odd += 0 if kana else han
    told = letters - odd + 0.2 * sum(c.islower() for c in others) + 0.3 * hangul
    return told / len(others) + 0.3 * kana


def _sample(text: str) -> str:
    """Return a word of the text that is not ASCII."""
    found = re.search(r"\S{0,12}[^\x00-\x7f]\S{0,12}", text)
    return repr(re.sub(r"[,;|\t\"']+", " ", found[0]).strip()) if found else "''"
