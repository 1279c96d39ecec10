"""The hand-in: what is gathered, what is said to be missing, and what is left alone."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from amazon_titles import handin, resources
from amazon_titles.cli import cli
from amazon_titles.dataset import build_dataset
from amazon_titles.default_model import DEFAULT_MODEL
from amazon_titles.errors import InputError
from amazon_titles.handin import hand_in
from amazon_titles.sample import write_sample
from tests.loopback_hub.folders import adapter_folder
from tests.unit.test_model_card import AFTER, BEFORE

LINKS = {"video": "https://video.example/watch?v=1", "repository": "https://code.example/ana/titles"}


SHOP = [
    {"uid": f"A{n:03}", "title": f"Orsk Coffee Maker {n}", "content": f"A coffee maker of steel that holds {n} cups."}
    for n in range(60)
]
TRN = [row | {"uid": f"{n:010}", "target_ind": [], "target_rel": []} for n, row in enumerate(SHOP)]
WHO = {"members": ["Zoë $5$ Ångström, RM 358123"], "course": "Pós Tech", "group": "42"}
FILM = '<meta itemprop="duration" content="PT2M5S">'


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No network; and a PDF or a plot is a second, so that they are made in the tests of them alone."""
    monkeypatch.setattr(handin, "look", lambda _: (200, FILM))
    monkeypatch.setattr(handin, "write_pdf", lambda path, text, *_, **__: path.write_text(text, encoding="utf-8"))
    monkeypatch.setattr(handin, "plot_losses", lambda *_, **__: b"plot")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Built from rows as trn.json has them."""
    folder = tmp_path_factory.mktemp("handin")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TRN))
    build_dataset(folder / "rows.jsonl", folder / "dataset")
    return folder / "dataset"


@pytest.fixture
def adapter(tmp_path, dataset):
    return trained_on(dataset, adapter_folder(tmp_path / "adapter", base="ana/Llama-tiny"))


def trained_on(dataset, adapter):
    run = json.loads((adapter / "run.json").read_text())
    run["dataset"]["report_sha256"] = hashlib.sha256((dataset / "report.json").read_bytes()).hexdigest()
    (adapter / "run.json").write_text(json.dumps(run))
    return adapter


def evaluation(folder):
    (folder / "eval").mkdir(exist_ok=True)
    report = {"model": "m", "dataset": "d", "settings": {}, "scores": {}, "examples": []}
    for name in ("before", "after"):
        (folder / "eval" / f"{name}.json").write_text(json.dumps(report))
    (folder / "eval" / "comparison.json").write_text(json.dumps({"rows": []}))
    (folder / "eval" / "comparison.md").write_text("# Before and after\n")


def measured(folder):
    """An evaluation with figures."""
    evaluation(folder)
    for name, report in (("before", BEFORE), ("after", AFTER)):
        (folder / "eval" / f"{name}.json").write_text(json.dumps(report))


def parse(what):
    """The command that something missing is to be mended with, parsed as the command line does; its arguments."""
    arguments = shlex.split(what.partition("amazon-titles ")[2])
    cli.commands[arguments[0]].make_context(arguments[0], arguments[1:])
    return arguments


def test_everything_is_there(tmp_path, adapter, dataset):
    evaluation(adapter)
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, **LINKS)
    assert (made.missing, made.notes) == ((), ())
    assert "Ainda falta:\n  nada" in made.to_text()
    assert {path.name for path in made.folder.iterdir()} == {
        "data.md", "fine-tuning.md", "recipe.yml", "eval", "loss.png", "lengths.png", "video.txt", "handin.pdf",
    }  # fmt: skip
    described = (made.folder / "video.txt").read_text(encoding="utf-8")
    assert "- Zoë $5$ Ångström, RM 358123\n" in described
    assert "Modelo base: Llama-tiny\n" in described
    assert (made.folder / "data.md").read_text(encoding="utf-8").startswith("# ")


ORDER = {
    "pt": [
        "Parte 1:", "Um produto e sua conversa", "Seleção:", "Parte 2:", "Três perguntas", "A que mais melhorou",
        "Fonte", "Antes e depois", "Todas as medidas", "Como foi treinado", "Parâmetros:", "Parte 3:", "load_dataset(",
        "peft",
    ],
    "en": [
        "Part 1:", "A product and its conversation", "Selection:", "Part 2:", "Three questions", "Most improved",
        "Source", "Before and after", "All measures", "How it was trained", "Parameters:", "Part 3:", "load_dataset(",
        "peft",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("language", "words"), ORDER.items())
def test_the_pdf_tells_it_in_order_with_every_picture(tmp_path, adapter, dataset, monkeypatch, language, words):
    pdfium = pytest.importorskip("pypdfium2")
    monkeypatch.undo()
    monkeypatch.setattr(handin, "look", lambda _: (200, FILM))
    measured(adapter)
    links = LINKS | {"video": "https://video.example/watch?v=" + "W" * 150}
    options = {"language": language, **WHO, **links}
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, **options)
    assert made.missing == ()
    document = pdfium.PdfDocument(made.folder / "handin.pdf")
    texts = [page.get_textpage() for page in document]
    said = [text.get_text_range().replace("\r\n", "\n") for text in texts]
    for told in (*links.values(), "Pós Tech", "42", "Tech Challenge", "Llama-tiny"):
        assert any(told in line for line in said[0].splitlines()), told
    assert all(told in said[0] for told in ("Zoë $5$ Ångström", "358123")), "text, and no formula"
    assert ("How to load" in "".join(said)) == ("Como carregar" in "".join(said)) is False
    whole, places = "\n".join(said), [0]
    for word in words:
        assert word in whole[places[-1] :], f"{word} is missing, or too early"
        places.append(whole.index(word, places[-1]))
    pictures = [found for page in document for found in page.get_objects(filter=[pdfium.raw.FPDF_PAGEOBJ_IMAGE])]
    assert len(pictures) == 4  # lengths, before and after, changes, loss
    for page, text in zip(document, texts, strict=True):
        edges = [text.get_rect(number)[2] for number in range(text.count_rects())]
        assert max(edges) < page.get_width() - 40, "a line leaves the page"
    raw = (made.folder / "handin.pdf").read_bytes()
    assert all(raw.count(f"/URI ({address})".encode()) == 1 for address in links.values()), "one link, whole"
    document.close()


def test_while_something_is_missing_the_pdf_is_a_draft_that_says_so(tmp_path, adapter, dataset):
    evaluation(adapter)
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, video=LINKS["video"])
    assert [what.partition(":")[0] for what in made.missing] == ["o link do código-fonte"]
    draft = (made.folder / "draft.pdf").read_text(encoding="utf-8")
    assert "Rascunho" in draft.splitlines()[2]
    assert "o link do código" in draft
    assert not (made.folder / "handin.pdf").exists()


def test_the_command_fails_while_something_is_missing(tmp_path, adapter, dataset):
    from click.testing import CliRunner

    evaluation(adapter)
    links = ["--video", LINKS["video"], "--repo", LINKS["repository"]]
    command = ["handin", str(tmp_path / "work"), "--model", str(adapter), "--dataset", str(dataset), *links]
    without = CliRunner().invoke(cli, command)
    assert (without.exit_code, "--member 'NOME, RM 123456'" in without.output) == (1, True)
    assert CliRunner().invoke(cli, [*command, "--member", "Ada"]).exit_code == 0


def test_what_is_missing_is_said_with_what_to_do(tmp_path, adapter):
    (adapter / "recipe.yml").unlink()
    made = hand_in(tmp_path / "work", model=adapter, dataset=tmp_path / "nowhere", language="en")
    for part in ("recipe", "before", "after", "document of the data", "--member", "--repo", "--video"):
        assert sum(part in what for what in made.missing) >= 1, part
    names = {path.name for path in (tmp_path / "work").iterdir()}
    assert names == {"fine-tuning.md", "eval", "loss.png", "video.txt", "draft.pdf"}


def test_the_wording_is_in_both_languages_and_all_of_it_is_used():
    folder = resources.folder("hub_cards")
    wording = yaml.safe_load((folder / "handin.yml").read_text(encoding="utf-8"))
    template = (folder / "handin.md.jinja").read_text(encoding="utf-8")
    source = Path(handin.__file__).read_text(encoding="utf-8") + template
    assert all(set(said) == {"en", "pt"} for said in wording.values())
    names = set(re.findall(r"\w+", source))
    assert {key for key in wording if key not in names and key.partition("_")[2] not in names} == set()
    for name in ("dataset_card", "model_card"):
        card = yaml.safe_load((folder / f"{name}.yml").read_text(encoding="utf-8"))
        assert card["load"] == wording["load"], "the PDF finds the code by this heading"


@contextmanager
def site(pages):
    """A web site on this machine: path → (status, body, where it sends to)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body, place = pages.get(self.path, (404, "", None))
            self.send_response(status)
            if place:
                self.send_header("Location", place)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("repository", "film", "missing", "notes"), [
    ("/open", "/two-minutes", [], []),
    ("/private", "/two-minutes", ["acesso a --repo"], []),
    ("/login-first", "/two-minutes", ["acesso a --repo"], []),
    ("/login", "/two-minutes", [], []),  # a repository of this name, to which nobody was sent
    ("/broken", "/two-minutes", [], ["--repo"]),
    ("/open", "/ten-minutes", [], []),
    ("/open", "/longer", ["um vídeo de até 10 minutos: este dura 10:01."], []),
    ("/open", "/an-hour", ["um vídeo de até 10 minutos: este dura 60:00."], []),
    ("/open", "/open", [], ["não foi possível ler a duração"]),
    ("/open", "/private", ["acesso a --video"], ["não foi possível ler a duração"]),
])  # fmt: skip
def test_addresses_are_looked_at_as_a_stranger_would(monkeypatch, repository, film, missing, notes):
    monkeypatch.undo()
    duration = '<meta itemprop="duration" content="PT{}">'
    pages = {
        "/open": (200, "code", None), "/broken": (503, "", None), "/login-first": (302, "", "/users/sign_in"),
        "/users/sign_in": (200, "who are you?", None), "/login": (200, "code", None),
        "/two-minutes": (200, FILM, None), "/ten-minutes": (200, duration.format("10M0S"), None),
        "/longer": (200, '{"duration": "PT10M1S"}', None), "/an-hour": (200, duration.format("1H"), None),
    }  # fmt: skip
    texts = handin._texts("pt", None)
    with site(pages) as address:
        said = list(handin._addresses(address + film, address + repository))
    told = {kind: [texts[key].format(**v) for key, v in said if key.startswith(kind)] for kind in ("need", "note")}
    for kind, starts in (("need", missing), ("note", notes)):
        assert len(told[kind]) == len(starts), told
        assert all(what.startswith(start) for what, start in zip(told[kind], starts, strict=True)), told


