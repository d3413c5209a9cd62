// The records of a zip archive (APPNOTE 6.3.10) whose entries are stored as they are: bytes out, nothing read.
//
// Sizes are known before the content, so a local header has them, and readers that can't seek need not search for the
// end. The checksum is not: it is in a descriptor behind the content, or in a header that is written last of all.
import type { Mtime } from '../../protocol/bindings';
import { type Bytes, concat, encodeText } from '../../protocol/bytes';

/** What an entry of an archive is. */
export type ZipKind = 'file' | 'executable' | 'directory' | 'symlink';

/** One entry. */
export interface ZipEntry {
  /** Names joined by `/`, without one at the end. */
  readonly name: string;
  readonly kind: ZipKind;
  /** Bytes of content; a symlink's is its target. */
  readonly size: number;
  readonly mtime: Mtime;
  /** Of the content, once it is known. */
  crc: number;
  /** Where its local header is. */
  offset: number;
  /** Whether the checksum follows the content, because the header had gone before it was known. */
  readonly streamed: boolean;
}

const LOCAL = 0x04034b50;
const DESCRIPTOR = 0x08074b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;

const MAX16 = 0xffff;
const MAX32 = 0xffffffff;
const EXTRA_ZIP64 = 0x0001;
const EXTRA_TIME = 0x5455;
// A descriptor follows; names are UTF-8.
const FLAG_DESCRIPTOR = 1 << 3;
const FLAG_UTF8 = 1 << 11;
const VERSION = 20;
const VERSION_ZIP64 = 45;
const MADE_BY_UNIX = 3 << 8;
// The mode of Unix, and beside it what DOS calls a directory.
const ATTRIBUTES: Readonly<Record<ZipKind, number>> = {
  file: 0o100644 * 0x10000,
  executable: 0o100755 * 0x10000,
  directory: 0o040755 * 0x10000 + 0x10,
  symlink: 0o120777 * 0x10000,
};

/** The header before an entry's content; without `streamed`, it has the checksum. */
export function localHeader(entry: ZipEntry): Bytes {
  const name = nameBytes(entry);
  const large = entry.size >= MAX32;
  const extra = concat(
    large ? field(EXTRA_ZIP64, u64(entry.size), u64(entry.size)) : new Uint8Array(),
    timeField(entry.mtime),
  );
  return concat(
    u32(LOCAL),
    u16(large ? VERSION_ZIP64 : VERSION),
    common(entry),
    u32(large ? MAX32 : entry.size),
    u32(large ? MAX32 : entry.size),
    u16(name.length),
    u16(extra.length),
    name,
    extra,
  );
}

/** What follows the content of an entry that is `streamed`; nothing for any other. */
export function descriptor(entry: ZipEntry): Bytes {
  if (!entry.streamed) {
    return new Uint8Array();
  }
  // As wide as in the header.
  const size = entry.size >= MAX32 ? u64(entry.size) : u32(entry.size);
  return concat(u32(DESCRIPTOR), u32(entry.crc), size, size);
}

/** The bytes that an entry takes from its header to the end of its descriptor. */
export function entryLength(entry: ZipEntry): number {
  return localHeader(entry).length + entry.size + descriptor(entry).length;
}

/** An entry's record in the directory at the end. */
export function centralHeader(entry: ZipEntry): Bytes {
  const name = nameBytes(entry);
  const large = entry.size >= MAX32;
  const far = entry.offset >= MAX32;
  const wide = [...(large ? [u64(entry.size), u64(entry.size)] : [])];
  if (far) {
    wide.push(u64(entry.offset));
  }
  const extra = concat(
    wide.length > 0 ? field(EXTRA_ZIP64, ...wide) : new Uint8Array(),
    timeField(entry.mtime),
  );
  return concat(
    u32(CENTRAL),
    u16(MADE_BY_UNIX | VERSION_ZIP64),
    u16(large || far ? VERSION_ZIP64 : VERSION),
    common(entry, entry.crc),
    u32(large ? MAX32 : entry.size),
    u32(large ? MAX32 : entry.size),
    u16(name.length),
    u16(extra.length),
    // No comment, the first disk, no internal attributes.
    new Uint8Array(6),
    u32(ATTRIBUTES[entry.kind]),
    u32(far ? MAX32 : entry.offset),
    name,
    extra,
  );
}

/** What ends an archive whose directory of `count` records is the `length` bytes from `start` on. */
export function endRecords(count: number, start: number, length: number): Bytes {
  const large = count >= MAX16 || start >= MAX32 || length >= MAX32;
  const end = concat(
    u32(END),
    u32(0),
    u16(Math.min(count, MAX16)),
    u16(Math.min(count, MAX16)),
    u32(Math.min(length, MAX32)),
    u32(Math.min(start, MAX32)),
    u16(0),
  );
  if (!large) {
    return end;
  }
  const end64 = concat(
    u32(END64),
    // Its length without what is before and in this field.
    u64(44),
    u16(MADE_BY_UNIX | VERSION_ZIP64),
    u16(VERSION_ZIP64),
    u32(0),
    u32(0),
    u64(count),
    u64(count),
    u64(length),
    u64(start),
  );
  const locator = concat(u32(LOCATOR64), u32(0), u64(start + length), u32(1));
  return concat(end64, locator, end);
}

function nameBytes(entry: ZipEntry): Bytes {
  return encodeText(entry.kind === 'directory' ? `${entry.name}/` : entry.name);
}

// Flags, method (stored), time and checksum: the same in both headers, but that a streamed one's is known later.
function common(entry: ZipEntry, crc = entry.streamed ? 0 : entry.crc): Bytes {
  const { time, date } = dosTime(entry.mtime);
  const flags = FLAG_UTF8 | (entry.streamed ? FLAG_DESCRIPTOR : 0);
  return concat(u16(flags), u16(0), u16(time), u16(date), u32(crc));
}

// Seconds in UTC, where they fit; else the local time of DOS is all there is.
function timeField({ seconds }: Mtime): Bytes {
  if (seconds < -0x80000000 || seconds > 0x7fffffff) {
    return new Uint8Array();
  }
  return field(EXTRA_TIME, Uint8Array.of(1), u32(seconds));
}

// Local time in steps of two seconds, from 1980 to 2107.
function dosTime({ seconds }: Mtime): { time: number; date: number } {
  const at = new Date(seconds * 1000);
  const year = at.getFullYear();
  if (!(year >= 1980)) {
    return { time: 0, date: (1 << 5) | 1 };
  }
  if (year > 2107) {
    return { time: (23 << 11) | (59 << 5) | 29, date: (127 << 9) | (12 << 5) | 31 };
  }
  return {
    time: (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1),
    date: ((year - 1980) << 9) | ((at.getMonth() + 1) << 5) | at.getDate(),
  };
}

function field(id: number, ...parts: Bytes[]): Bytes {
  const body = concat(...parts);
  return concat(u16(id), u16(body.length), body);
}

function u16(value: number): Bytes {
  return Uint8Array.of(value, value >>> 8);
}

function u32(value: number): Bytes {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}

function u64(value: number): Bytes {
  return concat(u32(value % 0x100000000), u32(Math.floor(value / 0x100000000)));
}
