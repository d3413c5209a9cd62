// Which rows are in sight, in lists that fit into a box and in those that are higher than any.
import { expect, test } from 'vitest';
import { Scroll } from './scroll';

function scroll(count: number): Scroll {
  const scroll = new Scroll(32);
  scroll.resize(count, 320);
  return scroll;
}

/** The rows that are whole in sight, from what the box shows. */
function top(scroll: Scroll): number {
  return (scroll.boxTop - scroll.sight.origin) / 32;
}

test('a short list is as high as its rows and draws those in sight', () => {
  const short = scroll(100);
  expect(short.boxHeight).toBe(3200);
  expect(short.sight).toEqual({ first: 0, end: 14, origin: 0 });
  short.scrolled(1600);
  expect(short.sight).toEqual({ first: 46, end: 64, origin: 0 });
  short.scrolled(2880);
  expect(short.sight.end).toBe(100);
});

test('a list that shrinks is scrolled back to its end', () => {
  const shrinking = scroll(100);
  shrinking.scrolled(2880);
  shrinking.resize(20, 320);
  expect(shrinking.boxTop).toBe(320);
  shrinking.resize(3, 320);
  expect([shrinking.boxTop, shrinking.sight.first, shrinking.sight.end]).toEqual([0, 0, 3]);
});

test('a million rows have a box that every browser makes, and few rows are drawn', () => {
  const long = scroll(1_000_000);
  expect(long.boxHeight).toBeLessThan(16_000_000);
  for (const place of [0, 4_000_000, long.boxHeight - 320]) {
    long.scrolled(place);
    expect(long.sight.end - long.sight.first).toBeLessThan(20);
  }
  expect(long.sight.end).toBe(1_000_000);
  expect(top(long)).toBe(999_990);
});

test('a step of the wheel moves by its own pixels, a drag of the bar by the whole list', () => {
  const long = scroll(1_000_000);
  long.scrolled(64);
  long.scrolled(128);
  expect(top(long)).toBe(4);
  long.scrolled((long.boxHeight - 320) / 2);
  expect(Math.round(top(long))).toBe(499_995);
  const before = top(long);
  long.scrolled(long.boxTop + 32);
  expect(top(long)).toBeCloseTo(before + 1, 6);
});

test('the wheel reaches both ends, though the box ends earlier', () => {
  const long = scroll(1_000_000);
  long.scrolled(long.boxHeight - 320 - 5000);
  for (let steps = 0; steps < 2000 && top(long) < 999_990; steps += 1) {
    long.scrolled(Math.min(long.boxHeight - 320, long.boxTop + 120));
  }
  expect(top(long)).toBe(999_990);
  long.scrolled(5000);
  for (let steps = 0; steps < 2000 && top(long) > 0; steps += 1) {
    long.scrolled(Math.max(0, long.boxTop - 120));
  }
  expect(top(long)).toBe(0);
});

test('a row is brought into sight by the least movement', () => {
  const list = scroll(1000);
  list.reveal(5);
  expect(top(list)).toBe(0);
  list.reveal(10);
  expect(top(list)).toBe(1);
  list.reveal(999);
  expect(top(list)).toBe(990);
  list.reveal(2);
  expect(top(list)).toBe(2);
});
