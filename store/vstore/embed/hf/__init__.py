"""Models of transformers with adapters of peft. Import `description`, `loading`, `devices` or `digests` from here."""
