"""The page: one file, the same bytes, harmless whatever stands in it, readable without scripts."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

from harness.history import History, Recorder
from harness.verdict import Outcome, Verdict
from reports import render_report, write_report

Tell = Callable[[list[tuple[Any, ...]]], History]
LongRun = Callable[[int, int], History]

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """What a strict reader sees: balance of tags, unique ids, and text outside of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> says an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style", "title"} & set(self.open):
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.pieces))

    def all(self, name: str) -> list[str]:
        """The values of the attribute `name`, of all elements."""
        return [
            value or "" for _, attrs in self.tags for key, value in attrs.items() if key == name
        ]


def render(history: History, **changes: Any) -> str:
    arguments: dict[str, Any] = {
        "title": "t",
        "history": history,
        "verdicts": [],
        "facts": {},
        "replay_command": "splitbrain replay plan.json",
    }
    return render_report(**arguments | changes)


def bones(html: str) -> list[str]:
    """The elements of `html`; but for labels in drawings, which depend on the room for them."""
    return [tag for tag, _ in Reader(html).tags if tag != "text"]


def test_a_failing_run_is_told_in_words(stale_read: dict[str, Any]) -> None:
    reader = Reader(render_report(**stale_read))
    for sentence in (
        "Process 1 read 3 after 4 had been acknowledged.",
        "Process 0 called write 4 at 0.008 s; it was acknowledged at 0.012 s, 4 ms later.",
        "Process 1 called read at 0.015 s; it answered 3 at 0.018 s, 3 ms later.",
        "Nothing explains this one.",
        'All of it concerns the key "x" .',
        "Keys that nobody read.",
        "splitbrain replay plan.json",
        "4 operations by 2 clients · 1 fault · 21 ms",
        "partition 0.006 s 0.021 s 15 ms",
        '{"isolate": ["n3"]}',
        "read 2 1 1 0 0",
    ):
        assert sentence in reader.text
    assert reader.text.index("Nothing explains") > reader.text.index("it answered 3")


def test_every_sentence_and_bar_find_each_other(
    stale_read: dict[str, Any], long_run: LongRun
) -> None:
    reader = Reader(render_report(**stale_read | {"history": long_run(500, 5)}))
    ids = [name for name in reader.all("id") if name]
    assert len(ids) == len(set(ids))
    anchors = [href for href in reader.all("href") if href.startswith("#")]
    assert anchors
    assert {anchor[1:] for anchor in anchors} <= set(ids)
    assert {f"w1-s{number}" for number in (1, 2, 3)} <= set(ids)
    for label in reader.all("aria-labelledby"):
        assert label in ids


@pytest.mark.parametrize("outcome", ["pass", "fail", "unknown", "skipped"])
def test_an_outcome_is_a_word_and_a_shape(told: Tell, outcome: Outcome) -> None:
    verdict = Verdict(checker="c", outcome=outcome, reason="The reason.")
    html = render(told([]), verdicts=[verdict])
    pills = re.findall(r'<span class="pill (\w+)">(<svg.*?</svg>)(\w+)</span>', html)
    assert [(style, word) for style, _, word in pills] == [(outcome, outcome)] * 2
    shapes = set()
    for name in get_args(Outcome):
        other = render(told([]), verdicts=[Verdict(checker="c", outcome=name, reason="r")])
        shapes |= set(re.findall(r'class="pill.*?(<svg.*?</svg>)', other))
    assert len(shapes) == 4
    assert Reader(html).text.count("The reason.") == 2


def test_the_worst_verdict_speaks_first(told: Tell) -> None:
    verdicts = [
        Verdict(checker=outcome, outcome=outcome, reason=f"Reason of {outcome}.")
        for outcome in ("pass", "skipped", "unknown")
    ]
    reader = Reader(render(told([]), verdicts=verdicts))
    assert re.findall(r"Reason of (\w+)", reader.text) == ["unknown", "unknown", "skipped", "pass"]


