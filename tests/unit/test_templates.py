"""Templates: one renderer, no clock, and user text that stays text."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_titles.errors import InputError
from amazon_titles.templates import TEMPLATES, get_template, template_of_config

ANY = pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.name)
# Text with pieces of markup in it, so that the interesting cases are common.
texts = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(["<|", "<|eot_id|>", "<|im_end|>", "<", "|", "<repo_name>", "filename>", "< ", "{{ 1 }}"]),
    ),
    max_size=8,
).map("".join)


def render_jinja(template, messages, **kwargs):
    environment = jinja2.Environment()
    return environment.from_string(template.jinja).render(messages=messages, bos_token=template.bos, **kwargs)


@ANY
@given(question=texts, answer=texts)
def test_the_jinja_form_says_the_same(template, question, answer):
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    whole = template.bos + template.training_text(messages) + template.end + template.separator
    assert render_jinja(template, messages) == whole
    prompt = render_jinja(template, messages[:1], add_generation_prompt=True)
    assert prompt == template.bos + template.prompt(messages[:1])
    assert whole.startswith(prompt), "a training row does not begin as the question is asked"


@ANY
@given(text=texts)
def test_user_text_holds_no_special_token(template, text):
    escaped = template.escape(text)
    assert "<|" not in escaped
    assert not template.special.search(escaped)
    assert template.escape(escaped) == escaped
    assert escaped.replace("< ", "<") == text.replace("< ", "<"), "more than a space was changed"


@ANY
def test_a_training_row_has_neither_bos_nor_the_last_end_of_turn(template):
    text = template.training_text([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])
    assert not template.bos or template.bos not in text
    assert text.endswith("a")
    assert text.count(template.end) == 1


def test_names():
    assert template_of_config("text-llama3") is get_template("llama3")
    assert template_of_config("chat") is None
    with pytest.raises(InputError, match="No chat template 'zephyr'"):
        get_template("zephyr")
