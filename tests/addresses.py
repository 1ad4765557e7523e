"""Addresses of databases with secrets in every position, well and badly written."""

from __future__ import annotations

import random
from collections.abc import Iterator
from urllib.parse import quote

_SCHEMES = ("postgresql://", "postgres://", "POSTGRESQL://", "Postgres://",
            "postgresql+psycopg://", "postgresql+psycopg2://", "postgresql+asyncpg://")  # fmt: skip
_URLS = (
    "{scheme}ann:{secret}@127.0.0.1:1/city?table=plan",
    "{scheme}ann:{secret}@127.0.0.1:1/city",
    "{scheme}ANN:{secret}@127.0.0.1:1/CITY?TABLE=plan",
    "{scheme}:{secret}@127.0.0.1:1/city?table=plan",
    "{scheme}ann:{secret}@127.0.0.1:1,127.0.0.2:1/city?table=plan",
    "{scheme}ann:{secret}@[::1]:1/city?table=plan",
    "{scheme}ann:{secret}@%2Fno%2Fsocket/city?table=plan",
    "{scheme}127.0.0.1:1/city?table=plan&password={secret}",
    "{scheme}127.0.0.1:1/city?password={secret}&table=plan",
    "{scheme}127.0.0.1:1/city?PASSWORD={secret}&table=plan",
    "{scheme}127.0.0.1:1/city?password={secret}&unknown=1&table=plan",
    "{scheme}/city?host=/no/socket&user=ann&password={secret}&table=plan",
    "{scheme}?service=none&password={secret}&table=plan",
    "{scheme}ann@127.0.0.1:1/city?sslpassword={secret}&table=plan",
    "{scheme}ann@127.0.0.1:1/city?sslkey={secret}&sslmode=require&table=plan",
    "{scheme}ann@127.0.0.1:1/city?passfile={secret}&table=plan",
    "{scheme}ann@127.0.0.1:1/city?options=-c%20own.word%3D{secret}&table=plan",
    "{scheme}ann:{secret}@127.0.0.1:port/city?table=plan",
    "{scheme}ann:{secret}@127.0.0.1:99999/city?table=plan",
    "{scheme}ann:{secret}@[::1/city?table=plan",
    "{scheme}ann:{secret}@127.0.0.1:1/city/more?table=plan",
    "{scheme}ann:{secret}@a host:1/city",
    "{scheme}ann:{secret}",
    " {scheme}ann:{secret}@127.0.0.1:1/city?table=plan",
    "'{scheme}ann:{secret}@127.0.0.1:1/city?table=plan'",
    "DATABASE_URL={scheme}ann:{secret}@127.0.0.1:1/city?table=plan",
    "jdbc:{scheme}ann:{secret}@127.0.0.1:1/city",
    "jdbc:{scheme}127.0.0.1:1/city?user=ann&password={secret}",
)
_OTHERS = (
    "host=127.0.0.1 port=1 dbname=city user=ann password={secret} table=plan",
    "host=127.0.0.1 port=1 dbname=city user=ann password='{secret}'",
    "PG:host=127.0.0.1 port=1 dbname=city user=ann password={secret}",
    "PG:dbname='city' host='127.0.0.1' user='ann' password='{secret}'",
    "server=127.0.0.1;uid=ann;pwd={secret};table=plan",
    "postgresql:/ann:{secret}@127.0.0.1:1/city?table=plan",
    "postgresql:ann:{secret}@127.0.0.1:1/city",
    "postgresql//ann:{secret}@127.0.0.1:1/city",
    "postgis://ann:{secret}@127.0.0.1:1/city?table=plan",
    "mysql://ann:{secret}@127.0.0.1:1/city?table=plan",
    "MYSQL:city,user=ann,password={secret},host=127.0.0.1",
    "mssql+pyodbc://ann:{secret}@127.0.0.1:1/city",
    "https://ann:{secret}@127.0.0.1:1/a.geojson",
    "/vsicurl/ftp://ann:{secret}@127.0.0.1:1/a.csv",
)
_SIGNS = "/#?@:%[] &=+!$'\"`\\;,<>{}|^~"
_LETTERS = "abcdefghkmnpqrstuvwxyzABCDEFGHKMNPQRSTUVWXYZ23456789"


def addresses(dice: random.Random, count: int) -> Iterator[tuple[str, list[str]]]:
    """Yield addresses, and what of each must never be shown."""
    for _ in range(count):
        secret = _secret(dice)
        written = quote(secret, safe="") if dice.random() < 0.3 else secret
        scheme = dice.choice(_SCHEMES)
        form = dice.choice(_URLS + _OTHERS)
        pieces = [piece for piece in _pieces(secret) if len(piece) >= 6]
        yield form.format(scheme=scheme, secret=written), [secret, written, *pieces]


def _secret(dice: random.Random) -> str:
    """Return runs of letters, long enough to be known again, with signs between them."""
    runs = ["".join(dice.choices(_LETTERS, k=7)) for _ in range(dice.choice((1, 2, 3)))]
    return "".join(run + dice.choice(_SIGNS) for run in runs[:-1]) + runs[-1]


def _pieces(secret: str) -> list[str]:
    return "".join(c if c in _LETTERS else " " for c in secret).split()
