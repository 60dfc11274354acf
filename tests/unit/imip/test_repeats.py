# SPDX-License-Identifier: Apache-2.0
"""How an event repeats, in words: the shapes that calendar programs make, and silence about the others."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.imip.facts import EventFacts, Span, parse_facts
from gateway.imip.repeats import render_dates, render_next_dates, render_recurrence
from gateway.imip.words import LANGUAGES, load_words

START = datetime(2026, 11, 3, 10, 0, tzinfo=ZoneInfo("Europe/Rome"))  # a Tuesday
SPECIAL = ("On a special schedule (see the calendar file)", "Nach einem besonderen Plan (siehe Kalenderdatei)")
TABLE = [
    ("FREQ=DAILY", "Every day", "Täglich"),
    ("FREQ=DAILY;INTERVAL=3", "Every 3 days", "Alle 3 Tage"),
    ("FREQ=DAILY;COUNT=5", "Every day, 5 times", "Täglich, 5 Mal"),
    ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "Every weekday (Monday to Friday)", "Werktags (Montag bis Freitag)"),
    ("FREQ=DAILY;BYMONTH=7", "Every day, only in July", "Täglich, nur im Juli"),
    ("FREQ=WEEKLY", "Every week on Tuesday", "Jede Woche am Dienstag"),
    ("FREQ=WEEKLY;BYDAY=WE,MO", "Every week on Monday and Wednesday", "Jede Woche am Montag und Mittwoch"),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", "Every 2 weeks on Sunday", "Alle 2 Wochen am Sonntag"),
    ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU", "Every day", "Täglich"),
    ("FREQ=WEEKLY;UNTIL=20261222T090000Z", "Every week on Tuesday, until Tue, Dec 22, 2026",
     "Jede Woche am Dienstag, bis Di., 22. Dez. 2026"),
    ("FREQ=WEEKLY;UNTIL=20261222T233000Z", "Every week on Tuesday, until Wed, Dec 23, 2026",
     "Jede Woche am Dienstag, bis Mi., 23. Dez. 2026"),
    ("FREQ=MONTHLY", "Every month on day 3", "Jeden Monat am 3."),
    ("FREQ=MONTHLY;BYMONTHDAY=-1,15", "Every month on day 15 and the last day", "Jeden Monat am 15. und letzten Tag"),
    ("FREQ=MONTHLY;BYMONTHDAY=-3", "Every month on day 3 from the end", "Jeden Monat am 3.-letzten Tag"),
    ("FREQ=MONTHLY;BYDAY=1TU", "Every month on the first Tuesday", "Jeden Monat am ersten Dienstag"),
    ("FREQ=MONTHLY;BYDAY=-1FR,1MO", "Every month on the first Monday and the last Friday",
     "Jeden Monat am ersten Montag und letzten Freitag"),
    ("FREQ=MONTHLY;INTERVAL=3;BYDAY=TU;BYSETPOS=2", "Every 3 months on the second Tuesday",
     "Alle 3 Monate am zweiten Dienstag"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "Every month on the last working day",
     "Jeden Monat am letzten Arbeitstag"),
    ("FREQ=YEARLY", "Every year on November 3", "Jedes Jahr am 3. November"),
    ("FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "Every 4 years on February 29", "Alle 4 Jahre am 29. Februar"),
    ("FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO", "Every year on the last Monday in May", "Jedes Jahr am letzten Montag im Mai"),
    ("FREQ=HOURLY;INTERVAL=6", "Every 6 hours", "Alle 6 Stunden"),
    ("FREQ=MINUTELY", "Every minute", "Jede Minute"),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", *SPECIAL),
    ("FREQ=YEARLY;BYYEARDAY=100", *SPECIAL),
    ("FREQ=DAILY;BYHOUR=9,17", *SPECIAL),
    ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", *SPECIAL),
    ("FREQ=MONTHLY;BYDAY=MO,WE;BYSETPOS=1", *SPECIAL),
    ("FREQ=FORTNIGHTLY", *SPECIAL),
    ("FREQ=WEEKLY;BYSETPOS=1;COUNT=2", f"{SPECIAL[0]}, 2 times", f"{SPECIAL[1]}, 2 Mal"),
    ("", "", ""),
]  # fmt: skip


def facts(rule: str) -> EventFacts:
    lines = ("BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:u", "SUMMARY:t", "END:VEVENT", "END:VCALENDAR", "")
    found = parse_facts("\r\n".join(lines))
    assert found is not None
    return replace(found, span=Span(START), rule=rule, is_series=True)


@pytest.mark.parametrize(("rule", "english", "german"), TABLE)
def test_a_rule_is_said_as_people_say_it(rule: str, english: str, german: str) -> None:
    assert render_recurrence(load_words("en"), facts(rule)) == english
    assert render_recurrence(load_words("de"), facts(rule)) == german


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_every_rule_has_a_sentence_in_every_language(language: str) -> None:
    words = load_words(language)
    for rule, english, _ in TABLE:
        said = render_recurrence(words, facts(rule))
        assert bool(said) == bool(english)
        assert not set(said) & set("{}[]|")


@pytest.mark.parametrize(
    ("language", "rule", "said"),
    [
        ("fr", "FREQ=WEEKLY;BYDAY=MO,SU", "Chaque semaine, le lundi et le dimanche"),
        ("it", "FREQ=WEEKLY;BYDAY=MO,SU", "Ogni settimana, il lunedì e la domenica"),
        ("pt", "FREQ=MONTHLY;BYDAY=1MO,-1SU", "Todos os meses, na primeira segunda-feira e no último domingo"),
        ("ru", "FREQ=MONTHLY;BYDAY=-1WE", "Каждый месяц: последняя среда"),
        ("ru", "FREQ=MONTHLY;BYDAY=-1SU", "Каждый месяц: последнее воскресенье"),
        ("ru", "FREQ=DAILY;INTERVAL=21", "Каждый 21 день"),
        ("pl", "FREQ=WEEKLY;INTERVAL=2", "Co 2 tygodnie: wtorek"),
        ("pl", "FREQ=WEEKLY;INTERVAL=5", "Co 5 tygodni: wtorek"),
        ("cs", "FREQ=MONTHLY;BYDAY=2SA", "Každý měsíc: druhá sobota"),
        ("fi", "FREQ=WEEKLY;BYDAY=SU", "Joka viikko sunnuntaina"),
        ("sv", "FREQ=MONTHLY;BYDAY=1MO", "Varje månad den första måndagen"),
        ("ar", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", "كل أسبوعين: الأحد"),
        ("ar", "FREQ=DAILY;INTERVAL=11", "كل 11 يومًا"),
        ("ja", "FREQ=MONTHLY;BYDAY=1MO", "毎月 第1月曜日"),
    ],
)
def test_grammar_follows_the_language(language: str, rule: str, said: str) -> None:
    assert render_recurrence(load_words(language), facts(rule)) == said


def test_one_language_does_not_lend_its_names_to_another() -> None:
    """Babel shares what it resolves between languages (its issue 1234)."""
    for language in LANGUAGES:
        render_recurrence(load_words(language), facts("FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO"))
    assert "5월" in render_recurrence(load_words("ko"), facts("FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO"))
    assert "Mai" in render_recurrence(load_words("de"), facts("FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO"))


def test_many_dates_are_counted() -> None:
    spans = [Span(START.replace(day=day)) for day in range(3, 15)]
    assert render_dates(load_words("en"), spans).endswith("Sun, Nov 8, 2026; 6 more")


@pytest.mark.parametrize(
    ("rule", "dates"),
    [
        ("FREQ=WEEKLY", ""),
        ("FREQ=MONTHLY;BYDAY=TU,TH;BYSETPOS=2;COUNT=3", "Tue, Nov 3, 2026; Thu, Nov 5, 2026; Thu, Dec 3, 2026"),
        ("FREQ=YEARLY;BYWEEKNO=46;BYDAY=TU;UNTIL=20271116T090000Z",
         "Tue, Nov 3, 2026; Tue, Nov 10, 2026; Tue, Nov 16, 2027"),
        ("FREQ=WEEKLY;BYHOUR=10;UNTIL=20261117", "Tue, Nov 3, 2026; Tue, Nov 10, 2026; Tue, Nov 17, 2026"),
        ("FREQ=YEARLY;BYYEARDAY=-1;UNTIL=30000101T000000Z",
         "Tue, Nov 3, 2026; Thu, Dec 31, 2026; Fri, Dec 31, 2027; Sun, Dec 31, 2028; Mon, Dec 31, 2029; "
         "Tue, Dec 31, 2030; …"),
        ("FREQ=SECONDLY;BYMONTHDAY=31;BYMONTH=2", ""),
        ("FREQ=NEVER", ""),
    ],
)  # fmt: skip
def test_a_rule_that_has_no_words_is_told_by_its_first_dates(rule: str, dates: str) -> None:
    assert render_next_dates(load_words("en"), facts(rule)) == dates


def test_an_additional_date_at_another_time_is_told_with_its_time() -> None:
    """Whoever reads only the day would come at the series' hour."""
    later = START.replace(day=17, hour=12)
    text = render_dates(load_words("en"), [Span(START.replace(day=10)), Span(later)], Span(START))
    assert text.replace("\xa0", " ") == "Tue, Nov 10, 2026; Tue, Nov 17, 2026, 12:00 PM (GMT+01:00)"
