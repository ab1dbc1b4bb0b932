"""Images to CNN features: backbones, weights, preprocessing, extraction, cache."""
