// The window over what a real shell told of a real share and a real download, event by event.
import { screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { recording } from './fake';
import { draw, settle, violations } from './testing';

test('a share, from its beginning to its first whole download', async () => {
  const { backend, container } = await draw();
  for (const event of recording('recorded-share')) {
    backend.play(event);
    await settle();
  }
  screen.getByRole('heading', { name: 'photos' });
  screen.getByText('7 items · 3.2 MB');
  expect(container.textContent).toMatch(/192\.168\.1\.20:7575\/s\//);
  expect(screen.getByRole('button', { name: /Lab/ }).textContent).toContain('Has everything');
  expect(await violations(container)).toEqual([]);
});

test('a download, from its link to its end', async () => {
  const { backend, session, container } = await draw();
  session.show('receive');
  for (const event of recording('recorded-download')) {
    backend.play(event);
    await settle();
  }
  screen.getByRole('heading', { name: 'All 7 items verified' });
  expect(container.textContent).toContain('~/Downloads');
  expect(await violations(container)).toEqual([]);
});
