"""Effective values of a model's files: what they say about vectors, however it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vstore.embed.hf.source.model_folder import canonical_config

# Words of config.json that say nothing about a vector: labels of heads, forms of outputs, training, and the settings of
# text generation, which older versions of transformers wrote into every part of a configuration.
_IDLE_CONFIG = (
    frozenset(
        ["use_cache", "id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "task_specific_params"]
    )
    | frozenset(["output_attentions", "output_hidden_states", "output_scores", "output_logits", "return_dict"])
    | frozenset(["return_dict_in_generate", "use_return_dict", "torchscript", "gradient_checkpointing"])
    | frozenset(["chat_template", "tokenizer_class", "processor_class", "_attn_implementation_autoset"])
    | frozenset(["max_length", "min_length", "max_new_tokens", "do_sample", "early_stopping", "num_beams"])
    | frozenset(["num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p", "typical_p"])
    | frozenset(["repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size"])
    | frozenset(["bad_words_ids", "num_return_sequences", "forced_bos_token_id", "forced_eos_token_id"])
    | frozenset(["remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens"])
    | frozenset(["begin_suppress_tokens", "prefix", "tie_word_embeddings"])
)
# Values of every configuration, which versions of transformers write out or leave out: they say nothing as they are.
_USUAL: dict[str, Any] = {
    "add_cross_attention": False,
    "chunk_size_feed_forward": 0,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "pruned_heads": {},
    "tf_legacy_loss": False,
    "tie_encoder_decoder": False,
    "use_bfloat16": False,
}
# Words of a processor that say nothing about the numbers that it makes of an RGB picture.
_IDLE_PROCESSOR = frozenset(
    ["return_tensors", "data_format", "input_data_format", "device", "disable_grouping", "do_convert_rgb", "use_fast"]
) | frozenset(["processor_class", "_processor_class", "image_processor_type", "feature_extractor_type", "auto_map"])
# Step of a processor -> its values, which say nothing where it is left out.
_STEPS = {
    "do_center_crop": ("crop_size",),
    "do_normalize": ("image_mean", "image_std"),
    "do_rescale": ("rescale_factor",),
    "do_resize": ("resample",),
    "do_pad": ("pad_size",),
}
# Parts of tokenizer.json that say nothing about the ids of a text: padding and length are given with each text.
_IDLE_TOKENIZER = frozenset(["version", "truncation", "padding", "decoder"])
# Words of tokenizer_config.json that say nothing about them.
_IDLE_SETTINGS = (
    frozenset(["chat_template", "response_schema", "model_max_length", "clean_up_tokenization_spaces"])
    | frozenset(["processor_class", "name_or_path", "_name_or_path", "tokenizer_file", "special_tokens_map_file"])
    | frozenset(["transformers_version", "is_local", "local_files_only", "backend", "device_map", "max_length"])
    | frozenset(["pad_to_multiple_of", "use_fast"])
)


def config_values(config: dict[str, Any]) -> dict[str, Any]:
    """Give the values of a configuration that decide a vector, the defaults of its class filled in.

    Of a class that transformers does not have, whose code may read any word, all words count.
    """
    from vstore.embed.hf.libraries import libraries, quiet

    _, transformers = libraries()
    name, classes = str(config.get("model_type")), transformers.CONFIG_MAPPING
    values = canonical_config(config)
    if name in classes:
        try:
            with quiet():
                values = canonical_config(classes[name].from_dict(config).to_dict())
        except Exception:  # of other people's checks: such values are compared as they are written
            values = canonical_config(config)
        values = _counting(values)
    found: dict[str, Any] = json.loads(json.dumps(values))
    return found


def _counting(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            str(name): _counting(inner)
            for name, inner in value.items()
            if inner is not None and name not in _IDLE_CONFIG and (name not in _USUAL or inner != _USUAL[name])
        }
    return [_counting(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def processor_values(values: dict[str, Any]) -> dict[str, Any]:
    """Give the values of a recipe's processor that decide the numbers of a picture."""
    idle = {name for step, names in _STEPS.items() if step in values and not values[step] for name in names}
    return {
        name: value
        for name, value in values.items()
        if value is not None and name not in _IDLE_PROCESSOR and name not in idle
    }


def tokenizer_values(folder: Path) -> dict[str, Any] | None:
    """Give what decides the ids of a text: the parts of tokenizer.json, and the settings beside it.

    Returns: None where there is no tokenizer.json, or a file is not valid: its files decide then, byte by byte.
    """
    try:
        own = json.loads((folder / "tokenizer.json").read_bytes())
        settings: dict[str, Any] = {}
        for name in ("special_tokens_map.json", "tokenizer_config.json"):  # the latter says the same things, and more
            if (folder / name).is_file():
                settings |= json.loads((folder / name).read_bytes())
        parts = {name: value for name, value in own.items() if name not in _IDLE_TOKENIZER}
        if (own.get("truncation") or {}).get("direction", "Right") != "Right":
            parts["truncation"] = own["truncation"]["direction"]  # which end of a long text is left
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    kept = {name: value for name, value in settings.items() if value is not None and name not in _IDLE_SETTINGS}
    return {"parts": parts, "settings": kept}
