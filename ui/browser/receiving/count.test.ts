// What is chosen, there already and received is counted apart.
import { expect, test } from 'vitest';
import { CHUNK_SIZE, type Entry, type Totals } from '../../protocol/bindings';
import { parsePath } from '../../protocol/path';
import { Count } from './count';

const file = (path: string, size: number): Entry => ({
  path: parsePath(path),
  kind: { type: 'file', size, executable: false },
  mtime: { seconds: 0, nanos: 0 },
});
const totals = (pages: number, complete = true): Totals => ({
  pages,
  entries: 50,
  bytes: 5000,
  unreadable: 0,
  complete,
});
const nothing = { bytes: 0, entries: 0 };

test('what is there already is no part of what comes', () => {
  const count = new Count();
  count.handleTotals(totals(1));
  const size = 2 * CHUNK_SIZE + 10;
  const entries = [file('a', size), file('b', 7), file('c', 100)];
  // The last chunk of one, all of none, and one that is not chosen.
  const wants = [{ entry: 20, ranges: [{ start: 1, end: 3 }] }];
  count.handlePlanned(20, entries, (path) => path !== 'c', wants);
  expect(count.progress(nothing)).toMatchObject({
    bytes: CHUNK_SIZE + 7,
    totalBytes: size + 7,
    totalEntries: 2,
    complete: true,
    current: null,
  });
  count.handleReceived(CHUNK_SIZE);
  count.handleWritten(20, false);
  expect(count.progress({ bytes: 5, entries: 1 })).toMatchObject({
    bytes: 2 * CHUNK_SIZE + 7,
    durableBytes: 5,
    entries: 1,
    current: 'a',
  });
  count.handleReceived(10);
  count.handleWritten(20, true);
  count.handleEnd();
  expect(count.progress(nothing)).toMatchObject({ bytes: size + 7, current: null });
});

test('until all is planned the total is a guess, and the better one of two', () => {
  const count = new Count();
  count.handleTotals(totals(2));
  count.handlePlanned(0, [file('a', 3000)], () => true, []);
  expect(count.total('bytes')).toBe(5000);
  expect(count.progress(nothing).complete).toBe(false);
  count.handleCounted({ bytes: 4000, entries: 4 });
  expect([count.total('bytes'), count.total('entries')]).toEqual([4000, 4]);
  count.handlePlanned(1, [file('b', 2000)], () => true, []);
  expect([count.total('bytes'), count.total('entries')]).toEqual([5000, 2]);
});
