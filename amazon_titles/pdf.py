"""Markdown as a PDF on A4 pages: by fpdf2, in matplotlib's DejaVu Sans, which has Latin, Greek and Cyrillic letters."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from amazon_titles.errors import require

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

_MARGIN, _LINE = 18, 4.8  # mm
_SIZE, _SMALL, _HEADINGS = 9.5, 7.5, {1: 19, 2: 13.5, 3: 11}  # points
_INK, _LINK, _PALE, _RULE = (36, 41, 47), (6, 69, 173), (240, 242, 245), (190, 196, 202)
_WIDEST, _NARROWEST, _LONGEST_WORD = 60, 5, 22  # characters by which the columns of a table share its width
_WORD_MM = 2.1  # a character of a table, bold or monospaced, with what the columns give to each other
_CHARS_A_MM = 30  # of a column: more text than this would not fit a page, and a row is not broken
_KEPT_MM = 35  # a heading is never the last of a page


def write_pdf(path: Path, markdown: str, folder: Path, *, title: str, language: str) -> None:
    """Writes a PDF with numbered pages; each heading of the first level begins a page, and all stand in its outline.

    A paragraph that is an address alone, `<https://…>`, stands on one line whatever its length, so that it can be
    copied. A picture is never higher than a page.

    Args:
        path: Of the PDF.
        markdown: CommonMark with tables; what it holds besides is left out.
        folder: That the paths of its images start from.
        title: For the reader's window.
        language: `en` or `pt`.

    Raises:
        MissingExtraError: fpdf2 or matplotlib is not installed.
    """
    require("model", "fpdf", "matplotlib")
    import matplotlib
    from fpdf import FPDF
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    class Document(FPDF):  # type: ignore[misc, unused-ignore]
        def footer(self) -> None:
            self.set_y(-12)
            self.set_font("DejaVu", size=8)
            self.cell(0, 5, str(self.page_no()), align="C")

    for name in ("fpdf", "fontTools"):  # a letter that the font lacks is a box, and no reason to fail
        logging.getLogger(name).setLevel(logging.ERROR)
    pdf = Document()
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for style, file in (("", ""), ("B", "-Bold"), ("I", "-Oblique"), ("BI", "-BoldOblique")):
        pdf.add_font("DejaVu", style, fonts / f"DejaVuSans{file}.ttf")
        pdf.add_font("Mono", style, fonts / f"DejaVuSansMono{file}.ttf")
    pdf.set_title(title)
    pdf.set_lang({"pt": "pt-BR"}.get(language, language))
    pdf.set_margin(_MARGIN)
    pdf.set_auto_page_break(True, _MARGIN)
    for node in SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(markdown)).children:
        _block(pdf, node, folder)
    pdf.output(str(path))


def _block(pdf: Any, node: SyntaxTreeNode, folder: Path) -> None:  # noqa: ANN401 - fpdf2's, which may be missing
    pdf.set_text_color(*_INK)
    if node.type == "heading":
        level = int(node.tag[1])
        if level == 1 or not pdf.page or pdf.will_page_break(_KEPT_MM):
            pdf.add_page()
        pdf.ln(0 if level == 1 else 2)
        pdf.set_font("DejaVu", "B", _HEADINGS[level])
        pdf.start_section(_text(node), level - 1)
        pdf.multi_cell(0, _HEADINGS[level] * 0.5, _text(node), align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(2)
    elif node.type in ("fence", "code_block"):
        pdf.set_font("Mono", size=_SMALL)
        pdf.set_fill_color(*_PALE)
        pdf.multi_cell(0, 3.7, node.content.rstrip(), align="L", fill=True, new_x="LMARGIN", new_y="NEXT")
        pdf.ln(3)
    elif node.type == "table":
        _table(pdf, node)
    elif node.type in ("blockquote", "bullet_list", "list_item"):
        pdf.set_left_margin(_MARGIN + 5)
        for child in node.children:
            if child.type == "list_item":
                pdf.set_font("DejaVu", size=_SIZE)
                pdf.set_x(_MARGIN + 1)
                pdf.cell(4, _LINE, "•")
            _block(pdf, child, folder)
        pdf.set_left_margin(_MARGIN)
        pdf.set_x(_MARGIN)
    elif node.type == "paragraph":
        _paragraph(pdf, node, folder)


def _paragraph(pdf: Any, node: SyntaxTreeNode, folder: Path) -> None:  # noqa: ANN401
    runs = list(_runs(node))
    for image in (child for child in node.children[0].children if child.type == "image"):
        picture = folder / str(image.attrs["src"])
        with Image.open(picture) as opened:
            width = min(pdf.epw, pdf.eph * opened.width / opened.height)
        pdf.image(picture, w=width, alt_text=_text(image))
    if len(runs) == 1 and runs[0][3]:
        address, _, _, link = runs[0]
        pdf.set_font("Mono", size=_SIZE)
        pdf.set_font_size(min(_SIZE, _SIZE * (pdf.epw - 3) / pdf.get_string_width(address)))
        pdf.set_text_color(*_LINK)
        pdf.cell(0, _LINE, address, link=link)
        runs = []
    for text, style, font, link in runs:
        pdf.set_font(font, style, _SIZE if font == "DejaVu" else _SIZE - 1)
        pdf.set_text_color(*(_LINK if link else _INK))
        # fpdf2 would break a word of another font where the line ends.
        if pdf.x > pdf.l_margin and pdf.x + pdf.get_string_width(text.split(" ")[0]) > pdf.w - pdf.r_margin:
            pdf.ln(_LINE)
        pdf.write(_LINE, text, link)
    pdf.ln(_LINE + 2)


def _table(pdf: Any, node: SyntaxTreeNode) -> None:  # noqa: ANN401
    from fpdf.fonts import FontFace

    rows = [row.children for part in node.children for row in part.children]
    columns = list(zip(*([_text(cell) for cell in row] for row in rows), strict=True))
    shares: list[float] = [max(_NARROWEST, *(min(len(text), _WIDEST) for text in column)) for column in columns]
    # No column is narrower than its longest word, up to a length that words of a language seldom have.
    words = [max(min(len(word), _LONGEST_WORD) for word in " ".join(column).split() or [""]) for column in columns]
    shares = [max(share, word * _WORD_MM * sum(shares) / pdf.epw) for share, word in zip(shares, words, strict=True)]
    most = [int(pdf.epw * share / sum(shares) * _CHARS_A_MM) for share in shares]
    pdf.set_draw_color(*_RULE)
    headed = any(map(_text, rows[0]))
    pdf.set_font("DejaVu", size=_SMALL)
    options = {"borders_layout": "HORIZONTAL_LINES", "v_align": "TOP", "padding": 0.8, "line_height": 3.7}
    head = FontFace(emphasis="BOLD", fill_color=_PALE)
    with pdf.table(col_widths=shares, first_row_as_headings=headed, headings_style=head, **options) as table:
        for cells in rows if headed else rows[1:]:
            row = table.row()
            for cell, chars in zip(cells, most, strict=True):
                runs, text = list(_runs(cell)), _text(cell)
                bold = "BOLD" if runs and all("B" in style for _, style, _, _ in runs) else None
                mono = "Mono" if runs and all(font == "Mono" for _, _, font, _ in runs) else None
                link = next((address for _, _, _, address in runs if address), None)
                face = FontFace(family=mono, emphasis=bold, color=_LINK if link else None)
                align = str(cell.attrs.get("style", "left")).rpartition(":")[2].upper()
                row.cell(text if len(text) <= chars else text[:chars] + "…", align=align, style=face, link=link)
    pdf.ln(4)


def _runs(node: SyntaxTreeNode, style: str = "", link: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Pieces of text: each with the letters of its style, its font, and where it leads."""
    for child in node.children:
        if child.type in ("text", "code_inline"):
            if child.content:  # beside bold ones stand empty texts
                yield child.content, style, "Mono" if child.type == "code_inline" else "DejaVu", link
        elif child.type in ("softbreak", "hardbreak"):
            yield " " if child.type == "softbreak" else "\n", style, "DejaVu", link
        elif child.type != "image":
            letter = {"strong": "B", "em": "I"}.get(child.type, "")
            yield from _runs(child, style + letter, str(child.attrs.get("href", link)) if child.attrs else link)


def _text(node: SyntaxTreeNode) -> str:
    return "".join(text for text, *_ in _runs(node)).strip()
