"""Training: tokenizer, datasets, collator, trainer and the recipe of the embedded model."""