def test_an_address_that_nobody_answers_is_a_note(monkeypatch):
    monkeypatch.undo()
    with site({}) as gone:
        pass
    assert [key for key, _ in handin._addresses(None, gone)] == ["note_unchecked", "need_video"]


def test_no_link_is_followed_out_of_the_folder(tmp_path, adapter, dataset):
    measured(adapter)
    (tmp_path / "secret.md").write_text("somebody's own")
    for name in ("eval/comparison.md", "eval/before.json"):
        (adapter / name).unlink()
        (adapter / name).symlink_to(tmp_path / "secret.md")
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, **LINKS)
    assert not [path for path in made.folder.rglob("*") if path.is_file() and b"somebody's own" in path.read_bytes()]
    assert not (made.folder / "eval" / "comparison.md").exists()
    assert [what.partition(":")[0] for what in made.missing] == ["o teste antes do treinamento"]


def test_another_dataset_than_the_one_trained_on_is_told(tmp_path, adapter, dataset):
    evaluation(adapter)
    run = json.loads((adapter / "run.json").read_text())
    run["dataset"]["report_sha256"] = "0" * 64
    (adapter / "run.json").write_text(json.dumps(run))
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, **LINKS)
    assert [what.partition(":")[0] for what in made.missing] == ["o dataset em que o adaptador foi treinado"]


