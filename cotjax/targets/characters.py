"""What is written for the signs that T5's vocabulary lacks.

T5 reads each of them as the unknown token, so `3 ÷ 4` and `3 × 4` are one text to it, and loses
them when it writes. The table holds the signs of the released rationales and their neighbours.
Whatever it gives is in T5's vocabulary, and no text that T5 can write without it is changed, but
for powers: to T5, x² is x2.
"""

import unicodedata

_WORDS = {  # set apart by spaces
    "∴": "so",
    "∵": "because",
    "∃": "there is",
    "∀": "for all",
    "∈": "in",
    "∉": "not in",
    "∪": "or",
    "∩": "and",
    "∧": "and",
    "∨": "or",
    "¬": "not",
    "≈": "about",
    "~": "about",
    "<": "less than",
    "≤": "at most",
    "≡": "equals",
    "∑": "sum of",
    "√": "square root of",
    "∞": "infinity",
    "±": "plus or minus",
}
_SIGNS = {
    "÷": "/",
    "⁄": "/",
    "∕": "/",
    "×": "*",
    "·": "*",
    "∙": "*",
    "⋅": "*",
    "∗": "*",
    "−": "-",
    "∼": "-",
    "≥": ">=",
    "≠": "!=",
    "→": "->",
    "⟶": "->",
    "➸": "->",
    "🠆": "->",
    "⇒": "=>",
    "⟹": "=>",
    "^": "**",
    "²": "**2",
    "³": "**3",
    "½": "1/2",
    "⅓": "1/3",
    "⅔": "2/3",
    "¼": "1/4",
    "¾": "3/4",
    "{": "(",
    "}": ")",
    "\\": "/",
    "`": "'",
    "∆": "Delta",
}
_OTHER_LETTERS = {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "Ae", "œ": "oe", "ı": "i"}
_T5_LETTERS = "ÉÎÜßàáâäçèéêîóôöùûüăşţ"  # with a mark, in its vocabulary


def _without_marks() -> dict[str, str]:
    """The letters of Latin-1 and Latin Extended-A, but for those that T5 knows, without marks."""
    letters = (chr(code) for code in range(0xC0, 0x180))
    bases = {letter: unicodedata.normalize("NFD", letter)[0] for letter in letters}
    return {a: b for a, b in bases.items() if a != b and a not in _T5_LETTERS}


def _greek() -> dict[str, str]:
    """The names of the Greek letters."""
    letters = "αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
    names = {letter: unicodedata.name(letter).split()[-1].lower() for letter in letters}
    return {a: b.capitalize() if a.isupper() else b for a, b in names.items()}


ASCII: dict[str, str] = (
    {sign: f" {words} " for sign, words in (_WORDS | _greek()).items()}
    | _SIGNS
    | _OTHER_LETTERS
    | _without_marks()
)
