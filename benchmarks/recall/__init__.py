"""How much of what answers a question a memory hands to the reader, measured without a model and without a judge."""