def test_a_missing_test_is_to_be_written_where_it_is_looked_for(tmp_path, adapter, dataset):
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, **LINKS)
    before, after = (parse(what) for what in made.missing)
    assert before == ["evaluate", "ana/Llama-tiny", "--dataset", str(dataset), "--out", f"{adapter}/eval/before.json"]
    assert after == ["evaluate", str(adapter), "--dataset", str(dataset), "--out", f"{adapter}/eval/after.json"]


def test_the_comparison_belongs_to_it_and_is_made(tmp_path, adapter, dataset):
    measured(adapter)
    (adapter / "eval" / "comparison.json").write_text("of older reports")
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, **LINKS)
    assert made.missing == ()
    told = json.loads((made.folder / "eval" / "comparison.json").read_text(encoding="utf-8"))
    recall = next(row for row in told["rows"] if row["key"] == "fact_recall")
    assert (recall["before"], recall["after"]) == pytest.approx((0.1, 0.6))
    assert "Antes e depois" in (made.folder / "eval" / "comparison.md").read_text(encoding="utf-8")
    assert (made.folder / "eval" / "changes.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_quickstart_the_default_asks_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Make one: amazon-titles quickstart"):
        hand_in(tmp_path / "work", model=DEFAULT_MODEL)


@pytest.mark.parametrize("report", ['{"rows_read": 1}', '{"splits": 3}', '{"splits": {}, "catalogue": "mine"}'])
def test_a_report_of_another_shape_is_no_document(tmp_path, adapter, report):
    evaluation(adapter)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "report.json").write_text(report)
    made = hand_in(tmp_path / "work", model=adapter, dataset=tmp_path / "other", **WHO, **LINKS)
    assert [what for what in made.missing if "não foi escrito por um build" in what] == list(made.missing)
    assert not (made.folder / "data.md").exists()


def test_a_model_of_this_machine_alone_is_a_note(tmp_path, adapter, dataset):
    evaluation(adapter)
    run = json.loads((adapter / "run.json").read_text()) | {"publishable": False, "why_not_publishable": "Local."}
    (adapter / "run.json").write_text(json.dumps(run))
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, **LINKS)
    assert made.missing == ()
    assert "push-adapter" in made.notes[0]


