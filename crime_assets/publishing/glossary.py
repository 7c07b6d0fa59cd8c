"""The one place that explains the words people meet on pages and in tables; docs/words.md is made from it.

Each word is explained in one or two sentences, for somebody who reads figures and not code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Word:
    """A word, what it means, and the other names that pages have for the same."""

    name: str
    meaning: str
    also: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name in addresses and ids."""
        return self.name.replace(" ", "-").replace("'", "").lower()


WORDS = (
    Word(
        "As-of day",
        "The change day up to which a figure knows: it uses exactly what the city had published by then.",
        ("As of", "Known up to"),
    ),
    Word("Change day", "The day, on the city's clock, on which the source last touched a record."),
    Word(
        "Complete day",
        "A day of which the city has published nearly everything. Periods end on the last one; in Chicago it is eight "
        "days before the as-of day.",
        ("Last complete day",),
    ),
    Word(
        "Completeness",
        "The share of a day's records that is known by now, judged by how late records have arrived so far.",
    ),
    Word("Late records", "Records that are published weeks after their day. Recent counts are low until they come."),
    Word("28 days", "The 28 days that end on the last complete day."),
    Word(
        "28 before",
        "The 28 days just before those, counted as they were known when they were as old, so that records that are "
        "still coming tip neither side. About marks an estimate of that, and by now a count as of today, which "
        "had more time.",
    ),
    Word("Year to date", "From 1 January to the last complete day."),
    Word(
        "Last year",
        "The same days of the year before, as they were known when they were as old, marked like 28 before.",
    ),
    Word("Change", "The count less the earlier one. Percentages are left out: from 2 to 4 is no real doubling."),
    Word("Change to date", "The year to date less the same days of last year."),
    Word("Difference", "The count of the first day less that of the other, where both are shown."),
    Word(
        "Meaning",
        "What a change means, in words: whether it is larger than chance explains, and whether that depends on an "
        "estimate. The file has the figures behind it.",
    ),
    Word("Meaning to date", "The same as Meaning, for the year to date."),
    Word(
        "Flag",
        "▲ is a rise and ▼ a fall that is larger than chance explains (a z of 3 or more). With hundreds of comparisons "
        "some are flagged by chance alone, about one in 30.",
    ),
    Word(
        "z",
        "About how many standard deviations two counts are apart: 2(√now - √then). It is in files and tables; pages "
        "say in words what it means.",
    ),
    Word(
        "Five years",
        "Where the year to date stands among the same days of the five years before: above or below all of them, or "
        "within their range.",
        ("Five years' range",),
    ),
    Word(
        "Crimes",
        "Records that someone reported or the police saw. More records can mean more crime, more trust in the police, "
        "or another way of recording.",
    ),
    Word("Category", "The kind of offense as the city names it; renamed kinds are combined."),
    Word(
        "Class",
        "Violent or property index crime or other, by the FBI's code and not by the name; of no known class where the "
        "code is in no table of codes.",
        ("Offense class",),
    ),
    Word("Index crime", "The violent and property offenses that the FBI has long counted for its crime index."),
    Word("Violent", "Index crime against persons: homicide, sexual assault, robbery, aggravated assault and battery."),
    Word("Property", "Index crime against property: burglary, theft, motor vehicle theft, arson."),
    Word("Other", "Every offense that is no index crime, by the FBI's code.", ("Other offenses",)),
    Word(
        "Arrest recorded",
        "The record says that somebody was arrested. That is not clearance, which also needs charges or exceptional "
        "means; arrests are recorded for months after the crime.",
        ("Arrests recorded", "Share with an arrest"),
    ),
    Word("Domestic", "The city marks the record as domestic violence as Illinois law defines it."),
    Word("District", "A police district, the largest area here; records of a few crimes name none."),
    Word("Beat", "The part of a district that one patrol looks after."),
    Word("Community area", "One of the city's 77 areas for statistics, drawn in the 1920s; not a police area."),
    Word(
        "Block",
        "A hundred house numbers of a street. The city hides the last two digits and shifts the point, on purpose.",
    ),
    Word("Cell", "A hexagon of about a tenth of a square kilometer (H3, resolution 9)."),
    Word(
        "Hot spot",
        "A cell that has, with the cells around it, more crimes than chance explains. It says where records are, not "
        "where anybody's risk is.",
        ("Hot spots",),
    ),
    Word(
        "Hidden small numbers",
        "Counts of 1 to 4 (or below another threshold) could point to a person. They are not shown, nor is a larger "
        "count from which one could be worked out.",
        ("Hidden", "Not shown"),
    ),
    Word(
        "Still filling up",
        "Days whose late records are still to come. The dashed line is what is expected in the end.",
    ),
    Word("Expected crimes", "The count once all late records are there, as far as earlier delays tell."),
    Word(
        "Expected",
        "In a forecast: how many records there will be on the average, if things go on as they did. What comes is "
        "more or less, as the interval says.",
    ),
    Word(
        "Forecast",
        "How many records of an offense are expected in a place in the days to come. It is said once, on a Sunday, "
        "and never changed.",
        ("Forecasts",),
    ),
    Word(
        "Baseline",
        "What a plain count of earlier records would say. A model that is no better than the best count is not shown.",
        ("By counting", "Counting says"),
    ),
    Word(
        "PAI",
        "Prediction accuracy index: the share of records found in the marked area, over its share of the area. A list "
        "drawn by chance has 1.",
    ),
    Word(
        "PEI",
        "Prediction efficiency index: records found, over the most that as many cells could have had. The best list "
        "of all has 1.",
    ),
    Word(
        "RRI",
        "Recapture rate index: records expected in the marked cells, over those found there. Above 1, too many were "
        "expected.",
    ),
    Word(
        "Deviance",
        "How far all cells lay from what was said of them, the total being right. Less is better; it compares methods "
        "only.",
    ),
    Word(
        "Interval",
        "From how few to how many records may come. Of all 80 % intervals, 80 of 100 should hold what comes; the page "
        "shows how many did.",
        ("Intervals", "80 %", "95 %"),
    ),
    Word(
        "Replayed",
        "Made afterwards for a day when nobody made a forecast, from what was known then. Published ones were said in "
        "their time.",
    ),
    Word(
        "Verdict",
        "Whether a model finds more than the best count in finished windows: better, as good, worse, or too few "
        "windows to say.",
    ),
    Word(
        "Exposure",
        "Which areas a list would send patrols to, beside their shares of records and of residents.",
    ),
    Word(
        "Emerging",
        "A cell with far more records in its last 28 complete days than its year before leads one to expect, by more "
        "than chance explains. A fading cell has far fewer.",
        ("Fading", "Trend of a cell"),
    ),
    Word("Not recorded", "The record does not say, or the city has withdrawn it."),
)


def word(name: str) -> Word | None:
    """The word of that name, whatever its capitals."""
    return _by_name().get(name.lower())


def markdown() -> str:
    """The page docs/words.md."""
    head = "# Words\n\nWhat the words on the dashboard's pages mean. The pages show the same on hover and focus.\n"
    head += "Those of live reports are in [live.md](live.md#words).\n"
    entries = (f"- **{one.name}**: {one.meaning}" for one in WORDS)
    return head + "\n" + "\n".join(entries) + "\n"


@lru_cache
def _by_name() -> Mapping[str, Word]:
    return {name.lower(): one for one in WORDS for name in (one.name, *one.also)}
