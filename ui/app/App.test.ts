// The whole window: its places, its banners, and what axe says of every view.
import { fireEvent, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { draw, settle, violations } from './testing';

const views: [
  name: string,
  recording: string | undefined,
  events: number | undefined,
  place?: 'history' | 'settings' | 'receive',
][] = [
  ['share, empty', undefined, undefined],
  ['share, dragging', 'sharing', 1],
  ['share, starting', 'sharing', 3],
  ['share, counting', 'sharing', 4],
  ['share, live', 'sharing', 8],
  ['share, paused', 'sharing', 10],
  ['share, server lost', 'sharing', 11],
  ['share, crowded', 'crowd', undefined],
  ['share, ended', 'share-ends', 2],
  ['share, failed', 'share-ends', 4],
  ['receive, empty', undefined, undefined, 'receive'],
  ['receive, joining', 'receiving', 1],
  ['receive, waiting far', 'receiving', 2],
  ['receive, waiting near', 'receiving', 3],
  ['receive, sender away', 'receiving', 4],
  ['receive, connecting', 'receiving', 6],
  ['receive, choosing', 'receiving', 8],
  ['receive, slot given up', 'receiving', 9],
  ['receive, downloading', 'receiving', 11],
  ['receive, paused', 'receiving', 12],
  ['receive, paused by the sender', 'receiving', 13],
  ['receive, retrying', 'receiving', 14],
  ['receive, done', 'receiving', 16],
  ['receive, password', 'trouble', 2],
  ['receive, failed', 'trouble', 3],
  ['receive, done but for some', 'trouble', 4],
  ['banners over settings', 'trouble', undefined],
  ['history', undefined, undefined, 'history'],
  ['settings', undefined, undefined, 'settings'],
];

test.each(views)('%s: axe finds nothing', async (_name, recording, events, place) => {
  const { container, session } = await draw(recording, events);
  if (place !== undefined) {
    session.show(place);
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
