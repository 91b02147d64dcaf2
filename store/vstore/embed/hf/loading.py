"""The loading of a recipe's model: its files are proved to be the recipe's, and every weight comes from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.counts import counted, some
from vstore.embed.faults import DOCTOR, is_about_a_file, reason
from vstore.embed.hf import adapters
from vstore.embed.hf.adapters.kinds import leaves_base_whole
from vstore.embed.hf.devices import first_device
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families import family_class
from vstore.embed.hf.families.family import Family, Opened
from vstore.embed.hf.identity import Known, clear_differences, differences, identity_of, is_variation, told
from vstore.embed.hf.kernels import choose_kernels
from vstore.embed.hf.libraries import libraries, quiet
from vstore.embed.hf.loaded import Loaded
from vstore.embed.hf.source.find import find_adapter, find_model
from vstore.embed.hf.source.hub import ONLINE, Hub
from vstore.embed.hf.source.model_folder import ModelFolder, is_stored_in_bf16
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.hf.source.trained_on import Kin, trained_on
from vstore.embed.hf.transformer import TransformerEmbedder
from vstore.embed.model_words import Settings, Words
from vstore.errors import ModelError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.format.recipes import Recipe

# A language model's way from its last state, which is the vector, to the next word: every such checkpoint has it.
_KNOWN_HEADS = frozenset({"lm_head"})


class Files(NamedTuple):
    """The folders of a space's model, proved to hold it.

    folder:      the model.
    adapter:     its adapter, or None.
    is_original: their files are the very ones of the recipe, but for words that say nothing about vectors.
    """

    folder: ModelFolder
    adapter: ModelFolder | None
    is_original: bool


def find_files(known: Known, words: Words, digests: Digests, hub: Hub = ONLINE) -> Files:
    """Find the model of a space, and prove it by its files: they are the recipe's, or hold the same model.

    hub:    the way to the hub in this run.
    Raises: ModelError, naming what differs; DiskTrouble.
    """
    recipe = known.recipe
    if words.model is None:
        raise changed("the model", "its place is unknown", words)
    _refuse_moved(known, words)
    # A forged recipe may leave the digests of its code out.
    runs_code = recipe["family"] == "remote" or "code" in recipe
    folder = find_model(words.model, words.revision, code=runs_code, text=recipe.get("text", True) is not None, hub=hub)
    if runs_code:
        from vstore.embed.hf.families.remote import code_digests

        code_digests(folder, digests)  # they are of the files seen
        # What the store's cache says of them may be forged too: they are read.
        if code_digests(folder, Digests()) != recipe.get("code"):
            why = "its Python code has changed, and the new code is not trusted"
            raise changed(f"the model {words.model}", why, words)
    adapter = None
    if recipe["adapter"] is not None and words.adapter is not None:
        adapter = find_adapter(words.adapter, words.adapter_revision, hub=hub)
    # An adapter may have been merged into its base since.
    without = recipe["adapter"] is not None and adapter is None
    if not without and not differences(recipe, folder, adapter, digests):
        return Files(folder, adapter, is_original=True)
    if known.identity and identity_of(recipe, folder, adapter, digests) == known.identity:
        return Files(folder, adapter, is_original=False)
    if without:
        raise changed("the adapter", "its place is unknown", words._replace(adapter="ADAPTER"))
    found = clear_differences(known, folder, adapter, digests=digests)
    what = f"the adapter {words.adapter}" if all(one.is_adapters for one in found) else f"the model {words.model}"
    # Files that surely hold another model cannot be proved to be the same.
    space = None if any(one.is_sure for one in found) else known.name
    raise changed(what, told(found), words, space)


def _refuse_moved(known: Known, words: Words) -> None:
    """Raises: ModelError if the folder of a space's model or of its adapter is gone."""
    for word in ("model", "adapter"):
        place = getattr(words, word)
        if known.name and place and os.path.isabs(place) and not os.path.exists(place):
            there = Words.from_json({**words.to_json(), word: "DIR"}).command(known.name)
            raise ModelError(
                f"the {word} of the space {known.name!r} is no longer at {place}",
                f"if it has moved, say where it is: {there}",
            )


