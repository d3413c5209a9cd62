// @vitest-environment node
// What holds for any input: forms that turn into each other, and nothing thrown but the protocol's own error.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Entry,
  type EntryKind,
  MAX_FILE_SIZE,
  MAX_PAGE_LEN,
  type ReceiverMessage,
  type SenderMessage,
  TAG_LEN,
} from './bindings';
import { type Bytes, decodeText, encodeText } from './bytes';
import {
  decodeReceiverMessage,
  decodeSenderMessage,
  encodeReceiverMessage,
  encodeSenderMessage,
} from './control';
import { Key } from './crypto';
import { ProtocolError } from './error';
import { RecordReader, build, headerBytes } from './frame';
import { SenderKeys } from './handshake';
import { LinkSecret, type ShareId, parseId, toId } from './id';
import { Link, ServerUrl } from './link';
import { PageBuilder, UNREADABLE, decodePage } from './manifest';
import { linkStaysInside, parsePath, pathName, pathNames, pathParent } from './path';
import { pureProvider, webProvider } from './provider';
import { Ranges } from './ranges';
import { ReceiveSession } from './receive';
import { SendSession } from './send';
import { parseServerMessage } from './signal';
import { SummaryKey } from './summary';
import { MAX_SECONDS, Reader, Writer } from './wire';

/** What `act` gives, or nothing where it is refused; anything else that is thrown fails the test. */
function accepted<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
    return undefined;
  }
}

const bytes = (maxLength: number): fc.Arbitrary<Bytes> =>
  fc.uint8Array({ maxLength }).map((bytes) => new Uint8Array(bytes));
const exactly = (length: number): fc.Arbitrary<Bytes> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => new Uint8Array(bytes));
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const size = fc.maxSafeNat();

describe('the wire', () => {
  test('numbers', () => {
    const second = fc.integer({ min: -MAX_SECONDS, max: MAX_SECONDS });
    fc.assert(
      fc.property(size, second, (value, signed) => {
        const reader = new Reader(
          new Writer().varint(value).signed(signed).view(),
          'frame_invalid',
        );
        expect([reader.varint(), reader.signed(), reader.left()]).toEqual([value, signed, 0]);
      }),
    );
  });

  test('a varint has one form', () => {
    fc.assert(
      fc.property(bytes(12), (given) => {
        const reader = new Reader(given, 'frame_invalid');
        const value = accepted(() => reader.varint());
        if (value !== undefined && value < Number.MAX_SAFE_INTEGER) {
          const again = new Writer().varint(value).view();
          expect(given.subarray(0, given.length - reader.left())).toEqual(new Uint8Array(again));
        }
      }),
    );
  });

  test('the furthest numbers and times', () => {
    const most = Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 255, 1);
    expect(new Reader(most, 'frame_invalid').varint()).toBe(Number.MAX_SAFE_INTEGER);
    expect(new Reader(most, 'frame_invalid').signed()).toBe(-MAX_SECONDS);
    const latest = new Reader(Uint8Array.of(254, ...most.subarray(1)), 'frame_invalid');
    expect(latest.signed()).toBe(MAX_SECONDS);
  });

  test('text keeps its byte order mark, and is strict', () => {
    expect(decodeText(encodeText('\ufeffa'))).toBe('\ufeffa');
    expect(decodeText(Uint8Array.of(0xed, 0xa0, 0x80))).toBeUndefined();
  });
});