def test_the_same_run_gives_the_same_bytes_in_any_process() -> None:
    program = textwrap.dedent("""
        import hashlib
        from harness.history import Recorder
        from harness.verdict import Verdict
        from reports import render_report

        recorder = Recorder()
        for number in range(400):
            for late, kind in ((0, "invoke"), (3, ("ok", "ok", "fail")[number % 3])):
                recorder.append(
                    time_ns=number * 9_000_000 + late * (number % 7 + 1) * 400_000,
                    process=number % 3, type=kind, f=("read", "write", "cas", "put")[number % 4],
                    key=f"k{number % 5}", value={"n": number, "s": {"b", "a", "c"}},
                )
        for at, f in enumerate(("start-kill", "start-kill", "start-pause", "start-pause")):
            recorder.append(time_ns=3_700_000_000 + at, process="nemesis", type="info", f=f)
        html = render_report(
            title="t", history=recorder.history(), facts={"a": "b"}, replay_command="r",
            verdicts=[Verdict(checker="c", outcome="fail", reason="r",
                              witness={"rows": list(range(100, 140)), "operation": 120})])
        print(len(html), hashlib.sha256(html.encode()).hexdigest())
    """)
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("4242", "Asia/Tokyo"))
    }
    assert len(answers) == 1


def test_a_report_leaves_no_trace_of_drawing(long_run: LongRun) -> None:
    import matplotlib

    history, before = long_run(60, 3), dict(matplotlib.rcParams)
    assert render(history) == render(history)
    assert dict(matplotlib.rcParams) == before


def test_settings_of_the_user_do_not_show(long_run: LongRun) -> None:
    import matplotlib

    history = long_run(60, 3)
    expected = render(history)
    assert "per second" in expected
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30, "axes.grid": True}):
        assert render(history) == expected


HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]><!--<svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1}{0}$ & &amp; '",
    "\u202egnp.exe\u2066\u200f",
    "\ud800\0\x1b[31m\ufffe",
    "y" * 300_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_are_text_everywhere(text: str) -> None:
    def run(value: str) -> str:
        recorder = Recorder()
        # A history takes printable names, and keys, values and errors that a file can hold.
        kept = value.replace("\ud800", "")
        name = value if text.isprintable() else "f"
        rows: list[tuple[Any, Any, str]] = [
            (0, "invoke", name),
            (name, "info", f"start-{name}"),
            (0, "ok", name),
            (1, "invoke", name),
            (1, "fail", name),
            *[(2, kind, name) for _ in range(20) for kind in ("invoke", "ok")],
        ]
        for time_ns, (process, kind, f) in enumerate(rows):
            recorder.append(
                time_ns=time_ns * 1_000_000, process=process, type=kind, f=f,
                key=kept, value=[kept, {kept: kept}], error=kept,
            )  # fmt: skip
        return render(
            recorder.history(),
            title=value,
            replay_command=value,
            facts={value: value},
            broken_off={value: value},
            verdicts=[
                Verdict(
                    checker=value,
                    outcome="fail",
                    reason=value,
                    witness={"rows": [0, 3], "operation": 3, value: value},
                    could_not_detect=(value,),
                    details={value: value},
                )
            ],
        )

    html, harmless = run(text), run("harmless")
    assert len(html) < 250_000  # 90,000 of it are the page's own script
    # One note more, where the value was too long for the data of the page.
    note = re.search(r'<p class="notes">\d+ values? of more than .*?</p>\n', html)
    assert (note is not None) == (len(text) > 1000)
    assert bones(html if note is None else html.replace(note[0], "")) == bones(harmless)
    assert html.encode().decode() == html
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\u200f]", html)
    assert "49" not in Reader(html).text.replace("0.49", "")
    if len(text) > 1000:
        assert "300,000 characters in all" in html
    # Escaped once: the text itself can be read again, no entity of an entity.
    elif text.isprintable():
        assert text in Reader(html).text


def test_the_policy_lets_only_this_style_and_script_in(
    stale_read: dict[str, Any], long_run: LongRun
) -> None:
    html = render_report(**stale_read | {"history": long_run(500, 5)})
    assert "latency-0" in html
    reader = Reader(html)
    [policy] = [
        attrs["content"] or ""
        for tag, attrs in reader.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        [block] = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    # What the policy would silently drop must not be there at all.
    assert reader.all("style") == []
    assert [name for _, attrs in reader.tags for name in attrs if name.startswith("on")] == []
    outside = [url for url in reader.all("href") + reader.all("src") if not url.startswith("#")]
    assert outside == []
    assert "://" not in re.sub(r"<(pre|bdi).*?</\1>", "", html)


def test_headings_and_drawings_are_for_everybody(
    stale_read: dict[str, Any], long_run: LongRun
) -> None:
    reader = Reader(render_report(**stale_read | {"history": long_run(500, 5)}))
    headings = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(headings))
    for tag, attrs in reader.tags:
        if tag == "svg":
            assert attrs.get("aria-hidden") == "true" or attrs.get("aria-label")
    assert dict(reader.tags)["html"]["lang"] == "en"
    for tag, attrs in reader.tags:
        if tag == "th":
            assert attrs["scope"] in ("row", "col")