@pytest.mark.parametrize("language", ["en", "pt"])
def test_it_is_of_the_catalogue_that_it_is_of(tmp_path, adapter, dataset, language):
    """AmazonTitles is what trn.json alone is called, and the sample is made up."""
    evaluation(adapter)
    (tmp_path / "coffee.jsonl").write_text("".join(json.dumps(row) + "\n" for row in SHOP))
    write_sample(tmp_path / "sample.json", 60)
    build_dataset(tmp_path / "coffee.jsonl", tmp_path / "coffee")
    build_dataset(tmp_path / "sample.json", tmp_path / "sample")
    told = {}
    for name, folder in (("coffee", tmp_path / "coffee"), ("rows", dataset), ("sample", tmp_path / "sample")):
        trained_on(folder, adapter)
        made = hand_in(tmp_path / "work", model=adapter, dataset=folder, language=language, **WHO, **LINKS)
        told[name] = (made.folder / "video.txt").read_text(encoding="utf-8")
        assert ["trn.json" in what for what in made.missing] == ([] if name == "rows" else [True])
        made_up = {"en": "made-up", "pt": "inventados"}[language]
        assert (name == "sample") == any(made_up in what for what in made.missing)
    assert "coffee" in told["coffee"].splitlines()[0]
    assert "AmazonTitles-1.3MM" in told["rows"].splitlines()[0]
    assert {"en": "made-up", "pt": "inventados"}[language] in told["sample"].splitlines()[0]
    assert not [name for name in ("coffee", "sample") if "AmazonTitles" in told[name]]
    made = hand_in(tmp_path / "work", model=adapter, dataset=tmp_path / "nowhere", language=language)
    assert "AmazonTitles" not in (made.folder / "video.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "word"), [("pt", "Integrantes"), ("en", "Members")])
def test_the_documents_are_of_the_language(tmp_path, adapter, dataset, language, word):
    made = hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, language=language, **LINKS)
    assert word in (made.folder / "video.txt").read_text(encoding="utf-8")
    how = {"pt": "Como carregar", "en": "How to load"}[language]
    assert how in (made.folder / "data.md").read_text(encoding="utf-8")


def test_its_own_folder_is_made_anew(tmp_path, adapter, dataset):
    evaluation(adapter)
    (adapter / "eval" / "my-other-test.json").write_text("{}")
    hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, **LINKS)
    assert not (tmp_path / "work" / "eval" / "my-other-test.json").exists()
    hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    assert not (tmp_path / "work" / "handin.pdf").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("path", ["notes.txt", "eval/notes.md", "eval/photos/us.jpg", "film/film.mp4"])
def test_what_it_did_not_make_is_named_and_stays(tmp_path, adapter, dataset, path):
    hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    (tmp_path / "work" / path).parent.mkdir(exist_ok=True)
    (tmp_path / "work" / path).write_text("mine")
    with pytest.raises(InputError, match=rf"\({path}\)"):
        hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    assert (tmp_path / "work" / path).read_text() == "mine"


def test_a_folder_with_a_recipe_of_ones_own_is_no_hand_in(tmp_path, adapter):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "recipe.yml").write_text("mine")
    with pytest.raises(InputError, match=r"\(recipe\.yml\)"):
        hand_in(tmp_path / "work", model=adapter)
    assert (tmp_path / "work" / "recipe.yml").read_text() == "mine"


def test_a_hand_in_that_fails_leaves_the_one_before(tmp_path, adapter, dataset, monkeypatch):
    hand_in(tmp_path / "work", model=adapter, dataset=dataset, **WHO, **LINKS)
    before = {path: path.read_bytes() for path in (tmp_path / "work").rglob("*") if path.is_file()}

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("amazon_titles.handin._addresses", stopped)
    with pytest.raises(KeyboardInterrupt):
        hand_in(tmp_path / "work", model=adapter, dataset=dataset)
    assert {path: path.read_bytes() for path in (tmp_path / "work").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        *(({"video": text}, "--video") for text in ("my video", "http://[", "https://…", "https://...", "http://a:b")),
        *(({"video": text}, "--video") for text in ("https://youtu.be/…", "https://video.example/a b", "https:///x")),
        ({"repository": "github"}, "--repo"),
        ({"language": "fr"}, "'fr'"),
    ],
)
def test_wrong_input_leaves_nothing(tmp_path, adapter, wrong, said):
    with pytest.raises(InputError, match=said):
        hand_in(tmp_path / "work", model=adapter, **wrong)
    with pytest.raises(InputError):
        hand_in(tmp_path / "work", model=tmp_path / "nothing")
    assert not (tmp_path / "work").exists()
