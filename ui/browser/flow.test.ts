// Rates and plots, as the desktop app counts them.
import { expect, test } from 'vitest';
import { Flow, PLOT_LEN, secondsLeft } from './flow';

test('an even flow has an even rate', () => {
  const flow = new Flow();
  for (let step = 0; step < 40; step += 1) {
    flow.handleBytes(250, 10_000 + step * 250);
  }
  expect(Math.abs(flow.rate(19_990) - 1000)).toBeLessThan(10);
  expect(flow.plot()).toEqual(new Array<number>(9).fill(1000));
});

test('leaps are smoothed, and a halt is seen within seconds', () => {
  const flow = new Flow();
  for (let second = 0; second < 10; second += 1) {
    flow.handleBytes(3000, second * 1000);
  }
  expect(flow.rate(9_500)).toBeGreaterThan(2500);
  expect(flow.rate(9_500)).toBeLessThan(4100);
  expect(flow.rate(11_000)).toBeGreaterThan(0);
  expect(flow.rate(14_000), 'though nobody told it of the time').toBe(0);
});

test('the first bytes are no flood', () => {
  const flow = new Flow();
  flow.handleBytes(1000, 5_000);
  expect(flow.rate(5_000)).toBe(2000);
  expect(flow.plot()).toEqual([]);
});

test('a plot ends after two minutes, and rests when all of it is still', () => {
  const flow = new Flow();
  for (let second = 0; second < 500; second += 1) {
    flow.handleBytes(7, second * 1000);
  }
  expect(flow.plot()).toEqual(new Array<number>(PLOT_LEN).fill(7));
  expect(flow.handleTime(560_000)).toBe(true);
  expect(flow.handleTime(560_500), 'no second was completed').toBe(false);
  expect(flow.plot().filter((bytes) => bytes === 0)).toHaveLength(60);
  flow.handleTime(700_000);
  expect(flow.plot()).toEqual([]);
  expect(flow.rate(700_000)).toBe(0);
});

test('time left is of what is left', () => {
  expect([secondsLeft(0, 0), secondsLeft(10, 0), secondsLeft(10, 3)]).toEqual([0, null, 4]);
});
