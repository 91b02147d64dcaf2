"""A tiny random CLIP with a LoRA adapter, saved as trainers do: the smallest on which a whole installation is tried."""

from __future__ import annotations

from pathlib import Path

from vstore.embed.hf.libraries import quiet

_TOWER = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
_TOKENS = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}


def save_tiny(top: Path) -> tuple[Path, Path]:
    """Save a model and an adapter of it into two folders. Returns: their paths. Raises: whatever the libraries do."""
    import peft
    import torch
    import transformers

    model, adapter = top / "model", top / "adapter"
    with quiet():
        _save_tokenizer(model)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            base = transformers.CLIPModel(
                transformers.CLIPConfig(
                    text_config={**_TOWER, "vocab_size": 300, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
                    vision_config={**_TOWER, "image_size": 16, "patch_size": 8},
                    projection_dim=8,
                )
            )
            base.save_pretrained(model)
            tuned = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
            with torch.no_grad():
                for name, value in tuned.named_parameters():
                    if "lora_" in name:  # large, as an adapter without an effect is refused
                        value.copy_(torch.randn(value.shape))
            tuned.save_pretrained(adapter, save_embedding_layers=False)  # else peft may ask the hub about the base
        transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
        ).save_pretrained(model)
    return model, adapter


def _save_tokenizer(folder: Path) -> None:
    """Save a tokenizer of single bytes, with the special tokens of CLIP round each text."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    words = [*dict.fromkeys(_TOKENS.values()), *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    begin, end = _TOKENS["bos_token"], _TOKENS["eos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(token, words.index(token)) for token in (begin, end)]
    )
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **_TOKENS).save_pretrained(folder)
