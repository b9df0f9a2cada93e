"""The model: vision tower, projector, region replay and Llama decoder."""
