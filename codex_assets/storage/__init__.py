"""Where objects lie: stores, the keys of objects, and the order in which an output is published.

This folder should contain everything that depends on how a store behaves: retries, checksums, conditional writes, what
a proxy does to an answer. Keep what an object means out of it (`archive/`), and where a store's address and keys come
from (`config/`). `s3_client.py` is the only importer of boto3.
"""
