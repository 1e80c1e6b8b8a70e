"""`splitbrain serve` over a real loopback socket: what is answered, and what is not.

The store has runs of every state; beside it lies a secret that no address may reach.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec
import pytest

from harness.claim import under_way
from harness.errors import UsageError
from harness.experiment import Experiment
from harness.plan import Plan
from harness.store import verdict_document
from harness.verdict import Outcome, Verdict
from reports.serve import StoreServer, make_server
from reports.serve.files import inside
from reports.serve.listing import PAGE_RUNS, Query

SECRET = "the secret beside the store"
HOSTILE = "<img src=x onerror=alert(1)>"
KILL, FLAWED = Experiment(nemesis="kill"), Experiment(nemesis="pause", flaw="stale-read")


def keep(store: Path, experiment: Experiment, seed: int, outcome: Outcome | None) -> Path:
    """A run in the store, as `splitbrain run` leaves it."""
    folder = store / experiment.slug / f"seed-{seed}"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_bytes(Plan(experiment=experiment, seed=seed, digest="d").encode())
    (folder / "history.jsonl").write_text(f'{{"index":0,"seed":{seed}}}\n')
    if outcome is not None:
        verdict = Verdict(checker="linearizability", outcome=outcome, reason=f"{HOSTILE} {seed}")
        document = verdict_document([verdict], digest=f"{seed:016x}")
        (folder / "verdict.json").write_bytes(msgspec.json.encode(document))
        (folder / "report.html").write_text(f"<!DOCTYPE html><title>report {seed}</title>")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("serve")
    store = path / "store"
    for seed in (1, 2, 3):
        keep(store, KILL, seed, "pass")
    keep(store, FLAWED, 1, "fail")
    keep(store, FLAWED, 2, "unknown")
    keep(store, FLAWED, 3, None)
    (path / "secret.html").write_text(SECRET)
    (path / "secret").mkdir()
    (path / "secret" / "plan.json").write_text(SECRET)
    run = store / KILL.slug / "seed-1"
    (run / "out.html").symlink_to(path / "secret.html")
    (run / "inside.html").symlink_to(run / "report.html")
    (run / "circle.html").symlink_to("circle.html")
    (run / "key.pem").write_text(SECRET)
    (store / "away").symlink_to(path / "secret")
    (store / "latest").symlink_to(f"{KILL.slug}/seed-1")
    os.mkfifo(run / "pipe.html")
    return path


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[StoreServer]:
    with make_server(place / "store", 0) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(server: StoreServer, target: str, *, method: str = "GET", host: str | None = None) -> Reply:
    """One request exactly as it is written here: nothing is tidied up on the way."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
        connection.endheaders()
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, response.read())
    finally:
        connection.close()


# ---- pages


def test_all_runs_are_listed_with_their_results_and_files(server: StoreServer) -> None:
    page = ask(server, "/")
    assert page.status == 200
    assert "6 runs" in page.text
    rows = re.findall(r'name="run" value="([^"]+)"', page.text)
    assert len(rows) == 6
    assert re.findall(r'<span class="pill (pass|fail|unknown)">', page.text).count("pass") == 4
    assert "cut short" in page.text
    links = re.findall(r'<a href="(/files/[^"]+)">report</a>', page.text)
    assert len(links) == 5
    for link in links:
        assert ask(server, link).status == 200


@pytest.mark.parametrize(
    ("query", "seeds"),
    [
        ("?result=pass", [1, 2, 3]),
        ("?result=fail", [1]),
        ("?result=unfinished", [3]),
        ("?result=cut+short", [3]),
        ("?system=raft&nemesis=pause", [1, 2, 3]),
        ("?flaw=none", [1, 2, 3]),
        ("?flaw=stale-read&sort=-seed", [3, 2, 1]),
        ("?nemesis=kill&sort=seed", [1, 2, 3]),
        ("?text=KILL+seed+2", [2]),
        ("?text=0000000000000003", [3]),
        ("?text=nowhere", []),
        ("?result=pass&result=fail", [1]),
        ("?sort=sideways&page=-1&nemesis=kill&warp=9", [1, 2, 3]),
        ("?nemesis=kill&page=99999", [1, 2, 3]),
    ],
)
def test_the_list_shows_what_is_asked_for(
    query: str, seeds: list[int], server: StoreServer
) -> None:
    page = ask(server, f"/{query}")
    assert page.status == 200
    found = [int(seed) for seed in re.findall(r'<td class="number">(\d+)</td>', page.text)]
    assert sorted(found) == sorted(seeds)
    if "sort=" in query and "sideways" not in query:
        assert found == seeds
    assert ("No run is like that" in page.text) == (not seeds)


def test_the_links_of_the_list_lead_where_they_say(server: StoreServer) -> None:
    first = ask(server, "/?result=pass")
    headers = re.findall(r'aria-sort="(\w+)"><a href="([^"]+)">', first.text)
    assert [sort for sort, _ in headers] == ["none", "none", "none", "descending"]
    for _, link in headers:
        page = ask(server, link.replace("&amp;", "&"))
        assert "3 runs of 6" in page.text


