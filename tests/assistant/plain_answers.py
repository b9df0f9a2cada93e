"""What the model says when it is asked in the plainest way: the reference of every faster one."""

import torch

from gar.processing import Message
from gar.processing.prompts import DESCRIBE, one_of_several


def plainly(assistant, picture, text, regions, prompts, new=8):
    """The model's own `generate`, one sample, everything computed anew."""
    processor, model = assistant.processor, assistant.model
    inputs = processor([picture], [text], [regions], [prompts])
    options = {"max_new_tokens": new, "do_sample": False, "pad_token_id": processor.tokenizer.pad_token_id}
    ids = model.generate(**inputs, **options)[0, inputs["input_ids"].shape[1] :].tolist()
    return _words(processor.tokenizer, ids)


def shared_plainly(assistant, picture, regions, number, new=8):
    """A description in the shared way, with the published training wording, nothing shared.

    All regions are in the mask and in the list; only the described one has crop tokens. So its features are put in by
    hand, as `generate` asks for crop tokens of every region.
    """
    processor, model = assistant.processor, assistant.model
    prompts = range(len(regions))
    asked = one_of_several(DESCRIBE, number, prompts, processor.crop_tokens)
    text = processor.chat_text([Message("user", asked)])
    inputs = processor([picture], [text], [regions], [prompts])
    ids = inputs.pop("input_ids")
    inputs.pop("attention_mask")
    with torch.no_grad():
        features = model.model.get_region_features(**inputs)
        features.replay = features.replay[number : number + 1]
        embeds = model.model.embed(ids, features, inputs["region_index"][number : number + 1])
    written = model.generate(
        inputs_embeds=embeds,
        prompt_features=features.prompts,
        max_new_tokens=new,
        do_sample=False,
        pad_token_id=processor.tokenizer.pad_token_id,
    )[0].tolist()
    return _words(processor.tokenizer, written)


def _words(tokenizer, ids):
    """What stands before the end token."""
    end = tokenizer.eos_token_id
    return tokenizer.decode(ids[: ids.index(end)] if end in ids else ids).strip()
