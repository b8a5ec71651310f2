"""The predictor: a trained model behind KServe's inference protocols."""
