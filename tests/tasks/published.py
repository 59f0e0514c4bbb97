"""A row or two of every published data set, in its own fields, and the records they must become."""

from typing import Any

from cotjax.records import Record

INFERENCE = ("entailment", "neutral", "contradiction")
YES_NO = ("yes", "no")


def record(
    identifier: str,
    question: str,
    choices: tuple[str, ...],
    label: str | None,
    human: dict[str, str] | None = None,
) -> Record:
    """A record as a published data set gives it: without rationales."""
    return Record(identifier, question, choices, label, (), human=human)


_PIANO = ("A woman is playing a piano.", "A person makes music.")
_PAIR = "premise: A woman is playing a piano. hypothesis: A person makes music."
_DATE = (
    "Q: Yesterday was April 30, 2021. What is the date today in MM/DD/YYYY? \n"
    "  choice: 05/01/2021\n  choice: 02/23/2021\nA:"
)
_BALLS = (
    "Alice and Bob are playing a game.\n\nFirst, Alice and Bob swap balls. At the end, Bob has the"
)

# Of every task: rows of split "train", and their records.
PUBLISHED: dict[str, tuple[list[dict[str, Any]], list[Record]]] = {
    "openbookqa": (
        [
            {
                "id": "7-980",
                "question_stem": "The sun is responsible for",
                "choices": {
                    "text": ["puppies learning tricks", "plants sprouting"],
                    "label": ["A", "B"],
                },
                "answerKey": "B",
            }
        ],
        [
            record(
                "7-980",
                "The sun is responsible for",
                ("puppies learning tricks", "plants sprouting"),
                "plants sprouting",
            )
        ],
    ),
    "arc": (  # some of its choices have numbers
        [
            {
                "id": "Mercury_SC_1",
                "question": "Which is alive?",
                "choices": {"text": ["a rock", "a fern"], "label": ["A", "B"]},
                "answerKey": "B",
            },
            {
                "id": "NYSEDREGENTS_2",
                "question": "Which melts?",
                "choices": {"text": ["ice", "steam", "fog"], "label": ["1", "2", "3"]},
                "answerKey": "1",
            },
        ],
        [
            record("Mercury_SC_1", "Which is alive?", ("a rock", "a fern"), "a fern"),
            record("NYSEDREGENTS_2", "Which melts?", ("ice", "steam", "fog"), "ice"),
        ],
    ),
    "commonsense_qa": (
        [
            {
                "id": "075e",
                "question": "Where is a bank?",
                "question_concept": "bank",
                "choices": {"label": ["A", "B", "C"], "text": ["river", "town", "town"]},
                "answerKey": "B",
            }
        ],
        [record("075e", "Where is a bank?", ("river", "town", "town"), "town")],
    ),
    "quarel": (
        [
            {
                "id": "QuaRel_V1_Fr_0223",
                "answer_index": 1,
                "logical_forms": ["(infer (speed higher world1))"],
                "logical_form_pretty": "qrel(speed, higher, world1)",
                "world_literals": {"world1": ["carpet"], "world2": ["table"]},
                "question": "It slid faster on the carpet. Where is more? (A) carpet (B) table",
            }
        ],
        [
            record(
                "QuaRel_V1_Fr_0223",
                "It slid faster on the carpet. Where is more?",
                ("carpet", "table"),
                "table",
            )
        ],
    ),
    "strategyqa": (
        [
            {
                "qid": "4fd6",
                "term": "Albany, Georgia",
                "description": "City in Georgia",
                "question": "Will Albany in Georgia reach a hundred thousand occupants?",
                "answer": False,
                "facts": "Albany has about 75,000 people. It is shrinking.",
            },
            {
                "qid": "f2e4",
                "term": "Penguin",
                "description": "Bird",
                "question": "Do penguins swim?",
                "answer": True,
                "facts": "",
            },
        ],
        [
            record(
                "4fd6",
                "Will Albany in Georgia reach a hundred thousand occupants?",
                YES_NO,
                "no",
                {"facts": "Albany has about 75,000 people. It is shrinking."},
            ),
            record("f2e4", "Do penguins swim?", YES_NO, "yes"),
        ],
    ),
    "anli": (
        [
            {
                "uid": "0fd0",
                "premise": _PIANO[0],
                "hypothesis": _PIANO[1],
                "label": 0,
                "reason": "A piano is an instrument.",
            }
        ],
        [record("0fd0", _PAIR, INFERENCE, "entailment", {"reason": "A piano is an instrument."})],
    ),
    "esnli": (  # -1: the annotators did not agree
        [
            {
                "premise": _PIANO[0],
                "hypothesis": _PIANO[1],
                "label": 2,
                "explanation_1": "A piano\nmakes music.",
                "explanation_2": "",
                "explanation_3": "Playing is making music.",
            },
            {
                "premise": "A man sits.",
                "hypothesis": "A man rests.",
                "label": -1,
                "explanation_1": "",
                "explanation_2": "",
                "explanation_3": "",
            },
        ],
        [
            record(
                "train-0",
                _PAIR,
                INFERENCE,
                "contradiction",
                {
                    "explanation_1": "A piano\nmakes music.",
                    "explanation_3": "Playing is making music.",
                },
            ),
            record("train-1", "premise: A man sits. hypothesis: A man rests.", INFERENCE, None),
        ],
    ),
    "gsm8k": (
        [
            {
                "question": "Natalia sold 48 clips in April and half as many in May. How many?",
                "answer": "She sold 48/2 = <<48/2=24>>24 in May.\nIn all <<48+24=72>>72.\n#### 72",
            },
            {"question": "How much is the house?", "answer": "It is $80,000.\n#### 80,000"},
        ],
        [
            record(
                "train-0",
                "Natalia sold 48 clips in April and half as many in May. How many?",
                (),
                "72",
                {"solution": "She sold 48/2 = 24 in May.\nIn all 72."},
            ),
            record(
                "train-1", "How much is the house?", (), "80000", {"solution": "It is $80,000."}
            ),
        ],
    ),
    "svamp": (
        [
            {
                "ID": "chal-777",
                "Body": "There are 87 oranges in 3 groups.",
                "Question": "How big is a group?",
                "Equation": "( 87.0 / 3.0 )",
                "Answer": "29.0",
                "Type": "Common-Division",
                "question_concat": "There are 87 oranges in 3 groups. How big is a group?",
            }
        ],
        [
            record(
                "chal-777",
                "There are 87 oranges in 3 groups. How big is a group?",
                (),
                "( 87.0 / 3.0 )",
            )
        ],
    ),
    "asdiv": (  # not every answer is a number, nor every formula one equation
        [
            {
                "body": "Seven red apples and two green apples are in the basket.",
                "question": "How many apples are in the basket?",
                "solution_type": "Addition",
                "answer": "9 (apples)",
                "formula": "7+2=9",
            },
            {
                "body": "Ann had 1,200 beads.",
                "question": "How many are there now?",
                "solution_type": "UnitTrans",
                "answer": "1,200 (beads)",
                "formula": "x=1200",
            },
            {
                "body": "Ellen has 6 balls and Marin 9.",
                "question": "Who has more?",
                "solution_type": "Comparison",
                "answer": "Marin",
                "formula": "9>6",
            },
        ],
        [
            record(
                "train-0",
                "Seven red apples and two green apples are in the basket."
                " How many apples are in the basket?",
                (),
                "7+2",
            ),
            record("train-1", "Ann had 1,200 beads. How many are there now?", (), "1200"),
            record("train-2", "Ellen has 6 balls and Marin 9. Who has more?", (), None),
        ],
    ),
    "aqua": (  # an option may be empty
        [
            {
                "question": "A grocery makes 5.00 and 2.00. How much in all?",
                "options": ["A)21", "B)7", "C) None"],
                "rationale": "5 + 2 = 7\nAnswer: B",
                "correct": "B",
            },
            {
                "question": "What is left?",
                "options": ["A)1", "B)"],
                "rationale": "",
                "correct": "A",
            },
        ],
        [
            record(
                "train-0",
                "A grocery makes 5.00 and 2.00. How much in all?",
                ("21", "7", "None"),
                "7",
                {"rationale": "5 + 2 = 7\nAnswer: B"},
            ),
            record("train-1", "What is left?", ("1", ""), None),
        ],
    ),
    "last_letter": (
        [
            {
                "question": 'Take the last letters of each words in "Amy Joe" and join them.',
                "answer": "ye",
            }
        ],
        [
            record(
                "train-0",
                'Take the last letters of each words in "Amy Joe" and join them.',
                (),
                "ye",
            )
        ],
    ),
    "coin_flip": (
        [
            {
                "targets": "no",
                "targets_vec": [0, 1],
                "inputs": "Q: A coin is heads up. ann flips the coin. Is the coin still heads up?",
            }
        ],
        [
            record(
                "train-0",
                "A coin is heads up. ann flips the coin. Is the coin still heads up?",
                YES_NO,
                "no",
            )
        ],
    ),
    "date_understanding": (
        [
            {
                "idx": 12,
                "inputs": _DATE,
                "targets": ["05/01/2021"],
                "multiple_choice_targets": ["05/01/2021", "02/23/2021"],
                "multiple_choice_scores": [1, 0],
            }
        ],
        [
            record(
                "12",
                "Yesterday was April 30, 2021. What is the date today in MM/DD/YYYY?",
                ("05/01/2021", "02/23/2021"),
                "05/01/2021",
            )
        ],
    ),
    "shuffled_objects": (
        [
            {
                "idx": 3,
                "inputs": f"{_BALLS}\n  choice: red ball.\n  choice: blue ball.",
                "targets": ["blue ball."],
                "multiple_choice_targets": ["red ball.", "blue ball."],
                "multiple_choice_scores": [0, 1],
            }
        ],
        [record("3", _BALLS, ("red ball.", "blue ball."), "blue ball.")],
    ),
}