def test_a_page_holds_so_many_runs_and_leads_to_the_next(tmp_path: Path) -> None:
    from reports.runs import RunSummary
    from reports.serve.listing import listing

    runs = [
        RunSummary(
            name=f"r/{seed:04}", state="finished", changed_ns=seed, experiment=KILL, seed=seed,
            outcome="pass",
        )
        for seed in range(2 * PAGE_RUNS + 1)
    ]  # fmt: skip
    seen = []
    for number in (1, 2, 3, 4):
        page = listing(runs, Query(page=number, sort="seed"))
        assert page.pages == 3
        seen += [run.seed for run in page.runs] if number < 4 else []
        assert page.query.page == min(number, 3)
    assert seen == list(range(2 * PAGE_RUNS + 1))


@pytest.mark.parametrize("state", ["running", "cut short"])
def test_a_run_without_a_verdict_is_shown_as_what_it_is(
    state: str, server: StoreServer, place: Path
) -> None:
    folder = place / "store" / FLAWED.slug / "seed-3"
    address = f"/run/{quote(FLAWED.slug)}/seed-3"
    if state == "running":
        with under_way(folder):
            page = ask(server, address)
    else:
        page = ask(server, address)
    assert page.status == 200
    assert 'class="pill unfinished" title="' in page.text
    assert f">{state}</span>" in page.text
    assert "splitbrain run raft --seed 3 --nemesis pause --flaw stale-read" in page.text


def test_the_page_of_a_run_has_its_facts_checks_files_and_siblings(server: StoreServer) -> None:
    page = ask(server, f"/run/{KILL.slug}/seed-2")
    assert page.status == 200
    for text in ("linearizability", "0000000000000002", "time limit", "60 s", "splitbrain replay"):
        assert text in page.text
    files = re.findall(r'<a href="(/files/[^"]+)">([^<]+)</a>', page.text)
    assert [name for _, name in files] == [
        "history.jsonl", "plan.json", "report.html", "verdict.json",
    ]  # fmt: skip
    assert json.loads(ask(server, files[0][0]).body)["seed"] == 2
    pairs = re.findall(r'<a href="(/pair[^"]+)">', page.text)
    assert len(pairs) == 2
    pair = ask(server, pairs[0].replace("&amp;", "&"))
    assert pair.status == 200
    assert "One experiment with the seeds" in pair.text
    assert pair.text.count('<tr class="differs">') >= 2
    assert "The first difference is in row 1." in pair.text


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 400, "Tick two runs in the list, not 0."),
        ("?run=raft-register-kill/seed-1", 400, "not 1."),
        ("?run=a&run=b&run=c", 400, "not 3."),
        ("?run=raft-register-kill/seed-1&run=../secret", 400, "not in this store"),
    ],
)
def test_two_runs_are_two_runs_of_the_store(
    query: str, status: int, text: str, server: StoreServer
) -> None:
    page = ask(server, f"/pair{query}")
    assert page.status == status
    assert text in page.text


def test_the_campaign_leads_into_the_list(server: StoreServer) -> None:
    page = ask(server, "/campaign")
    assert page.status == 200
    assert "found; no failure in 3 runs without one; 2 runs undecided or unfinished." in page.text
    cells = re.findall(r'<a class="cell [^"]+" href="([^"]+)">', page.text)
    assert len(cells) >= 5
    for cell in cells:
        listed = ask(server, cell.replace("&amp;", "&"))
        assert listed.status == 200
        assert "No run is like that" not in listed.text
    narrowed = ask(server, "/campaign?nemesis=kill")
    assert "No failure in 3 runs without a planted flaw." in narrowed.text


def test_a_comparison_in_the_store_is_a_page_too(server: StoreServer, place: Path) -> None:
    assert "comparison" not in ask(server, "/").text
    folder = place / "store" / "comparison"
    folder.mkdir()
    try:
        (folder / "comparison.html").write_text("<title>who gets through what</title>")
        (link,) = re.findall(r'<a href="([^"]+)">comparison</a>', ask(server, "/").text)
        assert "who gets through what" in ask(server, link).text
    finally:
        (folder / "comparison.html").unlink()
        folder.rmdir()


@pytest.mark.parametrize(
    "target", ["/", "/campaign", f"/run/{KILL.slug}/seed-1", "/pair", "/nothing"]
)
def test_pages_are_harmless(target: str, server: StoreServer) -> None:
    page = ask(server, target)
    assert "<img" not in page.text
    assert not re.search(r'(?:src|href)="?(?:https?:)?//', page.text)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page.text)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert page.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert page.headers["x-content-type-options"] == "nosniff"


def test_a_report_is_sent_into_a_sandbox(server: StoreServer) -> None:
    report = ask(server, f"/files/{KILL.slug}/seed-1/report.html")
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts ")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy


# ---- what is not answered


