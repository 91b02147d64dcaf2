"""Models of transformers, with adapters of peft."""
