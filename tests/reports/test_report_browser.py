"""The page of a run in a real browser: Debian's chromium, driven by Playwright.

Skipped where either is missing. Every test fails on any error that the page's console shows.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.experiment import Experiment, seconds
from harness.formats import read_history
from harness.formats.jsonl import write_jsonl
from harness.history import History, Recorder
from harness.pipeline import Result, carry_out
from harness.simulation.recording import Facts, Log, Recording
from harness.simulation.trace import MESSAGE
from harness.verdict import Verdict
from reports import write_report
from reports.campaign import campaign_of
from reports.campaign_page import BesideStore, render_campaign
from reports.loading import write_report_of_folder
from reports.runs import RunSummary

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH")

#: A second leader, that does not know of the first, answers a read.
STALE = Experiment(system="raft", flaw="stale-read", nemesis="partition", time_limit_ns=seconds(8))
#: A deletion that was overtaken buries a later write, on one replica for good.
BURIED = Experiment(
    system="gossip", workload="lww-register", flaw="overtaken-delete-buries", nemesis="partition",
    time_limit_ns=seconds(15), invariants=False,
)  # fmt: skip
#: The same, and whoever looks into the nodes sees it happen.
BACKWARD = Experiment(
    system="gossip", workload="lww-register", flaw="overtaken-delete-buries",
    nemesis="partition,kill", time_limit_ns=seconds(15),
)  # fmt: skip
#: Many checks, each with blind spots.
GOSSIP = Experiment(
    system="gossip", workload="kv-levels", nodes=3, clients=3, time_limit_ns=seconds(3)
)
FINE = Experiment(nodes=3, clients=3, nemesis="partition", time_limit_ns=seconds(4))

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Experiment, int], Result]:
    """A run in a store, carried out once for all tests."""
    store = tmp_path_factory.mktemp("store")
    made: dict[str, Result] = {}

    def run(experiment: Experiment, seed: int) -> Result:
        if experiment.slug not in made:
            made[experiment.slug] = carry_out(experiment, seed, store=store)
        return made[experiment.slug]

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # The pages are ours, and containers seldom allow the browser's own sandbox.
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Opens a file in a page of its own; at the end nothing may have gone wrong in any."""
    wrong: list[str] = []
    contexts = []

    def open_page(path: Path, fragment: str = "", *, ready: bool = True, **options: Any) -> Any:
        options = {"viewport": {"width": 1200, "height": 900}, **options}
        context = browser.new_context(accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.goto(path.as_uri() + fragment)
        if ready:
            page.wait_for_selector("html[data-ready]")
            drawn(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def stale(runs: Callable[..., Result], opened: Open) -> Any:
    return opened(report_of(runs(STALE, 6)))


def report_of(result: Result) -> Path:
    assert result.folder is not None
    return result.folder.report


#: A page draws what has changed in its next frame, and tells the address and screen readers later.
#: Waiting on the page's own frames and timers holds however slow the machine is.
AFTER_FRAMES = """(delay_ms) => new Promise((done) => requestAnimationFrame(
  () => requestAnimationFrame(() => setTimeout(done, delay_ms))))"""


def drawn(page: Any, delay_ms: int = 0) -> Any:
    """The page once it shows what was last done to it, and so long after that."""
    page.evaluate(AFTER_FRAMES, delay_ms)
    return page


def settled(page: Any) -> str:
    """The fragment of the address once it has been brought up to date."""
    return str(drawn(page, 200).evaluate("location.hash"))


def pressed(page: Any, *keys: str) -> str:
    for key in keys:
        page.keyboard.press(key)
    return settled(page)


def width_ns(fragment: str) -> float:
    start, end = re.findall(r"t=([\d.]+)-([\d.]+)", fragment)[0]
    return (float(end) - float(start)) * 1e9


def colours(page: Any) -> int:
    """How many different colours the stage has."""
    return int(
        page.evaluate(
            """() => {
              const canvas = document.getElementById("stage-canvas");
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              return new Set(new Uint32Array(data.buffer)).size;
            }"""
        )
    )


def test_the_report_of_a_failing_run_names_the_operation_that_is_wrong(
    runs: Callable[..., Result], stale: Any
) -> None:
    result = runs(STALE, 6)
    witness = result.verdict.witness or {}
    row = witness["operation"]["rows"][0]
    read = witness["operation"]["value"]
    assert f"read {read}" in stale.locator("h1").inner_text()
    # It is what the reader sees first, selected, with the node that answered it.
    assert f"op={row}" in settled(stale)
    inspector = stale.locator("#inspector").inner_text()
    assert f"read → {read}" in inspector
    assert "operation 2 of the witness" in inspector
    assert re.search(r"n\d, then leader 1", inspector)
    assert re.search(r"could not know that n\d had answered operation 1", inspector)


def test_every_panel_of_a_failing_run_is_there(stale: Any) -> None:
    headings = stale.locator("h2:visible, h3:visible").all_inner_texts()
    for heading in (
        "See it happen again", "Checks", "What this could not have detected", "The run",
        "What exactly is wrong", "What led to it", "The stage", "How long operations took",
        "What this run reached", "Noted by nodes", "Faults injected", "The history, row by row",
    ):  # fmt: skip
        assert heading in headings
    assert stale.locator("#stage-canvas").bounding_box()["height"] > 300
    assert colours(stale) > 20
    assert "elected" in stale.locator("#coverage ~ .columns").inner_text()
    assert stale.locator("#stage-kinds label").count() >= 4
    # What is drawn without a script is not there twice.
    assert not stale.locator(".static").first.is_visible()


def test_sentences_and_bars_find_each_other(stale: Any) -> None:
    stale.keyboard.press("Escape")
    stale.locator("#w1-s1").click()
    drawn(stale)
    assert "lit" in stale.locator("#w1-b1").get_attribute("class")
    assert "operation 1 of the witness" in stale.locator("#inspector").inner_text()
    stale.locator("#w1-b2 rect").first.click()
    drawn(stale)
    assert "lit" in stale.locator("#w1-s2").get_attribute("class")
    assert "lit" not in stale.locator("#w1-s1").get_attribute("class").split()
    # Hovering lights without selecting.
    stale.locator("#w1-s1").hover()
    wash = drawn(stale).locator(".w1").first
    assert wash.evaluate("bar => getComputedStyle(bar).fillOpacity") == "0.16"


def test_the_keyboard_alone_is_enough(stale: Any) -> None:
    stale.keyboard.press("Escape")
    everything = pressed(stale, "0")
    assert "t=" not in everything
    zoomed = pressed(stale, "+", "+")
    assert "t=" in zoomed
    stale.locator("#stage-canvas").focus()
    assert pressed(stale, "ArrowRight") != zoomed
    assert "op=" in pressed(stale, "j")
    following = pressed(stale, "j")
    assert pressed(stale, "k", "j") == following
    assert "warp=1" in pressed(stale, "w")
    assert stale.locator("#stage-warp").get_attribute("aria-pressed") == "true"
    assert "op=" in pressed(stale, "n")
    assert pressed(stale, "n") != pressed(stale, "p")
    stale.keyboard.press("?")
    drawn(stale)
    assert stale.locator("#help").is_visible()
    stale.keyboard.press("Escape")
    drawn(stale)
    assert not stale.locator("#help").is_visible()
    stale.keyboard.press("/")
    stale.keyboard.type("type:fail")
    assert "q=type%3Afail" in settled(stale)
    stale.keyboard.press("Escape")
    assert "op=" not in pressed(stale, "Escape")
    stale.keyboard.press("c")
    copied = re.compile("^(Copied|Selected)")
    playwright.expect(stale.locator("#copied")).to_have_text(copied)
    reached = set()
    for _ in range(40):
        stale.keyboard.press("Tab")
        reached.add(stale.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"stage-canvas", "stage-in", "stage-warp", "stage-moments", "history-filter"} <= reached


def test_the_address_holds_the_view(runs: Callable[..., Result], opened: Open) -> None:
    path = report_of(runs(STALE, 6))
    first = opened(path, "#t=4.500000-5.000000&op=947&warp=1&q=process:7")
    assert settled(first) == "#t=4.500000-5.000000&op=947&warp=1&q=process%3A7"
    assert "read →" in first.locator("#inspector h4").inner_text()
    assert first.locator("#history-filter").input_value() == "process:7"
    # What cannot be is ignored.
    odd = opened(path, "#t=9-3&op=99999999&m=x&n=77@1&q=%E0%A4%A")
    assert "Nothing is selected" in odd.locator("#inspector").inner_text()


def test_a_cause_leads_to_its_message(stale: Any) -> None:
    assert "earlier messages can have influenced it" in stale.locator("#inspector").inner_text()
    drawn(stale).locator(".causes button").nth(1).click()
    assert "m=" in settled(stale)
    inspector = stale.locator("#inspector").inner_text()
    assert "ClientRequest from client" in inspector
    assert "ClientRequest(client=" in inspector


def test_pointing_and_dragging(stale: Any) -> None:
    stale.keyboard.press("0")
    canvas = stale.locator("#stage-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    # Brushing in the strip on top.
    stale.mouse.move(box["x"] + 300, box["y"] + 15)
    stale.mouse.down()
    stale.mouse.move(box["x"] + 500, box["y"] + 15, steps=4)
    stale.mouse.up()
    brushed = settled(stale)
    assert "t=" in brushed
    # Panning everything.
    stale.mouse.move(box["x"] + 600, box["y"] + 120)
    stale.mouse.down()
    stale.mouse.move(box["x"] + 700, box["y"] + 120, steps=4)
    stale.mouse.up()
    assert settled(stale) != brushed
    # Brushing anywhere with Shift.
    before = settled(stale)
    stale.keyboard.down("Shift")
    stale.mouse.move(box["x"] + 400, box["y"] + 120)
    stale.mouse.down()
    stale.mouse.move(box["x"] + 450, box["y"] + 120, steps=4)
    stale.mouse.up()
    stale.keyboard.up("Shift")
    assert width_ns(settled(stale)) < width_ns(before) / 10
    # Pointing tells, clicking selects.
    pressed(stale, "n")
    first = stale.locator("#inspector h4").inner_text()
    box = canvas.bounding_box()
    stale.mouse.move(box["x"] + 600, box["y"] + box["height"] * 0.7)
    stale.mouse.click(box["x"] + 600, box["y"] + box["height"] * 0.7)
    assert drawn(stale).locator("#inspector h4").inner_text() != first
    stale.locator("#stage-moments").select_option(index=1)
    assert "op=" in settled(stale)


def test_the_history_is_filtered_and_downloaded(
    runs: Callable[..., Result], stale: Any, tmp_path: Path
) -> None:
    history = runs(STALE, 6).run.history
    write_jsonl(history, tmp_path / "expected.jsonl")
    said = stale.locator("#history .filter-said")
    assert said.inner_text() == f"{len(history):,} of {len(history):,} rows"
    for kind in ("json", "edn"):
        with stale.expect_download() as waiting:
            stale.locator(f"[data-download={kind}]").click()
        waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
    assert (tmp_path / "history.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    keyed = read_history(tmp_path / "history.edn").independent()
    assert [op.value for op in keyed] == [op.value for op in history]
    filter_box = stale.locator("#history-filter")
    filter_box.fill("process:3 f:read after:2 before:2.5")
    drawn(stale)
    expected = [
        op for op in history
        if op.process == 3 and op.f == "read" and 2 * 10**9 <= op.time_ns < 2.5 * 10**9
    ]  # fmt: skip
    assert said.inner_text().startswith(f"{len(expected):,} of ")
    filter_box.fill("colour:red")
    drawn(stale)
    assert "There is no field colour" in said.inner_text()
    assert filter_box.get_attribute("aria-invalid") == "true"
    filter_box.fill("")
    drawn(stale)
    stale.locator(".rows").evaluate("box => { box.scrollTop = box.scrollHeight; }")
    drawn(stale)
    assert str(len(history) - 1) in stale.locator(".rows tbody tr").last.inner_text()
    assert stale.locator(".rows tbody tr").count() < 60


def test_a_failing_gossip_run_shows_which_replica_lacks_what(
    runs: Callable[..., Result], opened: Open
) -> None:
    result = runs(BURIED, 1)
    table = (result.verdict.witness or {})["table"]
    [lacking] = [row for row in table["rows"] if row[table["columns"].index("lacks")]]
    page = opened(report_of(result))
    shown = page.locator(".told tr.culprit")
    assert shown.count() == 1
    assert lacking[1] in shown.inner_text()
    assert lacking[table["columns"].index("lacks")] in shown.inner_text()
    clue = page.locator(".clue").first
    clue.locator(".about").first.hover()
    drawn(page)
    number = clue.locator(".about").first.inner_text()
    wash = page.locator(f".w{number}").first
    assert wash.evaluate("bar => getComputedStyle(bar).fillOpacity") == "0.16"
    assert "All that is wrong, by class" in page.locator(".anomalies").inner_text()
    assert "time to converge" in page.locator("#measured ~ .scroll").inner_text()
    assert "member" in page.locator("#inspector").inner_text()


def test_a_broken_invariant_is_shown_where_and_when_it_broke(
    runs: Callable[..., Result], opened: Open
) -> None:
    result = runs(BACKWARD, 1)
    assert result.verdict.checker == "invariants"
    first, last = (result.verdict.witness or {})["sentences"]
    page = opened(report_of(result))
    assert last["what"] in page.locator(".sighting").last.inner_text()
    here = f"n={last['node']}@{last['time_ns'] / 1e9:.6f}"
    assert here in settled(page)
    assert width_ns(settled(page)) < 1e9 + (last["time_ns"] - first["time_ns"]) * 1.2
    assert f"{last['what']} (b)" in page.locator("#inspector").inner_text()
    page.locator(".sighting button").first.click()
    assert f"n={first['node']}@{first['time_ns'] / 1e9:.6f}" in settled(page)
    assert f"{first['what']} (a)" in page.locator("#inspector").inner_text()


def late_violation(folder: Path) -> Path:
    """The report of a run whose clients fell silent long before two leaders were seen."""
    recorder = Recorder()
    for number in range(24):
        recorder.append(time_ns=number * 10**7, process=number, type="invoke", f="read")
    seen = [(10**9, 1, "leads term 1"), (55 * 10**8, 3, "leads term 1")]
    texts = [f"{at / 1e9:.6f} s  n{node} {what}" for at, node, what in seen]
    verdict = Verdict(
        checker="invariants", outcome="fail",
        reason=f"election-safety: two leaders in one term ({'; '.join(texts)})",
        witness={
            "invariant": "election-safety",
            "sentences": [
                {"text": text, "time_ns": at, "node": node}
                for text, (at, node, _) in zip(texts, seen, strict=True)
            ],
            "conclusion": "Both cannot be: two leaders in one term.",
        },
    )  # fmt: skip
    recording = Recording.of(Log(nodes=3), clients=24, facts=Facts(duration_ns=55 * 10**8))
    path = folder / "late.html"
    write_report(
        path, title="late", history=recorder.history(), verdicts=[verdict], facts={},
        replay_command="x", recording=recording,
    )  # fmt: skip
    return path


def test_the_stage_reaches_to_the_end_of_the_run(opened: Open, tmp_path: Path) -> None:
    page = opened(late_violation(tmp_path))
    assert page.locator("h1").inner_text() == "election-safety: two leaders in one term"
    assert "5.5 s" in page.locator("header").inner_text()
    assert page.inner_text("main").count("two leaders in one term") == 2, "check and conclusion"
    for moment in ("1.000000 s", "5.500000 s"):
        assert page.locator("#wrong ~ article").inner_text().count(moment) == 1
    start, end = map(float, re.findall(r"t=([\d.]+)-([\d.]+)", settled(page))[0])
    assert start < 1.0, "both are in view"
    assert end == 5.5
    assert "n=1@1.000000" in pressed(page, "p")
    assert "n3 leads term 1 (b)" not in page.locator("#inspector").inner_text()
    assert "n=3@5.500000" in pressed(page, "n")
    assert "n3 leads term 1 (b)" in page.locator("#inspector").inner_text()
    badges = "() => [...document.querySelectorAll('#stage-moments option')].map((o) => o.text)"
    assert [text for text in page.evaluate(badges) if "leads" in text] == [
        "1.000 s a: n1 leads term 1",
        "5.500 s b: n3 leads term 1",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_campaign_fits_a_phone(opened: Open, tmp_path: Path, scheme: str) -> None:
    states = ("interrupted", "cut short", "crashed")
    found = [
        RunSummary(name=f"r/{seed}", state=state, changed_ns=seed, seed=seed, experiment=FINE)
        for seed, state in enumerate(states, start=100)
    ]  # fmt: skip
    path = tmp_path / "campaign.html"
    links = BesideStore(tmp_path, path)
    path.write_text(render_campaign(campaign_of(found), links=links), encoding="utf-8")
    phone = {"width": 390, "height": 800}
    page = opened(path, ready=False, viewport=phone, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_passing_run(runs: Callable[..., Result], opened: Open) -> None:
    page = opened(report_of(runs(FINE, 1)))
    assert page.locator("#wrong").count() == 0
    assert "Nothing is selected" in page.locator("#inspector").inner_text()
    assert "op=" in pressed(page, "j")
    assert "op=" in pressed(page, "n"), "there is no witness to go to"
    assert colours(page) > 20


def test_without_a_script_all_that_matters_is_readable(
    runs: Callable[..., Result], opened: Open
) -> None:
    page = opened(report_of(runs(STALE, 6)), ready=False, java_script_enabled=False)
    assert page.locator("h1").is_visible()
    assert page.locator("#w1-s2").is_visible()
    assert page.locator(".static svg").first.is_visible()
    assert not page.locator("#stage-canvas").is_visible()
    assert not page.locator("#history").is_visible()


def test_on_paper_stands_what_needs_no_script(stale: Any) -> None:
    stale.emulate_media(media="print")
    assert stale.locator("#w1-s2").is_visible()
    assert stale.locator(".static svg").first.is_visible()
    assert not stale.locator("#stage-canvas").is_visible()
    assert not stale.locator("#stage-in").is_visible()


def test_in_the_dark_the_stage_is_dark(runs: Callable[..., Result], opened: Open) -> None:
    page = opened(report_of(runs(STALE, 6)), color_scheme="dark")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(16, 19, 24)"
    before = page.evaluate("document.getElementById('stage-canvas').toDataURL()")
    page.emulate_media(color_scheme="light")
    drawn(page)
    assert page.evaluate("document.getElementById('stage-canvas').toDataURL()") != before


def test_on_a_narrow_screen_nothing_hangs_over(runs: Callable[..., Result], opened: Open) -> None:
    page = opened(report_of(runs(BURIED, 1)), viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("#stage-canvas").bounding_box()["width"] <= 400


def test_everything_that_can_be_used_has_a_name(stale: Any) -> None:
    nameless = stale.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas, [tabindex]")]
          .filter((one) => one.getClientRects().length)
          .filter((one) => !(one.textContent.trim() || one.labels?.length || one.ariaLabel
            || one.getAttribute("aria-labelledby")))
          .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    stale.keyboard.press("n")
    said = drawn(stale, 450).locator("#stage-said").inner_text()
    assert re.match(r"From .* s to .* s\. Selected: ", said)


def hostile_history() -> History:
    recorder = Recorder()
    values: list[Any] = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\u202egnp.exe\u2066\u200f",
        {"__proto__": {"x": [1]}, "<b>": "</style>"},
        [2**70, -(2**63), 1.5e300, None, True, "\\\"\n\t'"],
        "x" * 1_000_000,
    ]
    for number, value in enumerate(values):
        for late, kind in enumerate(("invoke", "ok")):
            recorder.append(
                time_ns=(2 * number + late) * 10**6, process=0, type=kind, f="write",
                key="</script>", value=value,
            )  # fmt: skip
    return recorder.history()


def test_hostile_values_do_nothing(opened: Open, tmp_path: Path) -> None:
    history = hostile_history()
    failed = Verdict(
        checker="<b>", outcome="fail", reason="</script>", witness={"rows": [0, 1, 2, 3]}
    )
    write_report(
        tmp_path / "hostile.html", title="</title>", history=history, verdicts=[failed],
        facts={"seed": "1"}, replay_command="x",
    )  # fmt: skip
    page = opened(tmp_path / "hostile.html")
    assert (tmp_path / "hostile.html").stat().st_size < 250_000
    assert page.locator("img, script[src]").count() == 0
    rows = page.locator(".rows tbody").inner_text()
    assert "</script><script>alert(1)</script>" in rows
    assert "\\u202egnp.exe" in rows
    for _ in range(6):
        page.keyboard.press("j")
    page.keyboard.press("k")
    assert "1180591620717411303424" in drawn(page).locator("#inspector").inner_text()
    page.locator("#history-filter").fill("row:8")
    drawn(page)
    with page.expect_download() as waiting:
        page.locator("[data-download=json]").click()
    waiting.value.save_as(tmp_path / "one.jsonl")
    assert read_history(tmp_path / "one.jsonl")[0].value == history[8].value


#: Contrast of each text with what lies behind it, in the browser's own colours.
POOR_CONTRAST = """() => {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    probe.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      probe.fillStyle = colour;
      probe.fillRect(0, 0, 1, 1);
    }
    return [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.getClientRects().length) continue;
    if (element.closest("svg, script, .sr-only")) continue;
    const grounds = [];
    for (let at = element; at; at = at.parentElement) {
      grounds.unshift(getComputedStyle(at).backgroundColor);
    }
    const ground = over(grounds), text = over([...grounds, getComputedStyle(element).color]);
    const [high, low] = [luminance(ground), luminance(text)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 90)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(runs: Callable[..., Result], opened: Open, theme: str) -> None:
    page = opened(report_of(runs(BURIED, 1)), "#op=10&q=type:fail", color_scheme=theme)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true;")
    page.locator(".rows tbody tr").first.click()
    assert drawn(page).evaluate(POOR_CONTRAST) == []


@pytest.mark.slow
def test_two_hundred_thousand_operations(opened: Open, tmp_path: Path) -> None:
    """In one file of at most 6 MB; benchmarks/report.py measures how fast it is."""
    history, recording = long_run_with_messages(200_000, 100_000)
    rows = [number for number in range(200_000, 200_100) if history[number].type == "ok"][:3]
    failed = Verdict(checker="c", outcome="fail", reason="r", witness={"rows": rows})
    path = tmp_path / "long.html"
    write_report(
        path, title="long", history=history, verdicts=[failed], facts={"clients": "20"},
        replay_command="x", recording=recording,
    )  # fmt: skip
    assert path.stat().st_size <= 6_000_000
    page = opened(path)
    assert "200,0" in page.locator(".eyebrow ~ p").inner_text()
    assert "op=" in settled(page)
    whole = pressed(page, "Escape", "0")
    assert "t=" not in whole
    assert colours(page) > 10
    assert "t=" in pressed(page, "+", "+")
    assert "op=" in pressed(page, "j")


def long_run_with_messages(operations: int, messages: int) -> tuple[History, Recording]:
    draw = random.Random(7)
    clients = 20
    rows: list[tuple[Any, ...]] = []
    free = [draw.randrange(10**6) for _ in range(clients)]
    for number in range(operations):
        client = number % clients
        ended = free[client] + int(draw.lognormvariate(16, 1))
        kind, f = draw.choices(["ok", "fail"], [95, 5])[0], draw.choice(["read", "write"])
        key, value = f"k{draw.randrange(50)}", None if f == "read" else number
        rows.append((free[client], client, "invoke", f, key, value))
        rows.append((ended, client, kind, f, key, draw.randrange(number + 1)))
        free[client] = ended + draw.randrange(1, 20 * 10**6)
    recorder = Recorder()
    for time_ns, process, kind, f, key, value in sorted(rows, key=lambda row: row[0]):
        recorder.append(time_ns=time_ns, process=process, type=kind, f=f, key=key, value=value)
    log = Log(nodes=5, capacity=messages)
    sent = sorted(draw.randrange(max(free)) for _ in range(messages))
    events: list[Any] = []
    for number, sent_ns in enumerate(sent):
        source, destination = draw.sample(range(1, 6), 2)
        ended = sent_ns + draw.randrange(10**6, 5 * 10**6)
        events.append((ended, 0, MESSAGE, destination, source, ("append", number), sent_ns))
    for event in sorted(events, key=lambda event: event[0]):
        log.record(event)
    return recorder.history(), Recording.of(log, clients=clients, facts=Facts(delivered=messages))


def test_a_run_that_broke_off_says_so_above_everything_else(
    runs: Callable[..., Result], opened: Open, tmp_path: Path
) -> None:
    folder = report_of(runs(FINE, 1)).parent
    left = tmp_path / "left"
    left.mkdir()
    shutil.copy(folder / "plan.json", left)
    history = (folder / "history.jsonl").read_bytes()
    (left / "history.jsonl").write_bytes(history[: len(history) // 2])
    error = b'{"interrupted":false,"error":"KeyError","text":"<i>7</i>\\nand more"}'
    (left / "broken-off.json").write_bytes(error)
    write_report_of_folder(left, left / "report.html")
    page = opened(left / "report.html")
    assert page.locator("h1").inner_text().endswith(": KeyError: <i>7</i>.")
    head = page.locator(".broken-off")
    assert head.bounding_box()["y"] < 300
    told = dict(line.split("\t") for line in head.locator("tr").all_inner_texts())
    assert told["verdict"] == "unknown, because nothing was judged"
    assert "a line that was cut short is left out" in told["history"]
    assert told["error"] == "KeyError: <i>7</i>\nand more"
    assert page.locator("#command").inner_text() == f"splitbrain replay {left}"
    assert colours(page) > 3, "the stage is drawn"


def test_what_could_not_have_been_detected_is_folded_but_on_paper(
    runs: Callable[..., Result], opened: Open
) -> None:
    page = opened(report_of(runs(GOSSIP, 1)))
    section = page.locator("section[aria-labelledby=blind]")
    shown, summary = section.locator("li:visible"), section.locator("summary")
    assert shown.count() == 4
    more = int(re.findall(r"^(\d+) more: ", summary.inner_text())[0])
    summary.click()
    drawn(page)
    assert shown.count() == 4 + more
    summary.click()
    drawn(page)
    assert shown.count() == 4
    page.emulate_media(media="print")
    assert section.locator("details li").first.evaluate("e => e.checkVisibility()")
