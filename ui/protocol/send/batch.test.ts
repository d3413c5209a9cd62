// @vitest-environment node
// Batches: what is left out of one when an entry fails.
import { expect, test } from 'vitest';
import { MIN_MESSAGE_LEN } from '../bindings';
import { Key } from '../crypto';
import { pureProvider } from '../provider';
import { ReadBatch } from './batch';

test('an entry that fails is left out from there on, and said once', async () => {
  const pieces = [
    { entry: 1, chunk: 0, len: 5 },
    { entry: 2, chunk: 0, len: 6 },
    { entry: 2, chunk: 1, len: 7 },
    { entry: 3, chunk: 0, len: 8 },
    { entry: 4, chunk: 0, len: 9 },
  ];
  const key = new Key(new Uint8Array(32));
  const batch = new ReadBatch(pureProvider, key, 7, pieces, MIN_MESSAGE_LEN);
  const sealed = await batch.seal(({ entry, chunk, len }) =>
    // The third entry gives less than was asked for: it has shrunk.
    Promise.resolve(
      entry === 2 && chunk === 0 ? 'denied' : new Uint8Array(entry === 3 ? len - 1 : len),
    ),
  );

  expect([batch.length, sealed.request, sealed.plaintext]).toEqual([35, 7, 14]);
  expect(sealed.parts.map((part) => ('frame' in part ? part.frame.length : part))).toEqual([
    1 + 12 + 5 + 16,
    { entry: 2, failure: 'denied' },
    { entry: 3, failure: 'changed' },
    1 + 12 + 9 + 16,
  ]);
});
