"""Fills `hub_cards/`: the documents that travel with a dataset and an adapter."""

from __future__ import annotations

from amazon_titles.cards.dataset import dataset_card
from amazon_titles.cards.licences import Licence, licence_of
from amazon_titles.cards.model import model_card

__all__ = ["Licence", "dataset_card", "licence_of", "model_card"]
