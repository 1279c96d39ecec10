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
from functools import cached_property

from amazon_titles.errors import InputError

Message = Mapping[str, str]
"""`{"role": "system" | "user" | "assistant", "content": text}`, as `datasets`, TRL and `transformers` spell it."""


@dataclass(frozen=True)
class ChatTemplate:
    """How one family of models writes a conversation.

    Attributes:
        name: As in `--render` and in the config `text-<name>`.
        bos: What stands once before everything ("" for none). Tokenizers of the family write it themselves.
        header: Before a message; `{role}` is filled in.
        end: The end-of-turn token, which is also the tokenizer's EOS.
        separator: Between a turn's end and the next header.
        begins: What makes a `<` the beginning of a special token of the family's tokenizers, where it follows.
    """

    name: str
    bos: str
    header: str
    end: str
    separator: str
    begins: tuple[str, ...]

    @cached_property
    def special(self) -> re.Pattern[str]:
        """Matches a `<` with which the family's tokenizers begin to read a special token."""
        return re.compile(f"<(?={'|'.join(map(re.escape, self.begins))})")

    @cached_property
    def _header(self) -> list[str]:
        return self.header.split("{role}")

    @cached_property
    def jinja(self) -> str:
        """The same template for `tokenizer.chat_template`."""
        before, after = self._header
        # Split and joined, because not every program that renders a template has the filter `replace`:
        # onnxruntime-genai has none.
        broken = "".join(f"{{% set text = text.split('<{begin}') | join('< {begin}') %}}" for begin in self.begins)
        return (
            "{% for message in messages %}"
            + ("{% if loop.first %}{{ bos_token }}{% endif %}" if self.bos else "")
            + f"{{% set text = message['content'] | trim %}}{broken}"
            + f"{{{{ {before!r} + message['role'] + {after!r} + text + {self.end + self.separator!r} }}}}"
            + "{% endfor %}"
            + f"{{% if add_generation_prompt %}}{{{{ {before + 'assistant' + after!r} }}}}{{% endif %}}"
        )

    @cached_property
    def ollama(self) -> str:
        """The same template in Go's language, for a Modelfile's TEMPLATE: Ollama reads no Jinja, and writes BOS itself.

        Go has no filter that would trim or break what a message says. By Ollama's docs/template.mdx.
        """
        before, after = self.header.split("{role}")
        turn = f"{before}{{{{ .Role }}}}{after}{{{{ .Content }}}}{self.end}{self.separator}"
        return f"{{{{- range .Messages }}}}{turn}{{{{ end }}}}{before}assistant{after}"

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
        opening, closing = self._header
        tail, escape = self.end + self.separator, self.escape
        return "".join(
            [f"{opening}{turn['role']}{closing}{escape(turn['content'].strip())}{tail}" for turn in messages]
        )


# SmolLM2's tokenizer has special tokens without bars, for code: from its tokenizer_config.json.
_SMOLLM2_TOKENS = (
    "repo_name>", "reponame>", "file_sep>", "filename>", "gh_stars>", "issue_start>", "issue_comment>", "issue_closed>",
    "jupyter_start>", "jupyter_text>", "jupyter_code>", "jupyter_output>", "jupyter_script>", "empty_output>",
)  # fmt: skip
_LLAMA3_HEADER = "<|start_header_id|>{role}<|end_header_id|>\n\n"

TEMPLATES: dict[str, ChatTemplate] = {
    "llama3": ChatTemplate("llama3", "<|begin_of_text|>", _LLAMA3_HEADER, "<|eot_id|>", "", ("|",)),
    "chatml": ChatTemplate("chatml", "", "<|im_start|>{role}\n", "<|im_end|>", "\n", ("|", *_SMOLLM2_TOKENS)),
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