def family_of_recipe(recipe: Recipe, files: Files) -> Family:
    """Make the family of a recipe, or of a variation of it. Raises: ModelError."""
    return family_class(recipe["family"])(recipe, files.folder)


def load(
    recipe: Recipe,
    words: Words,
    settings: Settings,
    digests: Digests,
    *,
    known: Known | None = None,
    proof: Sequence[Image] = (),
    note: Callable[[str], None] = lambda text: None,
) -> TransformerEmbedder:
    """Load the model of a recipe on the first device of the settings, and prove that it is the recipe's.

    known:  the space of the recipe, or of the one that it varies.
    proof:  pictures for the proof of an adapter: it must change their vectors.
    note:   receives a line for each thing done without being asked for.
    Raises: UsageError, ModelError.
    """
    device = first_device(settings)
    taken = known if known and is_variation(recipe, known.recipe) else Known(recipe)
    files = find_files(taken, words, digests, Hub(settings.offline, note))
    family, folder = family_of_recipe(recipe, files), files.folder
    adapter = None if recipe["adapter"] is None else files.adapter  # a variation may be without it
    compute = words.compute or "fp32"
    with quiet():
        model = load_model(
            folder,
            family.load_options(recipe),
            _dtype_until_merged(folder, adapter, compute),
            cls=family.model_class(recipe),
            open_model=family.open,
            note=note,
        )
        if adapter is not None:
            # On the CPU: the model may be fp32 until the adapter is merged, and too large for the device then.
            here = TransformerEmbedder(family, Loaded(model, "cpu"), Settings("cpu"), compute)
            plain = here.proof(proof) if proof else None
            with _told_of_its_base(adapter, words, recipe, digests):
                adapters.apply(model, adapter, note)
            if plain is not None:
                _require_effect(adapter, adapters.effect_of(here.proof(proof), plain, len(proof)), note)
        on = Loaded(settled(model, compute), device)
        if on.device == "cpu" and not settings.compile:  # torch.compile chooses its own
            choose_kernels(on.model)
        return TransformerEmbedder(family, on, settings, compute)


@contextmanager
def _told_of_its_base(adapter: ModelFolder, words: Words, recipe: Recipe, digests: Digests) -> Iterator[None]:
    """Blame an adapter that does not fit the very base that it names, and not its base."""
    try:
        yield
    except OtherWords as err:
        found = trained_on(words, recipe["weights"], digests)
        if found is None or found.kin is not Kin.SAME:
            raise
        raise ModelError(
            err.message,
            "its base is the one that it names, so its own files do not belong together: copy or download the adapter "
            "again, or name another checkpoint with --adapter",
        ) from err


def _require_effect(adapter: ModelFolder, effect: adapters.Effect, note: Callable[[str], None]) -> None:
    """Raises: ModelError if an adapter changes nothing, or breaks the model."""
    if effect is adapters.Effect.BROKEN:
        raise ModelError(
            f"with the adapter {adapter.name} the model gives numbers that are not finite",
            "its weights are damaged, or its training diverged: copy it again, or take an earlier checkpoint",
        )
    if effect is adapters.Effect.NONE:
        raise ModelError(
            f"the adapter {adapter.name} changes nothing: with it and without it the vectors are the same",
            "name the folder of the trained adapter, or leave --adapter out",
        )
    if effect is adapters.Effect.TEXTS:
        note(
            f"Warning: the adapter {adapter.name} changes no picture: pictures have the vectors of the base, and texts "
            "alone those of the adapter. If it was trained on pictures, its weights for them are lost: copy it again, "
            "or take an earlier checkpoint"
        )


