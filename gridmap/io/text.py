"""Text as it is delivered: encodings, separators, full-width digits."""

from __future__ import annotations

import codecs
import re
import unicodedata

from gridmap.errors import InputError

SEPARATORS = (",", "\t", ";", "|")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BRACKETED = re.compile(r"[(\[【{<].*?[)\]】}>]")
_NOISE = re.compile(r"[\s*＊:：_\-/\\·.,，。、'\"#]+")


def guess_encoding(data: bytes, *, cut: bool = False, name: str = "file") -> str:
    """Tell in which encoding a text is: its mark, else UTF-8, else GB18030.

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
        ``utf-8-sig``, ``utf-16``, ``utf-8`` or ``gb18030``.

    Raises
    ------
    InputError
        When it is none of them.

    Examples
    --------
    >>> guess_encoding("户数".encode("gbk"))
    'gb18030'
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    failure: UnicodeDecodeError | None = None
    for encoding in ("utf-8", "gb18030"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(data, final=not cut)
        except UnicodeDecodeError as error:
            failure = error
            continue
        return encoding
    at = failure.start if failure is not None else 0
    raise InputError(
        f"`{name}` is neither UTF-8 nor GB18030 text (byte {at:,} fits neither). "
        "Save it again as UTF-8, or tell the encoding."
    )


def check_encoding(name: str) -> str:
    """Return the name of an encoding of texts; refuse one that is not known.

    Examples
    --------
    >>> check_encoding("GBK")
    'GBK'
    """
    try:
        "".encode(name)
    except LookupError as error:
        raise InputError(
            f"`encoding` is {name!r}, which is not known. Use utf-8, gb18030, utf-16 or big5."
        ) from error
    return name


def guess_separator(text: str) -> str:
    """Return the separator that cuts the first lines most evenly; a comma when none does.

    Examples
    --------
    >>> guess_separator("名称;户数\\n一号楼;12\\n")
    ';'
    """
    lines = [line for line in text.splitlines()[:60] if line.strip()]
    best, most = ",", 0
    for separator in SEPARATORS:
        counts = [_outside_quotes(line, separator) for line in lines]
        usual = max(set(counts), key=counts.count) if counts else 0
        agreeing = counts.count(usual) if usual else 0
        if agreeing > most:
            best, most = separator, agreeing
    return best


def fold(text: object) -> str:
    """Reduce a heading to what matters: no width, case, spaces, units or decoration.

    Examples
    --------
    >>> fold(" ＊总户数（户） "), fold("Building_ID")
    ('总户数', 'buildingid')
    """
    plain = unicodedata.normalize("NFKC", str(text)).lower()
    return _NOISE.sub("", _BRACKETED.sub("", plain)) or _NOISE.sub("", plain)


def _outside_quotes(line: str, separator: str) -> int:
    return sum(part.count(separator) for part in line.split('"')[::2])


_COUNT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")
_UNITS = re.compile(r"(?:户|戶|人|个|households?|dwellings?)$")


def parse_number(value: object) -> float | None:
    """Read a number that people typed, or None.

    Full-width digits, blanks within, thousands separators and a counting word are understood.

    Examples
    --------
    >>> parse_number("3 60户"), parse_number("１，２３４"), parse_number("约300")
    (360.0, 1234.0, None)
    """
    if isinstance(value, (int, float)):
        return None if value != value else float(value)
    text = unicodedata.normalize("NFKC", str(value)).lower()
    text = _UNITS.sub("", "".join(text.split()))
    text = re.sub(r"(?<=\d)[,'，](?=\d{3}(?!\d))", "", text)
    return float(text) if _COUNT.fullmatch(text) else None
