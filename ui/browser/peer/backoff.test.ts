// Pauses grow, are spread, and no server can send a client away for good.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Backoff, FIRST_RETRY_MS, LAST_RETRY_MS, spread } from './backoff';

test('pauses double up to the longest, until something has worked for a while', () => {
  const backoff = new Backoff();
  const pauses = [0, 1, 2, 3, 4, 5, 6].map((now) => backoff.handleFailure(now, undefined, 0.5));
  expect(pauses).toEqual([250, 500, 1000, 2000, 4000, LAST_RETRY_MS, LAST_RETRY_MS]);
  backoff.handleSuccess(100);
  expect(backoff.handleFailure(9_000, undefined, 0.5)).toBe(LAST_RETRY_MS);
  backoff.handleSuccess(10_000);
  backoff.handleSuccess(19_999);
  expect(backoff.handleFailure(20_000, undefined, 0.5)).toBe(FIRST_RETRY_MS);
});

test('a server that asks for a rest gets it, within reason', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(), (jitter, rest) => {
      const pause = new Backoff().handleFailure(0, rest, jitter);
      expect(pause).toBeGreaterThanOrEqual(Math.min(rest, 300_000));
      expect(pause).toBeLessThan(301_000);
    }),
  );
});

test('pauses are spread', () => {
  expect(spread(1000, 0)).toBe(500);
  expect(spread(1000, 0.999)).toBeGreaterThan(1000);
  expect(spread(1000, 7)).toBe(1500);
});
