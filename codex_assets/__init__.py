"""codex-assets: a build system for media."""
