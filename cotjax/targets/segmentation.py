"""Cuts a rationale into its steps: its lines, the items of its lists and its sentences.

A step is the least part that makes one move of an argument. A new line begins one; so does the
mark of a list's item (`2.`, `-`, `B:`, `Step 4:`), which belongs to its item; so does a sentence.
Teachers write them without white space or a full stop between, too: `the sun.2. A: ...`,
`= 12 So ...`. No step begins within a number, a name's initials or an abbreviation, and what
follows a comma, a semicolon or a colon is of the same step, but for a list's items.

tests/targets/test_segmentation.py measures it on real rationales that were cut by hand.
"""

import re

CLOSERS = r"[\"'”’)\]>]*"
OPENERS = r"(?:So|Now|Then|Next|Thus|Hence|Therefore|To|Finally|First|Given|This|Of|The)\b"
BOUNDARIES = [  # each ends where a step begins
    re.compile(pattern)
    for pattern in (
        r"\n",
        # Sentences without white space between them, then without a full stop, too.
        rf"(?<=[a-z\d)\]\"'%])[.!?]+{CLOSERS}(?=[<(]?[A-Z](?:[a-z]+|\b(?![.:)])))|\.(?=[∃∀∴])",
        r"[a-z]{3}\.(?=\d)|[a-z]\.(?=\d{1,2}\.\s)",
        r"(?:[a-z]{3}|\d)(?=[A-Z][a-z]+\b)",
        # Equations that stood on lines of their own.
        rf"[\d)]\s+(?=[A-Zn-z] = |∃)|\d\s+(?={OPENERS})",
        # Items of a list.
        rf"[.:!?]{CLOSERS}\s*(?=[-*•][\sA-Z])|\s*(?=- [A-F][.:] )",
        rf"[.!?]{CLOSERS}(?=\(?[A-F][:)] )|(?<=[^\s(<\"'])(?=Step \d+:)",
        # The last choice of a question that is put again before the reasoning.
        r"choices: A: [^\n]*, [B-F]: (?:(?![a-z][A-Z])[^.?!\n])*?[^\s,] (?=[A-Z]|1\. )",
    )
]
SENTENCE = re.compile(rf"(?:\?+\s+(?=\S)|[.!?]+{CLOSERS}\s+(?=[^\sa-z]))(?![G-Z]\. [A-Z])")
TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Mt|Fig|Eq|vs|approx|e\.g|i\.e)\.\s+$")
INITIALS = re.compile(r"[A-Z]\.\s?[A-Z]\.\s+$|\b(?!Option|Choice|Answer)[A-Z][a-z]+ [A-Z]\.\s+$")
MARK = re.compile(r"\b(?:Step )?(\d{1,2}|[A-F])\.(?:\s+(?!\d{1,2}\.\s)|(?=[A-Z][a-z]))")
LONGEST = 24  # characters before a full stop that tell what it is


def keep_lines(text: str) -> str:
    """Puts words one space apart, and lines one newline: no character of a word moves."""
    return "\n".join(line for line in map(" ".join, map(str.split, text.splitlines())) if line)


def step_starts(text: str) -> list[int]:
    """Where each step of a rationale begins: steps follow each other without a gap.

    Args:
      text: With one newline between two lines, as `keep_lines` writes it.

    Returns:
      Positions of characters, the first 0; none for an empty text.
    """
    if not text:
        return []
    starts = {0} | {match.end() for pattern in BOUNDARIES for match in pattern.finditer(text)}
    starts |= {match.end() for match in SENTENCE.finditer(text) if _ends(text, match)}
    marks = _marks(text, starts)
    return sorted(starts - {mark.end() for mark in marks} | {mark.start() for mark in marks})


def _marks(text: str, starts: set[int]) -> list[re.Match]:
    """The marks of numbered and lettered lists, with the white space that follows.

    `3.` may also end a sentence, or stand in a number. It is a mark where a step begins; the first
    one of a list also after a colon, and `3.` after a number where the list has come to 2.
    """
    marks, reached = [], 0
    for match in MARK.finditer(text):
        before = text[max(match.start() - LONGEST, 0) : match.start()].rstrip(" ")
        first, value = match[1] in "1A", int(match[1]) if match[1].isdigit() else 0
        if (
            match.start() in starts
            or (first and before.endswith(":"))
            or (value == reached + 1 > 1 and re.search(r"[\d)\"'A-Z]\.?$", before))
        ):
            marks.append(match)
            reached = value or reached
    return marks


def _ends(text: str, stop: re.Match) -> bool:
    """Whether a full stop ends a sentence, not a title or initials."""
    before = text[max(stop.start() - LONGEST, 0) : stop.end()]
    if INITIALS.search(before):
        return re.match(OPENERS, text[stop.end() :]) is not None
    return not TITLE.search(before)