def _dtype_until_merged(folder: ModelFolder, adapter: ModelFolder | None, compute: str) -> Any:
    """Choose the dtype of a model until its adapter is merged: nothing may be rounded before that.

    It is the dtype of the computation. With an adapter bf16 is exact only where the base's files hold bf16
    alone and the adapter brings no biases of the base's own layers; else it is fp32.
    """
    torch, _ = libraries()
    exact = adapter is None or (is_stored_in_bf16(folder) and leaves_base_whole(adapter))
    return torch.bfloat16 if compute == "bf16" and exact else torch.float32


def load_model(
    folder: ModelFolder,
    options: dict[str, Any],
    dtype: torch.dtype,
    *,
    cls: str = "AutoModel",
    open_model: Callable[[ModelFolder, dict[str, Any], torch.dtype, str], Opened] = Family.open,
    note: Callable[[str], None] = lambda text: None,
) -> Any:
    """Load a model, every weight from its files.

    cls:        a class of transformers.
    open_model: makes the model, as `Family.open` does.
    note:       receives a line for weights of the files that the model has no place for, such as a classifier.
    Raises: ModelError if a weight is missing: transformers would make it random without an error.
    """
    try:
        model, info = open_model(folder, options, dtype, cls)
    except ModelError:
        raise
    except Exception as err:
        raise ModelError(
            f"the model {folder.name} cannot be loaded: {reason(err)}",
            "copy or download the model again" if is_about_a_file(err) else DOCTOR,
        ) from err
    _refuse_lost(folder, type(model).__name__, info)
    wrong = {str(value.dtype) for value in model.parameters() if value.is_floating_point() and value.dtype != dtype}
    if wrong:
        raise ModelError(
            f"the model {folder.name} should be loaded as {dtype}, but has {', '.join(sorted(wrong))}",
            "this version of transformers ignores the dtype: see vstore doctor",
        )
    heads = sorted({key.split(".")[0] for key in info["unexpected_keys"]} - _KNOWN_HEADS)
    if heads:
        note(f"{folder.name}: weights without a part in the vector are left out: {', '.join(heads[:5])}")
    return model.eval()


def _refuse_lost(folder: ModelFolder, cls: str, info: Mapping[str, Any]) -> None:
    """Raises: ModelError for a parameter that the files lack, or have in another size: it would be random."""
    for what, keys in (("no weights", info["missing_keys"]), ("weights of another size", info["mismatched_keys"])):
        if keys:
            lost = sorted(str(key[0] if isinstance(key, tuple) else key) for key in keys)
            raise ModelError(
                f"the model {folder.name} has {what} for {counted(len(lost), 'parameter')} of {cls} "
                f"({some(lost)}): they would be random",
                "copy or download the model again, or name one whose files fit its config.json",
            )


def settled(model: Any, compute: str | None) -> Any:
    """Make a model ready to run: in its compute dtype, frozen.

    Tensors from its files get that dtype. Tensors that the model computes when it is made stay in fp32, as transformers
    leaves them: rotary frequencies in bf16 would turn the hundredth token by another angle.
    """
    torch, _ = libraries()
    dtype = torch.bfloat16 if compute == "bf16" else torch.float32
    for module in model.modules():
        for value in module.parameters(recurse=False):
            value.data = value.data.to(dtype)
        for name, value in module.named_buffers(recurse=False):
            if value.is_floating_point() and name not in module._non_persistent_buffers_set:
                setattr(module, name, value.to(dtype))
    return model.eval().requires_grad_(False)


def changed(what: str, why: str, words: Words, space: str | None = None) -> ModelError:
    """Make the error for a model or an adapter of another space.

    words: name the space's model, in the command of the next step.
    space: the name of the space, if the files may hold its model nevertheless.
    """
    same = f"; if these files hold the same model, prove it with: {words.proof_command(space)}" if space else ""
    return ModelError(
        f"{what} is not what the space was made with: {why}",
        f"put the old files back; or run {words.command('NAME')}: with the name of the space and the folders of the "
        f"old files it finds them again, with another name it adds a space of these{same}",
    )
