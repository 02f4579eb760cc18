"""The index: always what a full rebuild would say, whatever happened to the archive and whoever else refreshes it."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import s3_server
from typer.testing import CliRunner

from codex_assets import audit, catalogue, costs, resources, sweep, terminal
from codex_assets.catalogue import Catalogue
from codex_assets.cli import app
from codex_assets.conditions import Where
from codex_assets.delivery import keys
from codex_assets.delivery.storage import DirectoryStore, ObjectStore, S3Location, S3Store
from codex_assets.errors import StorageError
from codex_assets.media import profile, recipe
from codex_assets.records import RecordStore
from codex_assets.staleness import Reason

BENCH = Path(__file__).parents[1] / "bench"
sys.path.insert(0, str(BENCH))
import catalogue as synthetic  # noqa: E402 - the generator of thousands of media; `codex_assets.catalogue` has its name
