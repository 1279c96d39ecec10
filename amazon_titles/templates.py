"""Chat templates: messages become the text that is trained on and the text that a question is sent as.

One renderer serves both, so that what training saw and what inference sends agree to the token. The same template as
Jinja travels with the adapter's tokenizer, for whoever loads it without this library; a test holds the two equal.

No template here has a clock. Llama 3.2's own writes today's date into the system block (`strftime_now`), so rows that
are rendered today and questions that are asked tomorrow would differ; Llama 3's, which this follows, has no date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amazon_titles.errors import InputError

Message = Mapping[str, str]
"""`{"role": "system" | "user" | "assistant", "content": text}`, as `datasets`, TRL and `transformers` spell it."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """How one family of models writes a conversation.

    Attributes:
        name: As in `--render` and in the config `text-<name>`.
        bos: What stands once before everything ("" for none). Tokenizers of the family write it themselves.
        header: Before a message; `{role}` is filled in.
        end: The end-of-turn token, which is also the tokenizer's EOS.
        separator: Between a turn's end and the next header.
        special: Matches every string that the family's tokenizers read as a special token.
        jinja: The same for `tokenizer.chat_template`.
    """

    name: str
    bos: str
    header: str
    end: str
    separator: str
    special: re.Pattern[str]
    jinja: str

    def escape(self, text: str) -> str:
        """Breaks what the tokenizer would read as a special token: user text is text.

        A space after the opening `<` is enough, and leaves the text readable. Escaping twice changes nothing.
        """
        return self.special.sub("< ", text) if "<" in text else text

    def prompt(self, messages: Sequence[Message]) -> str:
        """The text that asks for an answer, without BOS: the tokenizer adds it when it encodes."""
        return self._turns(messages) + self.header.format(role="assistant")

    def training_text(self, messages: Sequence[Message]) -> str:
        """The text of a training row, without the leading BOS and without the last end-of-turn.

        AutoTrain tokenises it with special tokens (one BOS) and its packing appends EOS (one end-of-turn); given either
        here it would stand twice.
        """
        return self._turns(messages).removesuffix(self.end + self.separator)

    def _turns(self, messages: Sequence[Message]) -> str:
        # Split once instead of formatted for every message: a build renders millions of them.
        opening, closing = self.header.split("{role}")
        tail = self.end + self.separator
        return "".join(
            [
                f"{opening}{message['role']}{closing}{self.escape(message['content'].strip())}{tail}"
                for message in messages
            ]
        )


def _jinja(bos: str, header: str, end: str, separator: str, broken: str) -> str:
    before, after = header.split("{role}")
    return (
        "{% for message in messages %}"
        + ("{% if loop.first %}{{ bos_token }}{% endif %}" if bos else "")
        + f"{{{{ {before!r} + message['role'] + {after!r} "
        + f"+ (message['content'] | trim){broken} + {end + separator!r} }}}}"
        + "{% endfor %}"
        + f"{{% if add_generation_prompt %}}{{{{ {before + 'assistant' + after!r} }}}}{{% endif %}}"
    )


_LLAMA3 = ("<|begin_of_text|>", "<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>", "")
_CHATML = ("", "<|im_start|>{role}\n", "<|im_end|>", "\n")

# SmolLM2's tokenizer has special tokens without bars, for code: from its tokenizer_config.json.
_SMOLLM2_TOKENS = (
    "repo_name>", "reponame>", "file_sep>", "filename>", "gh_stars>", "issue_start>", "issue_comment>", "issue_closed>",
    "jupyter_start>", "jupyter_text>", "jupyter_code>", "jupyter_output>", "jupyter_script>", "empty_output>",
)  # fmt: skip

TEMPLATES: dict[str, ChatTemplate] = {
    "llama3": ChatTemplate(
        "llama3", *_LLAMA3, special=re.compile(r"<(?=\|)"), jinja=_jinja(*_LLAMA3, broken=" | replace('<|', '< |')")
    ),
    "chatml": ChatTemplate(
        "chatml",
        *_CHATML,
        special=re.compile(r"<(?=\||" + "|".join(_SMOLLM2_TOKENS) + ")"),
        jinja=_jinja(
            *_CHATML,
            broken="".join(f" | replace('<{t}', '< {t}')" for t in ("|", *_SMOLLM2_TOKENS)),
        ),
    ),
}
"""Every template by name."""


def get_template(name: str) -> ChatTemplate:
    """The template called `name`.

    Raises:
        InputError: No such template.
    """
    try:
        return TEMPLATES[name]
    except KeyError:
        raise InputError(f"No chat template {name!r}.", hint=f"Choose one of: {', '.join(TEMPLATES)}.") from None


def template_of_config(config_name: str) -> ChatTemplate | None:
    """The template of a dataset config such as `text-llama3`; None for a config that is not rendered text."""
    return TEMPLATES.get(config_name.removeprefix("text-")) if config_name.startswith("text-") else None
