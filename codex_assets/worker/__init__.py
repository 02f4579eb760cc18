"""One payload in, one answer out: the job as a worker does it, and what is measured of it.

This folder should contain what happens once per job: reading the payload, running the assets, sending the webhook, and
recognising a job that was done before. Keep RunPod's SDK and process handling out of it (`runpod_entry`), and how an
output is made (`build/`, `defs/`).
"""
