"""`python -m amazon_titles`."""

from amazon_titles.cli import main

main()
