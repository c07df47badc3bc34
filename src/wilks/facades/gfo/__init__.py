"""The interface of Gradient-Free-Optimizers on `wilks.search`: values in, scores in the user's units out."""
