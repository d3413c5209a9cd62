// @vitest-environment node
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat } from '../../protocol/bytes';
import { crc32 } from './crc32';
import {
  type ZipEntry,
  centralHeader,
  descriptor,
  endRecords,
  entryLength,
  localHeader,
} from './zip';

interface Read {
  name: string;
  size: number;
  offset: number;
  crc: number;
  mode: number;
  flags: number;
  seconds: number | undefined;
}

// Reads a directory as a stranger would: from the end, with zip64 where the plain fields are full.
function readDirectory(tail: Uint8Array, from: number): Read[] {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const wide = (at: number): number => Number(view.getBigUint64(at, true));
  const end = tail.length - 22;
  expect(view.getUint32(end, true)).toBe(0x06054b50);
  let [count, start] = [view.getUint16(end + 10, true), view.getUint32(end + 16, true)];
  if (end >= 76 && view.getUint32(end - 20, true) === 0x07064b50) {
    const end64 = wide(end - 20 + 8) - from;
    expect(view.getUint32(end64, true)).toBe(0x06064b50);
    [count, start] = [wide(end64 + 32), wide(end64 + 48)];
  }
  const entries: Read[] = [];
  let at = start - from;
  for (; entries.length < count;) {
    expect(view.getUint32(at, true)).toBe(0x02014b50);
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    let [size, offset] = [view.getUint32(at + 24, true), view.getUint32(at + 42, true)];
    let seconds: number | undefined;
    let field = at + 46 + nameLength;
    const next = field + extraLength;
    while (field < next) {
      let value = field + 4;
      if (view.getUint16(field, true) === 1) {
        if (size === 0xffffffff) {
          size = wide(value);
          value += 16;
        }
        offset = offset === 0xffffffff ? wide(value) : offset;
      } else if (view.getUint16(field, true) === 0x5455) {
        seconds = view.getInt32(value + 1, true);
      }
      field += 4 + view.getUint16(field + 2, true);
    }
    expect(field).toBe(next);
    entries.push({
      name: new TextDecoder().decode(tail.subarray(at + 46, at + 46 + nameLength)),
      size,
      offset,
      crc: view.getUint32(at + 16, true),
      mode: view.getUint16(at + 40, true),
      flags: view.getUint16(at + 8, true),
      seconds,
    });
    at = next;
  }
  return entries;
}

const entry = (over: Partial<ZipEntry>): ZipEntry => ({
  name: 'a',
  kind: 'file',
  size: 0,
  mtime: { seconds: 1_700_000_000, nanos: 0 },
  crc: 0,
  offset: 0,
  streamed: true,
  ...over,
});

describe('a zip archive', () => {
  it('sums as everyone does', () => {
    const text = new TextEncoder().encode('123456789');
    expect(crc32(0, text)).toBe(0xcbf43926);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(64), (bytes, at) => {
        const parts = crc32(crc32(0, bytes.subarray(0, at)), bytes.subarray(at));
        expect(parts).toBe(crc32(0, bytes));
      }),
    );
  });

  it('is read as it was written, whatever the sizes and places', () => {
    const anyEntry = fc.record({
      name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
      kind: fc.constantFrom('file', 'executable', 'directory', 'symlink'),
      size: fc.oneof(fc.nat(), fc.integer({ min: 0xfffffff0, max: 0x10000000f })),
      seconds: fc.oneof(fc.integer(), fc.maxSafeInteger()),
      crc: fc.integer({ min: 0, max: 0xffffffff }),
      streamed: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 8 }), (wanted) => {
        let offset = 0;
        const entries = wanted.map(({ seconds, size, ...rest }) => {
          const made = entry({
            ...rest,
            size: rest.kind === 'directory' ? 0 : size,
            offset,
            mtime: { seconds, nanos: 0 },
          });
          offset += entryLength(made);
          return made;
        });
        const directory = concat(...entries.map(centralHeader));
        const end = endRecords(entries.length, offset, directory.length);
        const read = readDirectory(concat(directory, end), offset);
        expect(read).toEqual(
          entries.map(({ name, kind, size, offset, crc, mtime, streamed }) => ({
            name: kind === 'directory' ? `${name}/` : name,
            size,
            offset,
            crc,
            mode: { file: 0o100644, executable: 0o100755, directory: 0o40755, symlink: 0o120777 }[
              kind
            ],
            flags: 0x800 + (streamed ? 8 : 0),
            seconds: mtime.seconds === (mtime.seconds | 0) ? mtime.seconds : undefined,
          })),
        );
      }),
    );
  });

  it('has a checksum before the content or behind it, as wide as the size needs', () => {
    const header = (over: Partial<ZipEntry>): DataView =>
      new DataView(localHeader(entry({ crc: 0xdeadbeef, ...over })).buffer);
    expect(header({}).getUint32(14, true)).toBe(0);
    expect(header({ streamed: false }).getUint32(14, true)).toBe(0xdeadbeef);
    expect(descriptor(entry({ streamed: false })).length).toBe(0);
    expect(descriptor(entry({ size: 0xfffffffe })).length).toBe(16);
    expect(descriptor(entry({ size: 0xffffffff })).length).toBe(24);
    // The reader of a stream finds the size in the header.
    expect(header({ size: 7 }).getUint32(22, true)).toBe(7);
    expect(header({ size: 0xffffffff }).getUint32(22, true)).toBe(0xffffffff);
  });

  it('counts more entries than sixteen bits can', () => {
    const record = centralHeader(entry({}));
    const directory = concat(...Array.from({ length: 70_000 }, () => record));
    const end = endRecords(70_000, 0, directory.length);
    expect(readDirectory(concat(directory, end), 0).length).toBe(70_000);
  });

  it('keeps the time of DOS within its years', () => {
    const date = (seconds: number): number =>
      new DataView(localHeader(entry({ mtime: { seconds, nanos: 0 } })).buffer).getUint16(12, true);
    const year = (seconds: number): number => 1980 + (date(seconds) >>> 9);
    expect(year(-1)).toBe(1980);
    expect(year(Date.UTC(2031, 5, 1) / 1000)).toBe(2031);
    expect(year(Number.MAX_SAFE_INTEGER)).toBe(1980);
    expect(year(Date.UTC(2200, 1, 1) / 1000)).toBe(2107);
  });
});
