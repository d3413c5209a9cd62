// The small drawings: the gate, a ring, a plot, a line of people.
import { render, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import Gate from './Gate.svelte';
import { plotArea, plotLine } from './plot';
import Progress from './Progress.svelte';
import Queue from './Queue.svelte';
import Ring from './Ring.svelte';

test('the gate has twenty slots, one of them open, and as many boats as are asked for', () => {
  const { container } = render(Gate, { boats: 7 });
  const heights = Array.from(container.querySelectorAll('rect'), (bar) =>
    Number(bar.getAttribute('height')),
  );
  expect(heights).toHaveLength(20);
  expect(heights.filter((height) => height < 13)).toHaveLength(1);
  expect(container.querySelectorAll('path')).toHaveLength(7);
  expect(container.querySelectorAll('path.far')).toHaveLength(2);
});

test('a ring is full of what it is given, and never fuller', () => {
  const offset = (part: number): number => {
    const { container } = render(Ring, { part });
    const fill = container.querySelector<SVGElement>('.fill');
    return Math.round(Number.parseFloat(fill?.style.strokeDashoffset ?? 'NaN'));
  };
  expect([offset(0.5), offset(1), offset(3)]).toEqual([64, 0, 0]);
  expect(render(Ring, { part: null }).container.querySelector('.fill')).toBeNull();
});

test('a plot ends at the right with the newest value', () => {
  expect(plotLine([5], 3, 100, 20)).toBe('');
  expect(plotLine([0, 10], 3, 100, 20)).toBe('M50 19L100 1');
  expect(plotLine([99, 0, 0, 10], 3, 100, 20)).toBe('M0 19L50 19L100 1');
  expect(plotArea([0, 10], 3, 100, 20)).toBe('M50 19L100 1L100 20L50 20Z');
  expect(plotLine([0, 0], 3, 100, 20)).toBe('M50 19L100 19');
});

test('a bar says how far it is', () => {
  render(Progress, { part: 0.379, label: 'Progress', text: '37%, 14 of 38 GB' });
  const bar = screen.getByRole('progressbar', { name: 'Progress' });
  expect([bar.getAttribute('aria-valuenow'), bar.getAttribute('aria-valuetext')]).toEqual([
    '37',
    '37%, 14 of 38 GB',
  ]);
});

test('a line draws no more marks than fit, and always the own', () => {
  const line = render(Queue, { waiting: 1000, own: 700, marks: 'people', label: '700 ahead' });
  expect(line.container.querySelectorAll('g')).toHaveLength(40);
  expect(line.container.querySelectorAll('g.own')).toHaveLength(1);
  const short = render(Queue, { waiting: 7, label: 'seven' });
  expect(short.container.querySelectorAll('g')).toHaveLength(7);
  expect(short.container.querySelectorAll('g.far')).toHaveLength(2);
});
