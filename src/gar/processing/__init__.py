"""From pictures, regions and questions to the tensors that the model reads."""

from gar.processing.processor import GARProcessor, ModelInputs
from gar.processing.prompts import Message, multiple_choice, prompt_name

__all__ = ["GARProcessor", "Message", "ModelInputs", "multiple_choice", "prompt_name"]
