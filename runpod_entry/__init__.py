"""The RunPod endpoint: RunPod's dict in, RunPod's dict out."""
