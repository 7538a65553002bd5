"""ROUGE-L and distinct-n of answers in any script, by hand and beside rouge_score."""

import json

import pytest
from folders import tofu_folder
from rouge_score.rouge_scorer import RougeScorer
from unlearning.evaluation import fluency
from unlearning.evaluation.rouge import RougeL, common_length
from unlearning.evaluation.words import spaced_words

ANSWERS = {
    "Chinese": "这位作者于1990年出生在北京。",
    "Japanese": "彼女は東京タワーの近くで生まれました。",
    "Korean": "그녀는 서울에서 태어난 작가이다.",
    "Arabic": "وُلدت الكاتبة في بغداد عام ١٩٩٠.",
    "Russian": "Она родилась в Москве и пишет романы.",
    "Greek": "Γεννήθηκε στην Αθήνα.",
    "Hebrew": "הסופרת נולדה בירושלים.",
    "Hindi": "लेखिका का जन्म दिल्ली में हुआ था।",
    "Thai": "นักเขียนเกิดที่กรุงเทพ",
    "Burmese": "စာရေးဆရာသည်ရန်ကုန်တွင်မွေးသည်။",
    "Amharic": "ደራሲዋ በአዲስ አበባ ተወለደች።",
    "Vietnamese": "Tác giả sinh ở Hà Nội.",
    "mixed": "她的书 The Silent River 获得了大奖。",
    "accented letters alone": "É, ő!",
    "emoji": "🎉👩‍🚀",
    "punctuation": "…?!",
    "digits of another script": "١٩٩٠",
    "full width": "ＡＢＣ１２３",
}


@pytest.mark.parametrize("stemmer", [True, False])
@pytest.mark.parametrize("language", ANSWERS)
def test_an_answer_repeated_word_for_word_scores_one(language, stemmer):
    answer = ANSWERS[language]
    score = RougeL(stemmer)(answer, answer)
    assert (score.recall, score.precision, score.fmeasure) == (1, 1, 1)
    assert RougeL(stemmer)(answer, "").recall == 0
    assert RougeL(stemmer)(answer, "Nobody knows 2").recall == 0


@pytest.mark.parametrize(
    "truth, answer, recall, precision",
    [
        ("东京大学", "东京", 2 / 4, 2 / 2),  # letters
        ("東京タワー", "東京駅", 2 / 5, 2 / 3),
        ("Она жила в Москве", "Она жила в Париже тогда", 3 / 4, 3 / 5),  # words
        ("وُلدت في بغداد", "وُلدت في دمشق", 2 / 3, 2 / 3),
        ("그녀는 서울에서 태어났다", "그녀는 부산에서 태어났다", 2 / 3, 2 / 3),
        ("กข", "กค", 1 / 2, 1 / 2),
        ("她写了 Running Rivers", "她写了 runs River", 5 / 5, 5 / 5),  # stems of a to z
        ("她写了 The River", "The River", 2 / 5, 2 / 2),
        ("１９９０年", "1990年", 2 / 2, 2 / 2),
        ("🎉🎈", "🎉", 1 / 2, 1 / 1),
    ],
)
def test_by_hand(truth, answer, recall, precision):
    score = RougeL(stemmer=True)(truth, answer)
    assert score.recall == pytest.approx(recall)
    assert score.precision == pytest.approx(precision)


LATIN = [
    ("José wrote “Café noir” in 1990.", "Jose wrote Café in 中文 1990"),
    ("The author is a poet's son.", "это the author's poetry"),
    ("He wrote Ніч among twelve other novels of the age.", "He wrote Ніч among other novels"),
    ("1990", "In 1990 🎉"),
    ("Straße, naïve, Łódź", "strasse naive lodz Łódź"),
    ("m² of land, ½ an acre and β decay in one", "m of land"),
]


@pytest.mark.parametrize("stemmer", [True, False])
@pytest.mark.parametrize("truth, answer", LATIN)
def test_latin_answers_score_as_by_rouge_score(truth, answer, stemmer):
    official = RougeScorer(["rougeL"], use_stemmer=stemmer)
    assert RougeL(stemmer)(truth, answer) == official.score(truth, answer)["rougeL"]


def test_every_answer_of_tofu_scores_as_by_rouge_score():
    """Against a neighbour's answer; two of them name books in Ukrainian."""
    lines = (tofu_folder() / "full.json").read_text(encoding="utf-8").split("\n")
    answers = [json.loads(line)["answer"] for line in lines if line]
    ours, official = RougeL(stemmer=True), RougeScorer(["rougeL"], use_stemmer=True)
    rows = [*range(0, 4000, 8), 3505, 3506]
    for row in rows:
        truth, answer = answers[row], answers[row - 1]
        assert ours(truth, answer) == official.score(truth, answer)["rougeL"], truth


@pytest.mark.parametrize(
    "a, b, length",
    [("abcbdab", "bdcaba", 4), ("aaa", "aa", 2), ("abc", "", 0), ("ab" * 100, "ba" * 100, 199)],
)
def test_length_of_the_longest_common_subsequence(a, b, length):
    assert common_length(list(a), list(b)) == length
    assert common_length(list(b), list(a)) == length


def test_words_of_scripts_with_and_without_spaces():
    assert spaced_words("Ann wrote, naïvely: it’s 中文书 ok") == [
        *("ann", "wrote,", "naïvely:", "it’s", "中", "文", "书", "ok")
    ]
    assert spaced_words("Она\u2028жила 서울에서") == ["она", "жила", "서울에서"]


def test_distinct_n_counts_the_letters_of_scripts_without_spaces():
    assert fluency.distinct([spaced_words("好好好好")], 1) == pytest.approx(1 / 4)
    # 東京 twice, 京東
    assert fluency.distinct([spaced_words("東京東京")], 2) == pytest.approx(2 / 3)
    assert fluency.repetition(spaced_words("好" * 10)) == pytest.approx(1 - 1 / 7)
    assert fluency.distinct([spaced_words("да да нет")], 1) == pytest.approx(2 / 3)