def test_an_empty_run(told: Tell) -> None:
    html = render(told([]))
    assert len(html.encode()) <= 60_000
    text = Reader(html).text
    assert "The history is empty" in text
    assert "No check was asked for." in text
    assert "No client operation." in text


def test_a_run_without_faults_or_checks(told: Tell) -> None:
    text = Reader(render(told([(1, 0, "invoke", "f"), (2, 0, "ok", "f")]))).text
    assert "No faults were injected." in text
    assert "no faults · 1 ms" in text


def test_a_run_of_faults_alone(told: Tell) -> None:
    html = render(told([(1, "nemesis", "info", "start-kill"), (5, "nemesis", "info", "heal")]))
    text = Reader(html).text
    assert "0 operations by 0 clients · 2 faults" in text
    assert "kill 0.001 s never stopped" in text


def test_calls_without_answers(told: Tell) -> None:
    rows = [(at, at, "invoke", "write", None, at) for at in range(5)]
    text = Reader(render(told(rows))).text
    assert "had no answer to the end" in text
    assert "How long operations took" not in text
    assert "Too few operations completed for plots" in text
    for at in range(20):
        rows += [(10 + at, 9, kind, "read", None, at) for kind in ("invoke", "ok")]
    text = Reader(render(told(rows))).text
    assert "Too few" not in text
    assert "5 operations never completed and have no latency." in text


def test_a_history_without_times(told: Tell) -> None:
    rows = [(-1, 0, "invoke", "f"), (-1, 0, "ok", "f"), (-1, 1, "invoke", "f")]
    text = Reader(render(told(rows))).text
    assert "This history has no times" in text
    assert "How long operations took" not in text


def test_wall_clock_times_count_from_the_first_row(told: Tell) -> None:
    start = 1_700_000_000_000  # milliseconds since 1970
    text = Reader(render(told([(start, 0, "invoke", "f"), (start + 7, 0, "ok", "f")]))).text
    assert "called f at 0.000 s; it was acknowledged at 0.007 s" in text


def test_everything_at_one_moment(told: Tell) -> None:
    text = Reader(render(told([(0, 0, "invoke", "f"), (0, 0, "ok", "f")] * 30))).text
    assert "30 operations by 1 client · no faults · 0 ns" in text
    assert "How long operations took" in text
    assert "How many completed per second" not in text


def test_a_default_run_is_small_and_says_what_it_merged(long_run: LongRun) -> None:
    html = render(long_run(6_000, 10))
    assert len(html.encode()) < 500_000
    text = Reader(html).text
    assert "All 6,000 operations are drawn." in text
    assert "of these" in text


def test_a_long_run_stays_bounded(long_run: LongRun) -> None:
    history = long_run(100_000, 120)
    verdict = Verdict(
        checker="c", outcome="fail", reason="r", witness={"rows": list(range(0, 90_000, 3))}
    )
    html = render(history, verdicts=[verdict])
    assert len(html.encode()) <= 3_000_000
    text = Reader(html).text
    assert "All 100,000 operations are drawn." in text
    assert "80 further clients share the last row." in text
    assert "points are drawn" in text
    assert "Left out are those invoked in the rows" in text
    assert "The first 64 of 120 clients." in text


def test_what_is_too_much_is_counted(told: Tell) -> None:
    many = [str(number) for number in range(99)]
    verdicts = [
        Verdict(
            checker=f"c{number}",
            outcome="fail",
            reason="r",
            witness={"rows": [0]},
            could_not_detect=tuple(many[:50]),
            details=dict.fromkeys(many, 0),
        )
        for number in range(70)
    ]
    history = told([(1, 0, "invoke", "f")])
    text = Reader(
        render(history, verdicts=verdicts, facts={str(number): "x" for number in range(100)})
    ).text
    for note in (
        "10 of 70 checks are left out",
        "65 of 70 witnesses are left out",
        "20 of 100 facts are left out",
        "… and 20 more.",
        "69 further details",
    ):
        assert note in text


def test_write_report_writes_what_render_report_renders(
    stale_read: dict[str, Any], tmp_path: Path
) -> None:
    write_report(tmp_path / "report.html", **stale_read)
    assert (tmp_path / "report.html").read_bytes() == render_report(**stale_read).encode()


def test_matplotlib_is_not_imported_before_it_is_needed() -> None:
    program = "import reports.page, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