describe('control messages', () => {
  const item = fc.oneof(
    fc.record({
      type: fc.constant('whole' as const),
      first: fc.nat(1000),
      count: fc.integer({ min: 1, max: 30 }),
    }),
    fc.record({
      type: fc.constant('part' as const),
      entry: u32,
      first: fc.nat(1000),
      count: fc.integer({ min: 1, max: 30 }),
    }),
  );
  const receiver: fc.Arbitrary<ReceiverMessage> = fc.oneof(
    fc.record({
      type: fc.constant('want' as const),
      request: u32,
      items: fc.array(item, { maxLength: 17 }),
    }),
    fc.record({
      type: fc.constant('progress' as const),
      credit: size,
      durable_bytes: size,
      durable_entries: size,
    }),
  );
  const sender: fc.Arbitrary<SenderMessage> = fc.oneof(
    fc.record({
      type: fc.constant('page' as const),
      index: u32,
      first_entry: u32,
      encoded: bytes(300),
    }),
    fc.record({
      type: fc.constant('totals' as const),
      pages: u32,
      entries: size,
      bytes: size,
      unreadable: size,
      complete: fc.boolean(),
    }),
  );

  test('what is written is read', () => {
    fc.assert(
      fc.property(receiver, sender, (up, down) => {
        expect(decodeReceiverMessage(encodeReceiverMessage(up))).toEqual(up);
        expect(decodeSenderMessage(encodeSenderMessage(down))).toEqual(down);
      }),
    );
  });

  test('any bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), bytes(80), (tag, rest) => {
        const given = Uint8Array.of(tag, ...rest);
        accepted(() => decodeReceiverMessage(given));
        accepted(() => decodeSenderMessage(given));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the manifest', () => {
  const name = fc.stringMatching(/^([a-c]{1,3}|[é水😀 .]{2,4}x)$/u);
  const kind: fc.Arbitrary<EntryKind> = fc.oneof(
    fc.record({
      type: fc.constant('file' as const),
      size: fc.maxSafeNat().map((size) => Math.min(size, MAX_FILE_SIZE)),
      executable: fc.boolean(),
    }),
    fc.constant({ type: 'directory' as const }),
    fc.record({ type: fc.constant('symlink' as const), target: fc.string({ unit: 'binary' }) }),
    fc.record({ type: fc.constant('unreadable' as const), reason: fc.constantFrom(...UNREADABLE) }),
  );
  const entry: fc.Arbitrary<Entry> = fc.record({
    path: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => parsePath(names.join('/'))),
    kind,
    mtime: fc.record({
      seconds: fc.integer({ min: -MAX_SECONDS, max: MAX_SECONDS }),
      nanos: fc.nat(999_999_999),
    }),
  });

  test('pages', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 600, size: 'max' }), (entries) => {
        const pages: Uint8Array[] = [];
        const builder = new PageBuilder();
        for (const entry of entries) {
          if (!builder.push(entry)) {
            pages.push(builder.take());
            expect(builder.push(entry)).toBe(true);
          }
        }
        pages.push(builder.take());
        expect(pages.every((page) => page.length <= MAX_PAGE_LEN)).toBe(true);
        expect(pages.flatMap(decodePage)).toEqual(entries);
      }),
      { numRuns: 40 },
    );
  });

  test('any bytes', () => {
    fc.assert(
      fc.property(fc.nat(3), bytes(120), (count, rest) => {
        accepted(() => decodePage(Uint8Array.of(count, ...rest)));
      }),
      { numRuns: 1000 },
    );
  });

  test('a path stays inside', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('.', '/', 'a', '\\', '\0', 'é') }), (text) => {
        const path = accepted(() => parsePath(text));
        if (path !== undefined) {
          expect(path.startsWith('/')).toBe(false);
          expect(pathNames(path).some((name) => ['', '.', '..'].includes(name))).toBe(false);
          expect([pathParent(path), pathName(path)].filter(Boolean).join('/')).toBe(path);
        }
      }),
    );
    for (const text of ['', '/a', '..', 'a/../b', 'a//b', 'a/', 'a\0']) {
      expect(accepted(() => parsePath(text))).toBeUndefined();
    }
    expect(accepted(() => parsePath('é'.repeat(513)))).toBeUndefined();
    expect(accepted(() => parsePath('é'.repeat(512)))).toBeDefined();
    expect(accepted(() => parsePath(new Array(513).fill('a').join('/')))).toBeUndefined();
  });

  test('symlinks that lead out are seen', () => {
    const link = parsePath('top/a/link');
    for (const inside of ['file', '../b', './x/../y', '../a/../b/c']) {
      expect(linkStaysInside(link, inside), inside).toBe(true);
    }
    const outside = ['/etc', '../..', '../../other', 'x/../../../y', '', 'C:\\x', 'c:x', '..\\x'];
    for (const target of outside) {
      expect(linkStaysInside(link, target), target).toBe(false);
    }
    expect(linkStaysInside(parsePath('link'), 'anything')).toBe(false);
  });
});

describe('records', () => {
  test('survive any cut', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 300 }), (lengths, cut) => {
        const headers = lengths.map((len, chunk) => ({ entry: 9, chunk, len }));
        const body = (len: number): number[] =>
          Array.from({ length: len + TAG_LEN }, (_, at) => at);
        const stream = headers.flatMap((header) => [...headerBytes(header), ...body(header.len)]);
        const reader = new RecordReader();
        const records = [];
        for (let at = 0; at < stream.length; at += cut) {
          const piece = { bytes: Uint8Array.from(stream.slice(at, at + cut)), at: 0 };
          while (piece.at < piece.bytes.length) {
            reader.readHeader(piece);
            const record = reader.readBody(piece);
            records.push(...(record === undefined ? [] : [record]));
          }
        }
        expect(reader.isAtBoundary()).toBe(true);
        expect(records.map((record) => record.header)).toEqual(headers);
        for (const record of records) {
          expect([...record.sealed]).toEqual(Array.from(Uint8Array.from(body(record.header.len))));
        }
      }),
    );
  });
});

