// How long one waits is told from how its place has moved.
import { expect, test } from 'vitest';
import { Pace } from './pace';

test('a place that has moved tells how long it takes', () => {
  const pace = new Pace();
  expect(pace.handleAhead(10, 100_000)).toBeUndefined();
  expect(pace.handleAhead(10, 130_000)).toBeUndefined();
  // Two places in a minute: nine more take four and a half.
  expect(pace.handleAhead(8, 160_000)).toBe(270_000);
  expect(pace.handleAhead(0, 200_000)).toBe(10_000);
});

test('another place is watched from its own beginning', () => {
  const pace = new Pace();
  pace.handleAhead(3, 0);
  expect(pace.handleAhead(2, 10_000)).toBe(30_000);
  expect(pace.handleAhead(9, 20_000)).toBeUndefined();
  expect(pace.handleAhead(8, 24_000), 'too early to say').toBeUndefined();
  expect(pace.handleAhead(7, 30_000)).toBe(40_000);
  pace.forget();
  expect(pace.handleAhead(6, 40_000)).toBeUndefined();
});
