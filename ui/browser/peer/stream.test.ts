// Event streams are read as the standard says, wherever their bytes are cut.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeText } from '../../protocol/bytes';
import { ProtocolError } from '../../protocol/error';
import { EventReader, type Item } from './stream';

const read = (text: string): Item[] =>
  new EventReader().handleBytes(new Uint8Array(encodeText(text)));
const event = (name: string, data: string, id: string): Item => ({ type: 'event', name, data, id });

test('a stream is read as the standard says', () => {
  expect(read('event: place\nid: f9\ndata: {"a":1}\n\n:\n\nretry: 500\n\n')).toEqual([
    event('place', '{"a":1}', 'f9'),
    { type: 'comment' },
    { type: 'retry', ms: 500 },
  ]);
  // The examples of the standard.
  expect(read('data: YHOO\ndata: +2\ndata: 10\n\n')).toEqual([
    event('message', 'YHOO\n+2\n10', ''),
  ]);
  expect(
    read(
      ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n',
    ),
  ).toEqual([
    { type: 'comment' },
    event('message', 'first event', '1'),
    event('message', 'second event', ''),
    event('message', ' third event', ''),
  ]);
  expect(read('data\n\ndata\ndata\n\ndata:')).toEqual([
    event('message', '', ''),
    event('message', '\n', ''),
  ]);
});

test.each(['\n', '\r', '\r\n'])('lines end with %j, and a mark at the start is nothing', (end) => {
  const text = '\ufeffevent: a\nid: 1\ndata: x\n\ndata: y\n\n'.replaceAll('\n', end);
  expect(read(text)).toEqual([event('a', 'x', '1'), event('message', 'y', '1')]);
});

test('what means nothing is passed over', () => {
  const text = 'other: x\nevent: a\n\nid: a\0b\nretry: soon\nretry:\nretry: -1\ndata: x\n\n';
  expect(read(text)).toEqual([event('message', 'x', '')]);
});

test('what has no end is refused', () => {
  expect(() => read('a'.repeat(65_537))).toThrow(ProtocolError);
  expect(() => read(`data:${'x'.repeat(32_768)}\n`.repeat(3))).toThrow(ProtocolError);
});

test('where the bytes are cut does not matter', () => {
  const line = fc.tuple(
    fc.constantFrom('data', 'event', 'id', 'retry', 'x', ''),
    fc.constantFrom(':', ': ', ''),
    fc.constantFrom('', 'a', '12', 'é', '\0', '💧'),
    fc.constantFrom('\r\n', '\n', '\r', '\n\n', '\r\r'),
  );
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
      const bytes = encodeText(lines.map((parts) => parts.join('')).join(''));
      const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort(
        (a, b) => a - b,
      );
      const reader = new EventReader();
      const parts = ends.flatMap((end, at) =>
        reader.handleBytes(bytes.slice(ends[at - 1] ?? 0, end)),
      );
      expect(parts).toEqual(new EventReader().handleBytes(bytes));
    }),
  );
});