test('ranges behave as a set', () => {
  const insert = fc.tuple(fc.nat(60), fc.nat(12));
  fc.assert(
    fc.property(fc.array(insert, { maxLength: 24 }), fc.nat(80), (inserts, total) => {
      const ranges = new Ranges();
      const model = new Set<number>();
      const numbers = (start: number, end: number): number[] =>
        Array.from({ length: Math.max(end - start, 0) }, (_, at) => start + at);
      for (const [start, length] of inserts) {
        ranges.insert({ start, end: start + length });
        numbers(start, start + length).forEach((chunk) => model.add(chunk));
      }
      const runs = [...ranges];
      const sorted = [...model].sort((a, b) => a - b);
      expect(runs.flatMap(({ start, end }) => numbers(start, end))).toEqual(sorted);
      expect(ranges.length).toBe(model.size);
      expect(numbers(0, 80).every((chunk) => ranges.contains(chunk) === model.has(chunk))).toBe(
        true,
      );
      const missing = ranges.missing(total).flatMap(({ start, end }) => numbers(start, end));
      expect(missing).toEqual(numbers(0, total).filter((chunk) => !model.has(chunk)));
      expect(runs.every(({ end }, at) => end < (runs[at + 1]?.start ?? Infinity))).toBe(true);
    }),
  );
});

describe('texts', () => {
  test('links turn into each other', () => {
    const parts = fc.record({
      share: exactly(16).map((bytes) => toId<ShareId>(bytes)),
      secret: exactly(16).map((bytes) => new LinkSecret(bytes)),
      sender: exactly(16),
      password: fc.boolean(),
      server: fc
        .constantFrom('https://a.example:8443', 'http://[fd00::2]:7575')
        .map((text) => ServerUrl.parse(text)),
    });
    fc.assert(
      fc.property(parts, (parts) => {
        const link = new Link(parts);
        for (const text of [link.toWeb(), link.toDeep()]) {
          const read = Link.parse(text);
          expect([read.toWeb(), read.share]).toEqual([link.toWeb(), link.share]);
        }
        // The secret does not print.
        expect(JSON.stringify(link)).not.toContain(link.toWeb().split('#')[1]);
        expect(JSON.stringify(link)).toContain('"secret":{}');
      }),
    );
  });

  test('any text', () => {
    const text = fc.stringMatching(/^(https?:\/\/|sluice:\/\/)?.{0,80}(\/s\/)?.{0,30}#?.{0,60}$/u);
    const summary = new SummaryKey(
      new LinkSecret(new Uint8Array(16)),
      toId<ShareId>(new Uint8Array(16)),
    );
    fc.assert(
      fc.property(text, fc.json(), (text, json) => {
        accepted(() => Link.parse(text));
        accepted(() => ServerUrl.parse(text));
        accepted(() => parseId<ShareId>(text, 16, 'link_invalid'));
        accepted(() => parseServerMessage(text));
        accepted(() => parseServerMessage(json));
        expect(summary.open(text)).toBeUndefined();
      }),
    );
  });
});

describe('any frames', () => {
  const context = {
    share: toId<ShareId>(new Uint8Array(16)),
    psk: new Key(new Uint8Array(32)),
    binding: new Uint8Array(32),
  };
  const keys = new SenderKeys(new Uint8Array(32).fill(4));
  const provider = pureProvider;
  const frame = fc
    .tuple(fc.constantFrom(1, 2, 3, 4), bytes(120))
    .map(([kind, body]) => build(kind as 1, body));

  test('to either session, from one that holds nothing', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 4 }), (frames) => {
        const receiver = new ReceiveSession(
          {
            context,
            sender: keys.hash(),
            name: '',
            seed: new Uint8Array(32),
            listFirst: false,
            provider,
          },
          0,
        );
        const sender = new SendSession(
          { context, keys, name: '', maxMessage: 65_536, seed: new Uint8Array(64), provider },
          0,
        );
        for (const frame of frames) {
          accepted(() => {
            receiver.handleMessage(frame, 0);
          });
          accepted(() => {
            sender.handleMessage(frame, 0);
          });
        }
        expect([receiver.pollEvent(), sender.pollEvent()]).toEqual([undefined, undefined]);
      }),
      { numRuns: 60 },
    );
  });
});

test('both providers make the same', async () => {
  const web = webProvider(crypto.subtle);
  await fc.assert(
    fc.asyncProperty(
      exactly(32),
      exactly(12),
      exactly(12),
      bytes(300),
      async (key, nonce, associated, plaintext) => {
        const sealed = await web.cipher(key).seal(nonce, associated, plaintext);
        expect(await pureProvider.cipher(key).seal(nonce, associated, plaintext)).toEqual(sealed);
        for (const provider of [web, pureProvider]) {
          const cipher = provider.cipher(key);
          expect(await cipher.open(nonce, associated, sealed)).toEqual(plaintext);
          const changed = sealed.slice();
          changed[sealed.length >> 1] = (sealed[sealed.length >> 1] ?? 0) ^ 1;
          expect(await cipher.open(nonce, associated, changed)).toBeUndefined();
        }
      },
    ),
  );
});
