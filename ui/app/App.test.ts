// The whole window: its places, its banners, and what axe says of every view.
import { fireEvent, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { draw, settle, violations } from './testing';
import { VIEWS } from './views';

test.each(Object.entries(VIEWS))('%s: axe finds nothing', async (_name, view) => {
  const { container, session } = await draw(
    view.play?.[0],
    view.play?.[1],
    view.fresh === true ? { history: [] } : {},
  );
  if (view.place !== undefined) {
    session.show(view.place);
    await settle();
  }
  for (const name of view.press ?? []) {
    await fireEvent.click(screen.getByRole('button', { name: new RegExp(name) }));
    await settle();
  }

  expect(await violations(container)).toEqual([]);
  expect(screen.getAllByRole('heading', { level: 1 })).toHaveLength(1);
  // The window's policy refuses style attributes and inline handlers in markup.
  expect(container.innerHTML).not.toMatch(/\son\w+="/);
});

test.each([
  ['the QR code', 'QR'],
  ['terms', 'Change'],
  ['receiver', /Ana/],
  ['end', 'End'],
])('the dialog of %s: axe finds nothing, and focus goes back', async (_name, button) => {
  const { container } = await draw('sharing', 8);
  const opener = screen.getByRole('button', { name: button });
  opener.focus();
  await fireEvent.click(opener);
  await settle();

  const dialog = screen.getByRole('dialog');
  expect(await violations(container)).toEqual([]);
  expect(dialog.contains(document.activeElement)).toBe(true);

  await fireEvent.click(screen.getByRole('button', { name: 'Close' }));
  await settle();
  expect(screen.queryByRole('dialog')).toBeNull();
  expect(document.activeElement).toBe(opener);
});

test('the rail leads to every place and says which one is in view', async () => {
  await draw();
  for (const [name, heading] of [
    ['Receive', 'Paste a link'],
    ['History', 'History'],
    ['Settings', 'Settings'],
    ['Share', 'Drop files or folders here'],
  ] as const) {
    const button = screen.getByRole('button', { name });
    await fireEvent.click(button);
    await settle();
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe(heading);
    expect(button.getAttribute('aria-current')).toBe('page');
  }
});

test('banners say what happened, lead to what helps, and go', async () => {
  const { session } = await draw('trouble');
  expect(session.banners).toHaveLength(3);
  screen.getByText(/goes to a public server without encryption/);

  await fireEvent.click(screen.getByRole('button', { name: 'Open another link' }));
  await settle();
  expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Paste a link');
  expect(session.banners).toHaveLength(2);

  await fireEvent.click(screen.getAllByRole('button', { name: 'Dismiss' })[0] ?? document.body);
  expect(session.banners).toHaveLength(1);
});

test('the window draws nothing of shares before the shell has told of them, and follows the language', async () => {
  const { session, backend } = await draw('sharing', 8);
  expect(document.documentElement.lang).toBe('en-GB');
  backend.play({
    event: 'settings',
    settings: { ...(session.settings ?? expect.fail()), language: 'de' },
  });
  await settle();
  expect(document.documentElement.lang).toBe('de');
  screen.getByRole('button', { name: 'Link kopieren' });
  screen.getByText('84,2 MB/s', { normalizer: (text) => text.replace('\u00a0', ' ') });
});
