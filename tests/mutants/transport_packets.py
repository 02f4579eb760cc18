"""A transport stream as packets that can be changed, by hand: ISO/IEC 13818-1, as far as our segments use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

SIZE = 188


def crc32(data: bytes | bytearray) -> int:
    """MPEG-2's checksum of a section."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


class Packets:
    """The packets of a segment. `head`, `tail`: bytes before and after them; `prefix`: before each of them."""

    def __init__(self, data: bytes) -> None:
        self._packets = [bytearray(data[at : at + SIZE]) for at in range(0, len(data), SIZE)]
        self.head, self.tail, self.prefix = b"", b"", b""

    @property
    def data(self) -> bytes:
        return self.head + b"".join(self.prefix + bytes(packet) for packet in self._packets) + self.tail

    @property
    def count(self) -> int:
        return len(self._packets)

    def bytes_of(self, index: int) -> bytearray:
        return self._packets[index]

    def packet(self, index: int) -> bytes:
        return bytes(self._packets[index])

    def pid(self, index: int) -> int:
        packet = self._packets[index]
        return (packet[1] & 0x1F) << 8 | packet[2]

    def of(self, pid: int) -> list[int]:
        """Where the packets of a PID are."""
        return [index for index in range(self.count) if self.pid(index) == pid]

    @property
    def main_pid(self) -> int:
        """Of the picture, or of the sound where there is no picture."""
        return 0x100

    @property
    def sound_pid(self) -> int:
        return 0x101 if self.of(0x101) else 0x100

    def of_main(self) -> list[int]:
        return self.of(self.main_pid)

    def inside(self) -> list[int]:
        """Packets of the main track that hold payload alone, from the middle of frames."""
        return [i for i in self.of_main() if not self._packets[i][1] & 0x40 and not self._packets[i][3] & 0x20]

    def remove(self, indices: Iterable[int]) -> None:
        for index in sorted(indices, reverse=True):
            del self._packets[index]

    def insert(self, index: int, packet: bytes) -> None:
        self._packets.insert(index, bytearray(packet))

    def swap(self, first: int, second: int) -> None:
        self._packets[first], self._packets[second] = self._packets[second], self._packets[first]

    def counter(self, index: int) -> int:
        return self._packets[index][3] & 0x0F

    def set_counter(self, index: int, value: int) -> None:
        self._packets[index][3] = self._packets[index][3] & 0xF0 | value & 0x0F

    def payload_start(self, index: int) -> int:
        packet = self._packets[index]
        return 5 + packet[4] if packet[3] & 0x20 else 4

    def renumber(self, pids: dict[int, int]) -> None:
        for index in range(self.count):
            new = pids.get(self.pid(index))
            if new is not None:
                packet = self._packets[index]
                packet[1], packet[2] = packet[1] & 0xE0 | new >> 8, new & 0xFF

        def entries(section: bytearray) -> None:
            for at in (8, *(entry + 1 for entry in self.entries())):
                pid = (section[at] & 0x1F) << 8 | section[at + 1]
                new = pids.get(pid, pid)
                section[at], section[at + 1] = section[at] & 0xE0 | new >> 8, new & 0xFF

        self.change_pmt(entries)

    # --- Tables -------------------------------------------------------------------------------------------------------

    @property
    def pmt_pid(self) -> int:
        section = self.section(0)
        return (section[10] & 0x1F) << 8 | section[11]

    @property
    def programme_info(self) -> int:
        section = self.section(self.pmt_pid)
        return (section[10] & 0x0F) << 8 | section[11]

    def section(self, pid: int) -> bytearray:
        """The first table of a PID, with its checksum."""
        (index, *_) = self.of(pid)
        start = self.payload_start(index) + 1
        packet = self._packets[index]
        return packet[start : start + 3 + ((packet[start + 1] & 0x0F) << 8 | packet[start + 2])]

    def entries(self) -> list[int]:
        """Where the tracks of the PMT are in its section."""
        section = self.section(self.pmt_pid)
        at, places = 12 + self.programme_info, []
        while at < len(section) - 4:
            places.append(at)
            at += 5 + ((section[at + 3] & 0x0F) << 8 | section[at + 4])
        return places

    def change_pat(self, change: Callable[[bytearray], object]) -> None:
        self._change(0, change)

    def change_service(self, change: Callable[[bytearray], object]) -> None:
        self._change(0x11, change)

    def change_pmt(self, change: Callable[[bytearray], object]) -> None:
        self._change(self.pmt_pid, change)

    def _change(self, pid: int, change: Callable[[bytearray], object]) -> None:
        section = self.section(pid)
        body = section[:-4]
        change(body)
        self._write(pid, body)

    def _write(self, pid: int, body: bytearray) -> None:
        """This section into every packet of the PID, with its length and checksum."""
        length = len(body) + 4 - 3
        body[1], body[2] = body[1] & 0xF0 | length >> 8, length & 0xFF
        whole = bytes(body) + crc32(body).to_bytes(4, "big")
        for index in self.of(pid):
            start = self.payload_start(index) + 1
            packet = self._packets[index]
            packet[start:] = whole + b"\xff" * (SIZE - start - len(whole))

    def add_entry(self, entry: bytes) -> None:
        self._write(self.pmt_pid, self.section(self.pmt_pid)[:-4] + entry)

    def drop_last_entry(self) -> None:
        self._write(self.pmt_pid, self.section(self.pmt_pid)[: self.entries()[-1]])

    def describe_last_entry(self, descriptor: bytes) -> None:
        def describe(section: bytearray) -> None:
            at = self.entries()[-1] + 3
            assert section[at + 1] == 0, "it is described already"
            section[at + 1] = len(descriptor)
            section[at + 2 : at + 2] = descriptor

        self.change_pmt(describe)

    def name_network(self) -> None:
        section = self.section(0)
        self._write(0, section[:8] + bytes.fromhex("0000e010") + section[8:-4])

    def add_programme(self) -> None:
        self._write(0, self.section(0)[:-4] + bytes.fromhex("0002e200"))

    def spoil_checksum(self, pid: int) -> None:
        for index in self.of(pid):
            start = self.payload_start(index) + 1
            end = start + len(self.section(pid))
            self._packets[index][end - 1] ^= 0x5A

    # --- Clocks -------------------------------------------------------------------------------------------------------

    def pcr(self, index: int) -> int:
        """In 27 MHz; None without one."""
        packet = self._packets[index]
        if not packet[3] & 0x20 or packet[4] < 7 or not packet[5] & 0x10:
            return None  # type: ignore[return-value]
        base = int.from_bytes(packet[6:10], "big") << 1 | packet[10] >> 7
        return base * 300 + ((packet[10] & 1) << 8 | packet[11])

    def set_pcr(self, index: int, value: int) -> None:
        base, extension = divmod(value, 300)
        base &= (1 << 33) - 1
        whole = base << 15 | 0x3F << 9 | extension
        self._packets[index][6:12] = whole.to_bytes(6, "big")

    def drop_pcr(self, index: int) -> None:
        packet = self._packets[index]
        packet[5] &= 0xEF
        packet[6:12] = b"\xff" * 6

    def pes(self, pid: int | None = None) -> list[int]:
        """Packets in which frames of a track begin."""
        return [i for i in self.of(self.main_pid if pid is None else pid) if self._packets[i][1] & 0x40]

    def _stamp_at(self, index: int, *, dts: bool = False) -> int:
        return self.payload_start(index) + (14 if dts else 9)

    def has_dts(self, index: int) -> bool:
        return self._packets[index][self.payload_start(index) + 7] & 0xC0 == 0xC0

    def time(self, index: int, *, dts: bool = False) -> int:
        """A frame's time in 90 kHz."""
        stamp = self._packets[index][self._stamp_at(index, dts=dts) :]
        return (stamp[0] >> 1 & 7) << 30 | stamp[1] << 22 | (stamp[2] >> 1) << 15 | stamp[3] << 7 | stamp[4] >> 1

    def dts(self, index: int) -> int:
        return self.time(index, dts=True)

    def set_time(self, index: int, value: int, *, dts: bool = False) -> None:
        at = self._stamp_at(index, dts=dts)
        value &= (1 << 33) - 1
        packet = self._packets[index]
        packet[at] = packet[at] & 0xF1 | (value >> 30 & 7) << 1
        packet[at + 1 : at + 3] = ((value >> 15 & 0x7FFF) << 1 | 1).to_bytes(2, "big")
        packet[at + 3 : at + 5] = ((value & 0x7FFF) << 1 | 1).to_bytes(2, "big")

    def first_time(self) -> int:
        return min(self.time(index) for index in self.pes())

    def shift(self, by: int, *, only: list[int] | None = None) -> None:
        """Move times by so many 90 kHz: of some frames, or of all with the clock."""
        frames = only if only is not None else [*self.pes(0x100), *self.pes(0x101)]
        for index in frames:
            self.set_time(index, self.time(index) + by)
            if self.has_dts(index):
                self.set_time(index, self.dts(index) + by, dts=True)
        if only is None:
            for index in range(self.count):
                if self.pcr(index) is not None:
                    self.set_pcr(index, self.pcr(index) + by * 300)

    # --- Elementary streams -------------------------------------------------------------------------------------------

    def in_sound(self, change: Callable[[bytearray], object]) -> None:
        """Change the ADTS headers at the start of PES packets of the sound."""
        for index in self.pes(self.sound_pid):
            packet = self._packets[index]
            start = self.payload_start(index)
            at = start + 9 + packet[start + 8]
            header = packet[at : at + 7]
            change(header)
            packet[at : at + 7] = header

    def _units(self) -> list[tuple[int, int, int]]:
        """Packet, place and type of each unit whose start code and header lie in one packet of the picture."""
        return [
            (index, match.end() - 1, self._packets[index][match.end() - 1] & 0x1F)
            for index in self.of_main()
            for match in re.finditer(rb"\x00\x00\x01[\x01-\x7f]", bytes(self._packets[index]))
        ]

    def units(self, kind: int) -> list[tuple[int, int]]:
        """Packet, and place behind the start code, of each unit of a type."""
        return [(index, place) for index, place, unit in self._units() if unit == kind]

    def unit_at(self, index: int, place: int) -> bytes:
        """A unit that lies in one packet, up to the next start code."""
        packet = bytes(self._packets[index])
        return packet[place : packet.index(b"\0\0\1", place)]

    def rewrite_unit(self, index: int, place: int, unit: bytes) -> None:
        """Another unit of the same length in its place."""
        self._packets[index][place : place + len(unit)] = unit

    def hide_units(self, types: tuple[int, ...], *, after_first: bool) -> None:
        """Make filler data, which decoders skip, of units of these types: of the first picture or of all others."""
        first = self.pes()[1]
        for index, place, kind in self._units():
            if kind in types and (index >= first) is after_first:
                self._packets[index][place] = 0x0C

    def rename_unit(self, kind: int, header: int) -> None:
        """Give the first picture's units of a type another header."""
        first = self.pes()[1]
        for index, place, unit in self._units():
            if unit == kind and index < first:
                self._packets[index][place] = header
