// A place is handed from one page to the next, once.
import { expect, test } from 'vitest';
import { toId } from '../../protocol/id';
import type { PeerId, ShareId } from '../../protocol/id';
import { forget, keep, takeKept } from './keep';

const share = toId<ShareId>(new Uint8Array(16).fill(1));
const peer = toId<PeerId>(new Uint8Array(16).fill(2));

test('a reload takes the place of the page before, once and in time', () => {
  keep(share, { peer, ticket: 'ticket', attempt: 3 }, 1000);
  expect(takeKept(share, 20_999)).toEqual({ peer, ticket: 'ticket', attempt: 3, isFresh: true });
  expect(takeKept(share, 20_999)).toBeUndefined();
  keep(share, { peer, ticket: undefined, attempt: 0 }, 1000);
  expect(takeKept(share, 21_000)?.isFresh).toBe(false);
  keep(share, { peer, ticket: undefined, attempt: 0 }, 1000);
  forget(share);
  expect(takeKept(share, 1000)).toBeUndefined();
});

test.each(['', 'null', '{}', '{"peer":"x"}', '[1]'])('%j in the storage is nothing', (text) => {
  sessionStorage.setItem(`sluice.place.${share}`, text);
  expect(takeKept(share, 0)).toBeUndefined();
});
