"""Systems: the same questions about regions put to our models, to others' and to files of answers."""

from gar.systems.protocol import Question, Reply, System, Track

__all__ = ["Question", "Reply", "System", "Track"]
