"""The utterance table: its schema, readers and writers of public formats, catalogs, corpora."""
