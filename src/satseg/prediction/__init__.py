"""Predicting scenes of any size: class maps, probabilities, polygons; and models as ONNX files."""

from satseg.prediction.scene import predict_scene

__all__ = ["predict_scene"]
