"""The wire with media-api: the payload that comes in, the webhook body that goes out, their JSON Schema.

This folder should contain everything that both sides have to agree on: names of outputs and variants, limits, which
addresses and secrets are acceptable, and the words in which a problem of a payload is described. Keep the conversion
of measurements into wire units and the sending of anything (`net/webhook.py`), storage keys (`storage/keys.py`) and
the environment (`config/`) out of it. It imports nothing of ours and does no I/O, but for writing its schemas.
"""
