"""What the model says when it is asked in the plainest way: the reference of every faster one."""

import torch
from hypothesis import assume, currently_in_test_context

from gar.processing import Message
from gar.processing.prompts import DESCRIBE, one_of_several


def plainly(assistant, picture, text, regions, prompts, new=8):
    """The model's own `generate`, one sample, everything computed anew."""
    processor, model = assistant.processor, assistant.model
    inputs = processor([picture], [text], [regions], [prompts])
    written = model.generate(**inputs, **_greedy(processor.tokenizer, new))
    return _words(processor.tokenizer, written, inputs["input_ids"].shape[1])


def shared_plainly(assistant, picture, regions, number, new=8):
    """A description in the shared way, with the published training wording, nothing shared.

    All regions are in the mask and in the list; only the described one has crop tokens. So the text and its features
    are put in by hand, as the processor and `generate` ask for crop tokens of every region.
    """
    processor, model = assistant.processor, assistant.model
    prompts = range(len(regions))
    asked = one_of_several(DESCRIBE, number, prompts, processor.crop_tokens)
    text = processor.chat_text([Message("user", asked)])
    inputs = processor([picture], [processor.question_text("Why?", prompts)], [regions], [prompts])
    del inputs["input_ids"], inputs["attention_mask"]
    tiles = processor.tile_count(tuple(inputs["tile_grid"][0].tolist()))
    first = [processor.tokenizer.bos_token_id] * (processor.bos_tokens - 1)
    ids = torch.tensor([[*first, *processor.token_ids(text, tiles)]])
    with torch.no_grad():
        features = model.model.get_region_features(**inputs)
        features.replay = features.replay[number : number + 1]
        embeds = model.model.embed(ids, features, inputs["region_index"][number : number + 1])
    written = model.generate(
        inputs_embeds=embeds,
        prompt_features=features.prompts,
        **_greedy(processor.tokenizer, new),
    )
    return _words(processor.tokenizer, written, 0)


def _greedy(tokenizer, new):
    return {
        "max_new_tokens": new,
        "do_sample": False,
        "pad_token_id": tokenizer.pad_token_id,
        "return_dict_in_generate": True,
        "output_logits": True,
    }


def _words(tokenizer, written, read):
    """What stands before the end token; an example in which rounding decides between two tokens is not counted."""
    best = torch.stack(written.logits).topk(2).values[:, 0]  # (new, 2)
    if currently_in_test_context():
        assume((best[:, 0] - best[:, 1]).min() > 1e-4)
    ids, end = written.sequences[0, read:].tolist(), tokenizer.eos_token_id
    return tokenizer.decode(ids[: ids.index(end)] if end in ids else ids).strip()
