"""The verbs: they choose defaults, compose the parts and run the loop."""
