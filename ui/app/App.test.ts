// The window's view, drawn in jsdom.
import { render, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import App from './App.svelte';

test('says in one sentence how to share today', () => {
  render(App);

  expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Sluice');
  const sentences = screen.getAllByText(/sluice send/);
  expect(sentences.map((sentence) => sentence.tagName)).toEqual(['CODE']);
});

test('draws twenty slots, one of them open', () => {
  const { container } = render(App);

  const heights = Array.from(container.querySelectorAll('rect'), (bar) =>
    Number(bar.getAttribute('height')),
  );
  expect(heights).toHaveLength(20);
  expect(heights.filter((height) => height < 13)).toHaveLength(1);
});
