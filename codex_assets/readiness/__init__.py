"""Is this machine, and is this endpoint, fit for the work?

This folder should contain checks of tools, stores, scratch space and GPUs, with what to do where one fails, and the
comparison of a RunPod endpoint with its file. Keep checks of media out of it (`verification/`), and the tables that
show a result (`cli/views/`).
"""
