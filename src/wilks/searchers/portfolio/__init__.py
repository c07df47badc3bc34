"""The default search: cooperating methods that share the best point, and the evaluations by what they bring."""