@pytest.mark.parametrize(
    "path",
    [
        "../secret.html",
        "../secret/plan.json",
        "%2e%2e/secret.html",
        "%2E%2E%2Fsecret.html",
        "..%2fsecret.html",
        "%252e%252e/secret.html",
        "./../secret.html",
        "{run}/../../../secret.html",
        "{run}/..%2f..%2f..%2fsecret.html",
        "{run}/..\\..\\..\\secret.html",
        "{run}/..%5c..%5c..%5csecret.html",
        "/etc/passwd",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "{place}/secret.html",
        "%2f{place}/secret.html",
        "{run}/out.html",
        "away/plan.json",
        "away",
        "{run}/circle.html",
        "{run}/pipe.html",
        "{run}/key.pem",
        "{run}/report.html%00",
        "{run}/report.html%00.html",
        "{run}/report.html/",
        "{run}//report.html",
        "{run}",
        "{run}/",
        "",
        "%ff%fe",
    ],
)
def test_no_address_leads_out_of_the_store(path: str, server: StoreServer, place: Path) -> None:
    target = "/files/" + path.format(run=f"{KILL.slug}/seed-1", place=place)
    reply = ask(server, target)
    assert reply.status == 404, reply.text
    assert SECRET.encode() not in reply.body
    assert b"root:" not in reply.body


@pytest.mark.parametrize("path", ["report.html", "inside.html"])
def test_files_and_links_within_the_store_are_sent(path: str, server: StoreServer) -> None:
    for folder in (f"{KILL.slug}/seed-1", "latest"):
        assert "report 1" in ask(server, f"/files/{folder}/{path}").text


@pytest.mark.parametrize("target", ["/run/../secret", "/run/away", "/run/..%2fsecret", "/run/"])
def test_no_run_is_outside_of_the_store(target: str, server: StoreServer) -> None:
    reply = ask(server, target)
    assert reply.status == 404
    assert SECRET not in reply.text


def test_whatever_a_path_is_made_of_it_stays_inside(place: Path) -> None:
    """Every path of up to three of these parts."""
    store = place / "store"
    root = store.resolve()
    parts = ["..", ".", "", "away", "latest", KILL.slug, "seed-1", "out.html", "report.html", "/"]
    found = set()
    for count in (1, 2, 3):
        for chosen in product(parts, repeat=count):
            path = inside(store, "/".join(chosen))
            if path is not None:
                found.add("/".join(chosen))
                assert path == path.resolve()
                assert path.is_relative_to(root)
    run = f"{KILL.slug}/seed-1"
    assert found == {KILL.slug, run, f"{run}/report.html", "latest", "latest/report.html"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LocalHost:{port}", 200),
        ("127.0.0.1", 421),
        ("localhost", 421),
        ("localhost:1", 421),
        ("evil.example", 421),
        ("evil.example:{port}", 421),
        ("127.0.0.1:{port}.evil.example", 421),
        ("127.0.0.1.evil.example:{port}", 421),
        ("0.0.0.0:{port}", 421),
        ("[::1]:{port}", 421),
        ("localhost:{port}, evil.example", 421),
        ("user@localhost:{port}", 421),
        (" ", 421),
    ],
)
def test_only_its_own_names_are_answered_to(host: str, status: int, server: StoreServer) -> None:
    reply = ask(server, "/", host=host.format(port=server.server_port))
    assert reply.status == status
    assert ("raft" in reply.text) == (status == 200)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost:%d\r\nHost: evil.example\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
)
def test_a_request_without_one_plain_host_is_refused(head: bytes, server: StoreServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(head % server.server_port if b"%d" in head else head)
        reply = b""
        while part := connection.recv(1 << 16):
            reply += part
    assert b" 421 " in reply.splitlines()[0]
    assert b"raft" not in reply


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_nothing_but_reading_is_done(method: str, server: StoreServer) -> None:
    assert ask(server, "/", method=method).status == 501


def test_a_head_is_like_the_page_without_it(server: StoreServer) -> None:
    page, head = ask(server, "/"), ask(server, "/", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(page.body))


def test_it_listens_on_loopback_alone(server: StoreServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/"


def test_a_port_that_is_taken_or_is_none_is_a_mistake(server: StoreServer, place: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be had.*\n?.*--port 0"):
        make_server(place / "store", server.server_port)
    with pytest.raises(UsageError, match="from 0 to 65535"):
        make_server(place / "store", 99_999)


def test_a_store_whose_names_are_no_text_is_shown(tmp_path: Path) -> None:
    odd = os.fsdecode(b"odd \xff name?#&%41")
    keep(tmp_path, KILL, 1, "pass").parent.rename(tmp_path / odd)
    with make_server(tmp_path, 0) as made:
        answer = made.pages.answer("/")
        page = answer.body.read().decode()
        (link,) = re.findall(r'<a href="(/files/[^"]+)">report</a>', page)
        (value,) = re.findall(r'name="run" value="([^"]+)"', page)
        assert made.pages.answer(link).status == 200
        assert unquote(value, errors="surrogateescape") == f"{odd}/seed-1"
        assert made.pages.answer(f"/pair?run={quote(value)}&run={quote(value)}").status == 200
        (run,) = re.findall(r'<a href="(/run/[^"]+)">', page)
        assert made.pages.answer(run).status == 200
