"""Reads the tables of a transport stream: PAT, PMT (ISO/IEC 13818-1 2.4.4) and DVB's service description (EN 300 468).

In: sections, their checksums, and what they name. Out: packets (`packet_headers.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from codex_assets.verification.observe.packet_headers import Packets
from codex_assets.verification.stream_observations import StreamEntry, StreamFault, TablesSeen

PAT_PID, SDT_PID = 0, 0x11
PAT, PMT, SDT = 0x00, 0x02, 0x42
SERVICE_DESCRIPTOR = 0x48
NOT_SAID, RUNNING = 0, 4
"""States of a service."""


@dataclass
class TablesRead:
    """The tables of one segment, and faults with the row of the packet where each was seen."""

    seen: TablesSeen | None = None
    faults: list[tuple[StreamFault, str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class _Section:
    row: int
    data: bytes

    @property
    def body(self) -> bytes:
        """What stands between the eight bytes of its head and its checksum."""
        return self.data[8:-4]


def _checksums() -> list[int]:
    table = []
    for index in range(256):
        value = index << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7) & 0xFFFFFFFF if value & 0x80000000 else value << 1
        table.append(value)
    return table


_CHECKSUMS = _checksums()


def checksum(data: bytes) -> int:
    """CRC-32 of MPEG (annex A): zero over a section with its own checksum."""
    value = 0xFFFFFFFF
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ _CHECKSUMS[value >> 24 ^ byte]
    return value


def read_tables(packets: Packets) -> TablesRead:
    """PAT, the PMT of its first programme, and the SDT."""
    read = TablesRead()
    pats = _sections(packets, PAT_PID, PAT, "PAT", read)
    named = list(_programmes(pats[0].body)) if pats else []
    entries = [(number, pid) for number, pid in named if number]
    pmt_pid = entries[0][1] if entries else None
    if pmt_pid is None:
        return read
    pmts = _sections(packets, pmt_pid, PMT, "PMT", read)
    sdts = _sections(packets, SDT_PID, SDT, "service description", read)
    names = tuple(name for section in sdts[:1] for name in _service_names(section.body))
    if not pmts:
        read.seen = TablesSeen(len(entries), pmt_pid, None, names=names, pat=pats[0].data)
        return read
    body = pmts[0].body
    length = (body[2] & 0x0F) << 8 | body[3] if len(body) >= 4 else 0
    streams = tuple(_streams(body[4 + length :]))
    is_of_programme = int.from_bytes(pmts[0].data[3:5], "big") == entries[0][0]
    if (
        not is_of_programme
        or 4 + length > len(body)
        or sum(5 + len(entry.descriptors) for entry in streams) != len(body) - 4 - length
    ):
        read.faults.append((StreamFault.SECTION, "PMT", pmts[0].row))
    read.seen = TablesSeen(
        len(entries),
        pmt_pid,
        (body[0] & 0x1F) << 8 | body[1] if len(body) >= 2 else None,
        streams,
        body[4 : 4 + length],
        names,
        pats[0].data,
        pmts[0].data,
        len(named) > len(entries),
        tuple(_service_faults(sdts[0].data, pats[0].data, entries[0][0])) if sdts else (),
    )
    return read


def _sections(packets: Packets, pid: int, table: int, name: str, read: TablesRead) -> list[_Section]:
    """The sections of `pid` that are of this table, those with a wrong checksum only where there is no other; and the
    faults of all that lie there."""
    sections: list[_Section] = []
    flawed: list[_Section] = []
    for section in _cut_sections(packets, pid):
        data = section.data
        if not data:
            continue
        if data[0] != table and pid == SDT_PID:
            # Another table, of a network, a bouquet or the like.
            read.faults.append((StreamFault.PRIVATE, name, section.row))
            continue
        length = 3 + ((data[1] & 0x0F) << 8 | data[2]) if len(data) >= 3 else 0
        whole = data[:length]
        if data[0] != table or length < 12 or len(data) < length or not data[1] & 0x80:
            read.faults.append((StreamFault.SECTION, name, section.row))
        elif checksum(whole):
            read.faults.append((StreamFault.CHECKSUM, name, section.row))
            flawed.append(_Section(section.row, whole))
        else:
            # Current, not next; the only section of its table.
            if not whole[5] & 1 or whole[6] or whole[7]:
                read.faults.append((StreamFault.SECTION, name, section.row))
            if data[length:].strip(b"\xff"):
                read.faults.append((StreamFault.PRIVATE, name, section.row))
            if sections and whole != sections[0].data:
                read.faults.append((StreamFault.TABLE_CHANGES, name, section.row))
            sections.append(_Section(section.row, whole))
    return sections or flawed


def _cut_sections(packets: Packets, pid: int) -> Iterator[_Section]:
    """What lies from one start of a section to the next, with the stuffing behind it."""
    chosen = packets.of(pid)
    chosen = chosen[packets.has_payload[chosen]]
    row, data = -1, b""
    for number in chosen.tolist():
        payload = packets.rows[number, packets.payload_at[number] :].tobytes()
        if not packets.begins[number]:
            data += payload
            continue
        if not payload:
            continue
        pointer = 1 + payload[0]
        if row >= 0:
            yield _Section(row, data + payload[1:pointer])
        row, data = number, payload[pointer:]
    if row >= 0:
        yield _Section(row, data)


def _programmes(body: bytes) -> Iterable[tuple[int, int]]:
    for at in range(0, len(body) - 3, 4):
        number = body[at] << 8 | body[at + 1]
        # Number 0 is the network's.
        yield number, (body[at + 2] & 0x1F) << 8 | body[at + 3]


def _streams(body: bytes) -> Iterable[StreamEntry]:
    at = 0
    while at + 5 <= len(body):
        length = (body[at + 3] & 0x0F) << 8 | body[at + 4]
        yield StreamEntry((body[at + 1] & 0x1F) << 8 | body[at + 2], body[at], body[at + 5 : at + 5 + length])
        at += 5 + length


def _service_faults(section: bytes, pat: bytes, programme: int) -> Iterator[str]:
    """What a service description (EN 300 468 5.2.3) says that is not so of the programme of a PAT."""
    # Behind its head: original network, a reserved byte; number, flags of guides, state, mark of encryption.
    services = section[11:-4]
    if len(services) < 5:
        return
    if section[3:5] != pat[3:5] or int.from_bytes(services[:2], "big") != programme:
        yield "a service description of another programme"
    state, is_encrypted = services[3] >> 5, services[3] & 0x10
    if is_encrypted:
        yield "a service description that calls it encrypted"
    if state not in (NOT_SAID, RUNNING):
        yield "a service description that says that it is not running"


def _service_names(body: bytes) -> Iterable[str]:
    """Provider and name of each service. `body`: original network, a reserved byte, services."""
    at = 3
    while at + 5 <= len(body):
        end = at + 5 + ((body[at + 3] & 0x0F) << 8 | body[at + 4])
        at += 5
        while at + 2 <= min(end, len(body)):
            tag, length = body[at], body[at + 1]
            content = body[at + 2 : at + 2 + length]
            if tag == SERVICE_DESCRIPTOR and len(content) >= 3:
                provider = content[2 : 2 + content[1]]
                yield provider.decode("latin-1")
                yield content[3 + len(provider) :].decode("latin-1")
            else:
                yield content.decode("latin-1")
            at += 2 + length
        at = end
