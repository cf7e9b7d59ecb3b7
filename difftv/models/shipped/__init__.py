"""The models that the package brings: NAME.safetensors each, and its card NAME.md (see `difftv.models.pretrained`)."""
