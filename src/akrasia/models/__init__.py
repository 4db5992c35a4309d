"""Who answers: local llama.cpp, OpenAI-compatible HTTP, Inspect AI's providers, replayed files, scripts."""

from akrasia.models.build import MODELS, Factory, ModelSettings, build_model, model_identity

__all__ = ["MODELS", "Factory", "ModelSettings", "build_model", "model_identity"]
