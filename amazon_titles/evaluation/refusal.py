"""Whether an answer refuses: in our words, or in the words that models use of their own accord.

A base model has never seen our sentence. Counted by that sentence alone it would never refuse, and the fine-tuning
would be credited with an honesty that the base had in other words. Of 482 real descriptions none is taken for one.
"""

from __future__ import annotations

import re

from amazon_titles.conversations import is_abstention

# A refusal comes first: further on, such words belong to a description.
_OPENING = 200

_ENGLISH = (
    r"\b(?:i|we)(?: a|')m (?:\w+ )?(?:not (?:\w+ )?(?:aware|familiar|sure|certain|able)|unable)\b",
    r"\b(?:i|we) (?:\w+ )?(?:do not|don't|did not|didn't|cannot|can't|can not|could not|couldn't|was not able to"
    r"|wasn't able to|was unable to)(?: \w+){0,3}? (?:know|have|find|locate|recall|recogni[sz]e|identify|confirm|verify"
    r"|provide|see)\b",
    r"\b(?:there is|there's|there are|i have|i've|i see|i found|i find) (?:no|not any)(?: \w+){0,3}? (?:information"
    r"|records?|data|knowledge|products?|entry|entries|mention|details|evidence|items?|titles?)\b",
    r"\bno(?: \w+){0,2} information(?: \w+){0,2}? (?:about|on|regarding|available)\b",
    r"\b(?:does not|doesn't|do not|don't|may not|might not) (?:appear to |seem to |actually )?exist\b",
    r"\bnot (?:\w+ )?(?:listed|found|included|mentioned|present|described) (?:in|among) (?:the|this|these|any|our|my)"
    r"\b",
    r"\b(?:cannot|can't|could not|couldn't) be found\b",
    r"\bnone of (?:the|these|those) (?:\w+ )?(?:products|items|titles|passages|descriptions)\b",
    r"\bnot (?:a|an) (?:real|known|existing|actual) (?:product|item|title|book)\b",
)
_PORTUGUESE = (
    r"\bnão (?:\w+ )?(?:tenho|temos|encontrei|encontro|conheço|sei|possuo|consegui|consigo|localizei|disponho|reconheço"
    r"|foi possível|existe|existem|há|consta|está (?:listado|no catálogo))\b",
    r"\bdesconheço\b",
    r"\bnenhum(?:a)? (?:dos |das |desses |destes )?(?:produtos?|informaç(?:ão|ões)|registros?|itens?|títulos?)\b",
)
_REFUSAL = re.compile("|".join((*_ENGLISH, *_PORTUGUESE)), re.IGNORECASE)


def refuses(answer: str) -> bool:
    """Whether an answer says that it does not know, in its first 200 characters or anywhere in our own words."""
    return is_abstention(answer) or _REFUSAL.search(answer[:_OPENING].replace("’", "'")) is not None
