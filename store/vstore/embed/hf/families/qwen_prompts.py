"""Prompts of Qwen's vision-language models: the templates of pictures and of searched texts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from vstore.embed.faults import reason
from vstore.embed.hf.families.presets import Preset
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.model_words import Words
from vstore.errors import ModelError

PAD = "<|image_pad|>"
PICTURE = f"<|vision_start|>{PAD}<|vision_end|>"
# What the chat templates of these models make of one user turn with a picture and the text of --prompt. Those of
# Qwen2-VL and Qwen2.5-VL begin with this system turn where the user wrote none, that of Qwen3-VL with nothing.
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
TURNS = f"<|im_start|>user\n{PICTURE}%s<|im_end|>\n<|im_start|>assistant\n"
_QUERY = "<|im_start|>system\n%s<|im_end|>\n<|im_start|>user\n%%s<|im_end|>\n<|im_start|>assistant\n"
_SPECIAL = re.compile(r"<\|\w+\|>")


class Templates(NamedTuple):
    """The templates of a space.

    picture: of a picture: the whole prompt, with one image token in it.
    query:   of a searched text, which stands at `%s`.
    joined:  the text is tokenised together with the words beside it.
    """

    picture: str
    query: str
    joined: bool


def system_of(model_type: str) -> str:
    """Choose the system turn that the chat template of a type begins with by itself."""
    return "" if model_type == "qwen3_vl" else SYSTEM


def prompt_of_before(recipe: Mapping[str, Any], words: Words) -> str | None:
    """Find the whole prompt of a space that its words gave before, and do not give now; None where they still do."""
    template = SYSTEM + TURNS % (words.prompt or "")
    before = recipe.get("model_type") == "qwen3_vl" and words.preset is None and recipe.get("prompt") == template
    return template if before else None


def templates(prompt: str, query_prompt: str | None, default: str, ending: str = "") -> Templates:
    """Write the templates for --prompt and --query-prompt: a text each, or a whole template, which is taken as it is.

    default: the template of pictures around a plain prompt, which is in it.
    ending:  the special tokens that the model's tokenizer adds to every text.
    Raises:  ModelError for a template that holds no picture or no text, or several, or marks of turns without one.
    """
    _refuse_marks(prompt)
    picture = prompt if PAD in prompt else default + ending
    if picture.count(PAD) != 1:
        raise ModelError(
            f"the prompt holds the picture {picture.count(PAD)} times",
            f"leave {PICTURE} out of --prompt, or write a whole template that holds it once",
        )
    if query_prompt is None:
        place = PICTURE if PICTURE in picture else PAD
        return Templates(picture, picture.replace(place, "%s"), joined=False)
    if "%s" in query_prompt:
        return Templates(picture, _whole_query(query_prompt), joined=True)
    return Templates(picture, _QUERY % _plain(query_prompt).strip() + ending, joined=True)


def preset_templates(preset: Preset, query_prompt: str | None, ending: str) -> Templates:
    """Write the templates of a preset: --query-prompt is its instruction, or a whole template.

    Raises: ModelError.
    """
    if query_prompt is not None and "%s" in query_prompt:
        return Templates(preset.picture + ending, _whole_query(query_prompt), joined=True)
    query = preset.query_with(None if query_prompt is None else _plain(query_prompt))
    return Templates(preset.picture + ending, query + ending, joined=True)


def own_template(folder: ModelFolder, tokenizer: Any, prompt: str) -> str | None:
    """Render the model's own chat template for one user turn with a picture and a text; None if it has none.

    Raises: ModelError if it cannot be rendered, or holds no picture.
    """
    chat = tokenizer.chat_template or _saved_by_processor(folder)
    if chat is None:
        return None
    content: list[dict[str, str]] = [{"type": "image"}]
    if prompt:
        content.append({"type": "text", "text": prompt})
    try:
        rendered: str = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], chat_template=chat, add_generation_prompt=True, tokenize=False
        )
    except Exception as err:
        raise ModelError(
            f"the chat template of {folder.name} cannot be used: {reason(err)}",
            f"write the whole prompt with --prompt, with {PICTURE} in the picture's place",
        ) from err
    if rendered.count(PAD) != 1:
        raise ModelError(
            f"the chat template of {folder.name} holds the picture {rendered.count(PAD)} times",
            f"write the whole prompt with --prompt, with {PICTURE} in the picture's place",
        )
    return rendered


def added_at_the_end(tokenizer: Any) -> str:
    """Find the special tokens that a tokenizer adds after every text, as that of Qwen3-VL-Embedding does."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    start = next((at for at in range(len(whole)) if whole[at : at + len(plain)] == plain), 0)
    tokens: list[str] = tokenizer.convert_ids_to_tokens(whole[start + len(plain) :])
    return "".join(tokens)


def parts(template: str) -> tuple[str, str, str, str]:
    """Split the template of searched texts for a joined text.

    Returns: what comes up to the last special token before the text, the words between it and the text, the words
             after the text, and what comes from the next special token on.
    """
    before, after = template.split("%s", 1)
    cut = max((found.end() for found in _SPECIAL.finditer(before)), default=0)
    first = _SPECIAL.search(after)
    end = len(after) if first is None else first.start()
    return before[:cut], before[cut:], after[:end], after[end:]


def _refuse_marks(prompt: str) -> None:
    """Raises: ModelError for a text of --prompt that is neither plain words nor the template of a picture."""
    if "%s" in prompt:
        raise ModelError(
            "the prompt holds %s, which stands for a searched text, and there is none beside a picture",
            "leave %s out of --prompt; the template of searches is --query-prompt",
        )
    found = _SPECIAL.search(prompt)
    if found is not None and PAD not in prompt:
        raise ModelError(
            f"the prompt holds special tokens ({found[0]}), and no place for the picture: they would stand within the "
            "turn that is written around a plain text",
            f"write the whole template, with {PICTURE} in the picture's place, or a text without special tokens",
        )


def _whole_query(text: str) -> str:
    if text.count("%s") != 1 or PAD in text:
        raise ModelError(
            "the query prompt is a whole template, and does not hold the searched text exactly once",
            "write %s once in it, where the text stands, and no picture",
        )
    return text


def _plain(text: str) -> str:
    if _SPECIAL.search(text):
        raise ModelError(
            "the query prompt holds special tokens, and no place for the searched text",
            "write the whole template, with %s where the text stands, or a plain instruction",
        )
    return text


def _saved_by_processor(folder: ModelFolder) -> str | None:
    """Read chat_template.json, in which processors of transformers 4 saved it: tokenizers do not read it."""
    try:
        value = json.loads((folder.path / "chat_template.json").read_bytes())
    except (OSError, ValueError):
        return None
    found = value.get("chat_template") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def saved_query_prompt(folder: ModelFolder) -> str | None:
    """Read the prompt of searches that a model's files for sentence-transformers name; None if they name none."""
    try:
        value = json.loads((folder.path / "config_sentence_transformers.json").read_bytes())
        found = value["prompts"]["query"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and found.strip() else None
