"""The clean products of a catalogue, one after the other, as each block of its lines gives them."""

from amazon_titles.catalog import Counts, Reader, open_source


def read_products(source, *, counts=None, **options):
    reader = Reader(**options)
    with open_source(source) as opened:
        for block in opened.blocks():
            yield from reader.read(block, counts if counts is not None else Counts())[0]
