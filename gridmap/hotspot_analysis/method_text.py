"""The sentences that go with a result, in Chinese and English, made from its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from gridmap.language import Lang, Message

EXPOSURES = {
    None: Message("no denominator (raw counts)"),
    "households": Message("households", context="denominator"),
    "area_m2": Message("area"),
    "exposure": Message("denominator"),
}

GATES = {
    "": "",
    "no base": Message("no base"),
    "no incidents": Message("no incidents"),
    "too few": Message("too few expected"),
    "constant": Message("all cells alike, odd ones aside"),
}

CAVEATS = {
    "": "",
    "island": Message("no neighbours"),
    "cold untestable": Message("too few to call cold"),
}

P_VALUES = {
    "skew": Message("corrected for skew"),
    "pearson": Message("by Pearson III on both sides"),
    "normal": Message("by normal approximation"),
    "permutation": Message("by permutation"),
}

CORRECTIONS = {
    "bh": Message("false discovery rate (Benjamini–Hochberg)"),
    "by": Message("false discovery rate (Benjamini–Yekutieli)"),
    "holm": Message("chance of any false call (Holm)"),
    "bonferroni": Message("chance of any false call (Bonferroni)"),
}

PATTERNS = {
    "none": Message("none"), "new": Message("new"), "consecutive": Message("consecutive"),
    "intensifying": Message("intensifying"), "persistent": Message("persistent"),
    "diminishing": Message("diminishing"), "sporadic": Message("sporadic"),
    "oscillating": Message("oscillating"), "historical": Message("historical"),
}  # fmt: skip

SIDES = {"": "", "hot": Message("hot"), "cold": Message("cold")}

QUADRANTS = {
    "": "",
    "high-high": Message("high-high"),
    "low-low": Message("low-low"),
    "high-low": Message("high-low"),
    "low-high": Message("low-high"),
}

LEVELS = {
    "step": Message("its own level"),
    "whole": Message("the level of the whole time"),
    "previous": Message("the level of the periods before"),
}

ZONES = {
    "circular": Message("circular zones"),
    "flexible": Message("circular zones and all connected shapes of a few cells"),
}

METHODS = {
    "hotspots": Message("hotspot score"),
    "rate": Message("smoothed rate"),
    "count": Message("plain count"),
    "count per area": Message("count per area"),
    "exposure per area": Message("denominator per area"),
}


def exposure_words(name: str | None) -> Message | str:
    """Name a denominator."""
    return EXPOSURES.get(name, str(name))


Method = dict[str, Any]
# below it chance leaves little room for a hotspot to stand out in
FEW_CELLS = 100


def rates_method(**facts: Any) -> Method:
    """Describe how rates were made, with the figures that belong to them."""
    per = Message("per 1,000 {base}", base=exposure_words(facts["exposure"]))
    if facts["exposure"] == "households":
        per = Message("per 1,000 households")
    if facts["exposure"] == "area_m2":
        per = Message("per km²")
    local = facts["smooth"] == "neighbours"
    said = Message(
        "{n:,} {n:incident|incidents} over {base}; rates {per} with exact Poisson {share:g}% "
        "intervals; smoothed values (empirical Bayes, {towards}) are for display only.",
        n=facts["incidents"],
        base=exposure_words(facts["exposure"]),
        per=per,
        share=100 * facts["confidence"],
        towards=Message("towards the neighbours") if local else Message("towards all"),
    )
    return _method("rate", facts, said, _base_caveats(facts))


def hotspots_method(**facts: Any) -> Method:
    """Describe how hotspots were found and what they may not be taken for."""
    few = facts["compared"] if facts["compared"] < FEW_CELLS else 0
    caveats = [
        *_base_caveats(facts),
        *_if(
            facts["too_few"],
            Message(
                "{cells} with fewer than {least:g} expected incidents in the window not judged; "
                "join categories or take a longer period.",
                least=facts["least_expected"],
                cells=_cells(facts, facts["too_few"]),
            ),
        ),
        *_if(
            facts["cold_untestable"],
            Message(
                "{cells} with fewer than {least:g} expected incidents in the window: too few to "
                "call cold.",
                least=facts["least_expected_cold"],
                cells=_cells(facts, facts["cold_untestable"]),
            ),
        ),
        *_if(few, Message("Only {n:,} {n:cell|cells} compared: weaker hotspots may go unseen.")),
        *_if(
            facts["islands"],
            Message("{n:,} {n:cell|cells} without neighbours, alone in the window."),
        ),
        *_if(
            facts["curbed"],
            Message(
                "{cells} with a rate more than {curb:g} standard deviations out counted as "
                "{curb:g}, so as not to hide the others.",
                curb=facts["curb"] or 0,
                cells=_cells(facts, facts["curbed"]),
            ),
        ),
        *_if(
            facts["constant"],
            Message(
                "{n:,} {n:map|maps} with the same value in every cell, odd ones aside: there is no "
                "neighbourhood to find."
            ),
        ),
        *_if(
            facts["exposure"] is None,
            Message("Without a denominator the map shows where people are, not risk."),
        ),
        Message(
            "What is reported is not all that happens; a hotspot is more than chance, not a cause."
        ),
    ]
    where = Message("{n:,} {n:cell|cells}", n=facts["cells"])
    if facts["maps"] > 1:
        where = Message("{cells} on {maps:,} {maps:map|maps}", cells=where, maps=facts["maps"])
    said = Message(
        "{span}{n:,} {n:incident|incidents} in {where}. Cells, each by its own count (exact test, "
        "{spread}): {own}. Neighbourhoods, each cell with its neighbours (Gi*, p {p}): {around}. "
        "Denominator: {base}; {held} within 10%.",
        span=_span(facts),
        n=facts["incidents"],
        where=where,
        spread=spread_words(facts["dispersion"]),
        own=own_words(facts["cells_above"][0], facts["cells_below"][0], facts["compared"]),
        around=_around(facts),
        base=exposure_words(facts["exposure"]),
        p=P_VALUES[facts["p"]],
        held=CORRECTIONS[facts["correction"]],
    )
    return _method("Gi*", facts, said, caveats)


NONE_TESTED = Message("none tested")


def own_words(above: int, below: int, tested: int) -> Message:
    """Say how many cells are above chance and below it by their own count."""
    if not tested:
        return NONE_TESTED
    if not above and not below:
        return Message("none above or below chance")
    return Message("{above:,} above chance and {below:,} below", above=above, below=below)


def _around(facts: Method) -> Message:
    (hot, _, sure), cold = facts["hot"], facts["cold"][0]
    if not facts["tested"]:
        return NONE_TESTED
    if not hot and not cold:
        return Message("none hot or cold")
    return Message(
        "{hot:,} hot ({sure:,} at the 1% level) and {cold:,} cold", hot=hot, sure=sure, cold=cold
    )


def clusters_method(**facts: Any) -> Method:
    """Describe what a scan looked for, and the strongest that it found."""
    found = [*facts["found"].values()]
    caveats = [
        *_base_caveats(facts),
        *_if(facts["undated"], Message("{n:,} {n:incident|incidents} without a time left out.")),
        *_if(
            sum(not each["judged"] for each in found),
            Message(
                "{n:,} {n:map|maps} with fewer than {least} incidents not judged.",
                least=facts["least_incidents"],
            ),
        ),
        Message(
            "The interval of a relative risk is not widened for the place having been chosen as "
            "the highest; a cluster is more than chance, not a cause."
        ),
    ]
    some = {
        "hot": Message("{n:,} high {n:cluster|clusters}"),
        "cold": Message("{n:,} low {n:cluster|clusters}"),
    }
    none = {"hot": Message("no high cluster"), "cold": Message("no low cluster")}
    number = {side: sum(each[side] for each in found) for side in some}
    counts = {side: some[side](n=n) if n else none[side] for side, n in number.items()}
    most = max((each["dispersion"] for each in found), default=0.0)
    history = facts["baseline"] == "history"
    said = Message(
        "Clusters (scan statistic): {span}{counts}{alive} among {n:,} {n:incident|incidents} in "
        "{cells:,} {cells:cell|cells} (chance of any false one on a map within 10%){best}; "
        "baseline: {base}; {shape}, {replicates:,} random maps ({spread}).",
        span=_span(facts),
        counts=[counts[side] for side in counts if facts["side"] in (side, "both")],
        alive=Message(" alive in the last period") if facts["when"] == "latest" else "",
        n=facts["incidents"],
        cells=facts["cells"],
        best=_strongest(found[0]) if len(found) == 1 else "",
        base=Message("each cell's own history") if history else exposure_words(facts["exposure"]),
        shape=ZONES[facts["shape"]],
        replicates=facts["replicates"],
        spread=spread_words(most),
    )
    return _method("scan", facts, said, caveats)


MOST_SPREAD = 4.0  # else a few cells that hold everything would be taken for chance


def spread_words(dispersion: float) -> Message:
    """Say how much counts vary beyond chance."""
    if dispersion <= 0:
        return Message("Poisson")
    if dispersion >= MOST_SPREAD:
        return Message(
            "negative binomial, k = {k:.3g}: what varies more is not taken for chance",
            k=1.0 / MOST_SPREAD,
        )
    return Message("negative binomial, k = {k:.3g}", k=1.0 / dispersion)


def _strongest(found: Method) -> Message | str:
    best = found["strongest"]
    if best is None:
        return ""
    return Message(
        "; strongest: {cells:,} {cells:cell|cells} ({members:,} likely {members:member|members}) "
        "with {n:,} {n:incident|incidents} where {expected:,.1f} are expected, {risk:.2f} times "
        "the risk elsewhere (95% {low:.2f}–{high:.2f}), p = {p:.2g}",
        cells=best["cells"],
        members=best["members"],
        n=best["incidents"],
        expected=best["expected"],
        risk=best["risk"],
        low=best["risk_low"],
        high=best["risk_high"],
        p=best["p"],
    )


def opinion_method(**facts: Any) -> Method:
    """Describe a second opinion and what it found."""
    quadrant = Message("{n:,} {name}")
    said = Message(
        "{span}local Moran's I of {cells:,} {cells:cell|cells}: {found}; denominator: {base}; p "
        "corrected for skew, false discovery rate within 10%.",
        span=_span(facts),
        cells=facts["cells"],
        found=[quadrant(n=n, name=QUADRANTS[name]) for name, n in facts["found"].items()],
        base=exposure_words(facts["exposure"]),
    )
    return _method("local Moran", facts, said, _base_caveats(facts))


def emerging_method(**facts: Any) -> Method:
    """Describe how histories were read, and how many cells have which."""
    caveats = [
        *_base_caveats(facts),
        *_if(
            facts["too_few"],
            Message(
                "{n:,} {n:cell|cells} with fewer than {least:g} expected incidents in the window "
                "at every period not judged; longer periods may help.",
                least=facts["least_expected"],
            ),
        ),
        *_if(facts["undated"], Message("{n:,} {n:incident|incidents} without a time left out.")),
        *_if(
            facts["periods"] if facts["periods"] < 10 else 0,
            Message("Only {n} {n:period|periods}, fewer than 10: provisional."),
        ),
    ]
    pattern = Message("{n:,} {name}")
    kinds = [pattern(n=n, name=PATTERNS[k]) for k, n in facts["hot"].items() if n]
    said = Message(
        "{span}{cells:,} {cells:cell|cells} over {periods} {periods:period|periods}: {hot:,} hot"
        "{kinds}, {cold:,} cold; denominator: {base}; each period against {level}, with "
        "neighbours and {back} earlier, false discovery rate over all cells and periods within "
        "10%.",
        span=_span(facts),
        cells=facts["cells"],
        periods=facts["periods"],
        hot=sum(facts["hot"].values()),
        kinds=Message(" ({kinds})", kinds=kinds) if kinds else "",
        cold=sum(facts["cold"].values()),
        base=exposure_words(facts["exposure"]),
        back=facts["back"],
        level=LEVELS[facts["baseline"]],
    )
    return _method("emerging", facts, said, caveats)


def density_method(**facts: Any) -> Method:
    """Describe a density and what it leaves out."""
    caveats = [
        *_base_caveats(facts),
        *_if(
            facts["outside"],
            Message("{n:,} {n:incident|incidents} in no cell or without a position left out."),
        ),
    ]
    shown = Message("incidents per km²: mostly people")
    if facts["exposure"] is not None:
        shown = Message(
            "ratio to what {base} lets one expect (1 is usual), nothing shown where the kernel "
            "expects fewer than {least:g}",
            base=exposure_words(facts["exposure"]),
            least=facts["least_expected"],
        )
    said = Message(
        "{n:,} {n:incident|incidents}, Gaussian kernel of {wide:g} m; {shown}.",
        n=facts["incidents"],
        wide=facts["bandwidth"],
        shown=shown,
    )
    return _method("density", facts, said, caveats)


def accuracy_method(**facts: Any) -> Method:
    """Describe a test against periods held out, and who won it."""
    caveats = [
        *_base_caveats(facts),
        Message("PAI rewards dense places, which favours counts; it does not ask for risk."),
    ]
    span = Message("{start} to {end}")
    said = Message(
        "Ranked on {trained}, held against {n:,} {n:incident|incidents} of {held_out}, by share of "
        "{base}: {best}.",
        trained=span(start=facts["trained"][0], end=facts["trained"][1]),
        n=facts["incidents_held_out"],
        held_out=span(start=facts["held_out"][0], end=facts["held_out"][1]),
        base=exposure_words(facts["of"]),
        best=[_best_words(key, found) for key, found in facts["best"].items()],
    )
    return _method("accuracy", facts, said, caveats)


def _best_words(key: str, found: Method) -> Message:
    return Message(
        "{key}at {share:.3g}% the {method} does best (PAI {pai:.2f}, PEI {pei:.2f})",
        key="" if key == "None" else f"{key} ",
        share=100 * found["share"],
        method=METHODS[found["method"]],
        pai=found["pai"],
        pei=found["pei"],
    )


def _method(statistic: str, facts: Method, sentence: Message, caveats: Sequence[Message]) -> Method:
    """Put the facts beside what they say, in both languages for machines."""
    said = {lang: [caveat.text(lang) for caveat in caveats] for lang in get_args(Lang)}
    return {"statistic": statistic, **facts, "sentence": sentence.both(), "caveats": said}


def _base_caveats(facts: Method) -> list[Message]:
    return [
        *_if(
            facts["no_base"],
            Message(
                "{n:,} {n:cell|cells} without {base} took no part, with {lost:,} "
                "{lost:incident|incidents}.",
                base=exposure_words(facts["exposure"]),
                lost=facts["incidents_no_base"],
            ),
        ),
        *_if(
            facts["filled"],
            Message(
                "{cells} not listed on a map, counted as 0.", cells=_cells(facts, facts["filled"])
            ),
        ),
    ]


def _cells(facts: Method, count: int) -> Message:
    """Count cells, or cells on maps where there are several."""
    if facts.get("maps", 1) > 1:
        return Message("{n:,} {n:cell-map|cell-maps}", n=count)
    return Message("{n:,} {n:cell|cells}", n=count)


def _if(count: int, caveat: Message) -> list[Message]:
    """Return a caveat about something that occurs, with how often."""
    return [caveat(n=count)] if count else []


def _span(facts: Method) -> Message | str:
    span = facts["period"]
    return Message("{start} to {end}: ", start=span[0], end=span[1]) if span else ""
