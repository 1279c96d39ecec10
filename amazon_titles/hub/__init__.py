"""Folder ↔ Hub: the only room that writes to it."""

from amazon_titles.hub.adapters import push_adapter_to_hub
from amazon_titles.hub.datasets import push_dataset_to_hub
from amazon_titles.hub.push import PushReport
from amazon_titles.hub.spaces import push_space_to_hub

__all__ = ["PushReport", "push_adapter_to_hub", "push_dataset_to_hub", "push_space_to_hub"]
