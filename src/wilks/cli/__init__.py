"""The command line; thin over the verbs."""
