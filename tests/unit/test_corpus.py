"""Every file of the corpus is read right, or refused with a cure that works when followed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridmap.dates import moments
from gridmap.errors import InputError
from gridmap.io import read_table
from gridmap.io.inputs import read_incidents
from gridmap.io.inspect import look
from gridmap.io.open_incidents import open_incidents
from tests import corpus


def _words(frame: pd.DataFrame) -> list[str]:
    known = {word for _, words in corpus.WORDS.values() for word in words}
    return next((list(frame[c]) for c in frame if known & set(frame[c].astype(str))), [])


def _read(path: Path, true: str) -> pd.DataFrame:
    """Read a table; where it is refused, follow the cure, by the reading that makes words."""
    try:
        return read_table(path)
    except InputError as error:
        offered = re.findall(r"(\w+) \('", str(error)) + re.findall(r"--encoding (\w+)", str(error))
        words = corpus.WORDS[corpus.ENCODINGS[true]][1]
        for name in offered:
            if words[0].encode(true).decode(name, errors="replace") == words[0]:
                return read_table(path, encoding=name)
        raise AssertionError(f"{true} is not among what is offered: {error}") from error


@pytest.mark.parametrize("encoding", corpus.ENCODINGS)
def test_a_text_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    words = corpus.csv_in(encoding, tmp_path / "a.csv")
    assert _words(_read(tmp_path / "a.csv", encoding)) == words
    assert _words(read_table(tmp_path / "a.csv", encoding=encoding)) == words
    opened = open_incidents(tmp_path / "a.csv", encoding=encoding)
    (batch,) = opened.file.batches()
    assert batch.table.column(1).to_pylist() == words


@pytest.mark.parametrize("encoding", [e for e in corpus.ENCODINGS if e not in corpus.WIDE])
@pytest.mark.parametrize("declared", [True, False])
def test_a_dbase_table_in_any_encoding(tmp_path: Path, encoding: str, declared: bool) -> None:
    path = tmp_path / "a.dbf"
    words = corpus.dbf_in(encoding, path, declared=encoding if declared else None)
    frame = read_table(path) if declared else _read(path, encoding)
    assert _words(frame) == words
    assert frame["id"].tolist() == ["00", "01", "02", "03", "04"]


@pytest.mark.parametrize("form", corpus.DATE_FORMS, ids=lambda form: form.texts[0])
def test_a_date_in_any_form(form: corpus.DateForm) -> None:
    read = moments(pd.Series(form.texts), "time", [], order=form.order)  # type: ignore[arg-type]
    assert read.tolist() == [pd.Timestamp(mean) for mean in form.means]
    if form.order is not None:
        with pytest.raises(InputError, match=f'date_order="{form.order}"'):
            moments(pd.Series(form.texts), "time", [])


@pytest.mark.parametrize("shape", corpus.SHAPES)
@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
def test_places_in_any_shape(tmp_path: Path, shape: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    table = corpus.table_of_shape(corpus.SHAPES[shape])
    write = {".csv": table.to_csv, ".xlsx": table.to_excel, ".parquet": table.to_parquet}[suffix]
    write(path, index=False)
    frame, known = read_incidents(path)
    assert known.stated["rows"] == 5
    np.testing.assert_allclose(frame[["x", "y"]], corpus.POINTS, atol=2e-6)
    (layer,) = look(path)
    assert layer.reading is not None and layer.reading.stated == known.stated
    assert layer.extent is not None and not layer.refused
    opened = open_incidents(path)
    assert opened.datum in ("wgs84", "EPSG:4326")
    assert sum(batch.table.num_rows for batch in opened.file.batches()) == 5


@pytest.mark.parametrize("name", corpus.FORMATS)
def test_any_format(tmp_path: Path, name: str) -> None:
    corpus.FORMATS[name](tmp_path / name)
    path = tmp_path / name
    frame, _ = read_incidents(path)
    assert (
        _words(pd.DataFrame(frame.drop(columns="geometry", errors="ignore")))[:5]
        == (corpus.WORDS["simplified"][1])
    )
    places = (
        frame.get_coordinates().to_numpy() if "geometry" in frame else frame[["x", "y"]].to_numpy()
    )
    np.testing.assert_allclose(places, corpus.POINTS, atol=1e-9)
    opened = open_incidents(path)
    assert sum(batch.table.num_rows for batch in opened.file.batches()) == len(frame)
    layers = [layer for layer in look(path) if layer.features]
    assert [layer.features for layer in layers] == [5]
