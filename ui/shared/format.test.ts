// Numbers, durations and dates as they are written.
import { expect, test } from 'vitest';
import { count, countdown, duration, measure, moment, percent, relative } from './format';

test.each([
  [0, '0', 'byte'],
  [999, '999', 'byte'],
  [1000, '1', 'kilobyte'],
  [999_499, '999', 'kilobyte'],
  [999_500, '1.0', 'megabyte'],
  [4_200_000, '4.2', 'megabyte'],
  [99_940_000, '99.9', 'megabyte'],
  [99_960_000, '100', 'megabyte'],
  [38_200_000_000, '38.2', 'gigabyte'],
  [9_007_199_254_740_991, '9.0', 'petabyte'],
  [-5, '0', 'byte'],
])('%d bytes are %s of a %s', (bytes, value, unit) => {
  expect(measure('en', bytes)).toEqual({ value, unit });
});

test('percents are all only when all is there', () => {
  expect([0, 0.004, 0.37, 0.9999, 1, 2].map((part) => percent('en', part))).toEqual([
    '0%',
    '0%',
    '37%',
    '99%',
    '100%',
    '100%',
  ]);
  expect(count('de', 1_000_000)).toBe('1.000.000');
});

test.each([
  [0, '0 sec'],
  [59.4, '59 sec'],
  [60, '1 min'],
  [203, '3 min 25 sec'],
  [598, '10 min'],
  [599, '10 min'],
  [600, '10 min'],
  [3599, '1 hr'],
  [3600 + 120, '1 hr 2 min'],
  [47 * 3600, '47 hr'],
  [72 * 3600, '3 days'],
])('%d seconds are %s', (seconds, text) => {
  expect(duration('en', seconds)).toBe(text);
});

test('durations in words have no seconds behind minutes', () => {
  expect(duration('en', 235, 'long')).toBe('4 minutes');
  expect(duration('de', 235, 'long')).toBe('4 Minuten');
});

test('times are seen from now', () => {
  const now = 1_764_000_000;
  const day = 86_400;
  expect([6 * day, 5 * 3600, 600].map((ahead) => relative('en', now + ahead, now))).toEqual([
    'in 6 days',
    'in 5 hours',
    'in 10 minutes',
  ]);
  expect(relative('fr', now + 6 * day, now)).toBe('dans 6 jours');
  expect(moment('en', now, now)).toMatch(/^\d+:\d\d/);
  expect(moment('en', now - 40 * day, now)).toMatch(/^Oct 1\d, 2025$/);
});

test('a countdown has minutes and seconds, and stops at nothing', () => {
  expect([103, 59.2, 0, -4].map(countdown)).toEqual(['1:43', '1:00', '0:00', '0:00']);
});
