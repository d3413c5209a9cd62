// The place for receiving, from the link to the end.
import { fireEvent, screen, within } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import { Language } from '../../shared/language.svelte';
import { recording, type FakeBackend } from '../fake';
import { draw, settle } from '../testing';
import { outcomeOf, SKIPS } from './report';

const link = 'https://sluice.example.org/s/Qm3xT9vLrW2kNbYd0hZcAw#b3Rk9sQ1uXc0m8eW7pLf';

afterEach(() => {
  vi.useRealTimers();
});

async function press(name: string | RegExp): Promise<void> {
  await fireEvent.click(screen.getByRole('button', { name }));
  await settle();
}

function asked(backend: FakeBackend): unknown[][] {
  return backend.calls.filter(([command]) => command !== 'subscribe');
}

async function linkBox(): Promise<FakeBackend> {
  const { backend, session } = await draw();
  session.show('receive');
  await settle();
  return backend;
}

test('a link is typed and opened; one that is none is said to be none', async () => {
  const backend = await linkBox();
  const field = screen.getByRole('textbox', { name: 'Link' });
  expect(screen.getByRole('button', { name: 'Open' })).toHaveProperty('disabled', true);
  backend.refusals.set('openLink', { code: 'link_invalid', detail: null });
  await fireEvent.input(field, { target: { value: ' nonsense ' } });
  await press('Open');
  screen.getByText(/This is not a Sluice link/);
  expect(field.getAttribute('aria-invalid')).toBe('true');

  await fireEvent.input(field, { target: { value: link } });
  expect(field.getAttribute('aria-invalid')).toBe('false');
  await press('Open');
  expect(asked(backend)).toEqual([
    ['openLink', 'nonsense'],
    ['openLink', link],
  ]);
});

test.each(['paste', 'drop'])('a link is opened by %s', async (way) => {
  const backend = await linkBox();
  const data = { getData: () => link };
  if (way === 'paste') {
    await fireEvent.paste(document.body, { clipboardData: data });
  } else {
    const target = screen.getByRole('region', { name: 'Paste a link' });
    await fireEvent(target, Object.assign(new Event('drop'), { dataTransfer: data }));
  }
  await settle();
  expect(asked(backend)).toEqual([['openLink', link]]);
});

test('what is pasted into a typed text stays a part of it', async () => {
  const backend = await linkBox();
  const field = screen.getByRole('textbox', { name: 'Link' });
  await fireEvent.input(field, { target: { value: 'https://' } });
  await fireEvent.paste(field, { clipboardData: { getData: () => 'x' } });
  expect(asked(backend)).toEqual([]);
});

test.each([
  [2, '27 ahead of you; how long is not known yet', 28],
  [3, '3 ahead of you; usually 4 minutes', 4],
  [5, 'You are next; usually 1 minute', 1],
])('in line: event %d says "%s"', async (events, words, people) => {
  await draw('receiving', events);
  const line = screen.getByRole('img', { name: words });
  expect(line.querySelectorAll('g')).toHaveLength(people);
  expect(line.querySelectorAll('g.own')).toHaveLength(1);
});

test.each([
  [1, /Asking the server/],
  [4, /The sender is away for now/],
  [6, /It is your turn/],
  [13, /The sender has paused/],
  [14, /No connection to the other side .* connects again by itself/],
])('event %d of a download is said in words', async (events, words) => {
  await draw('receiving', events);
  screen.getByText(words);
});

test('before the turn, all of it can be asked for', async () => {
  const { backend } = await draw('receiving', 3);
  await press(/^Download 38.2.GB when it is your turn$/);
  expect(asked(backend)).toEqual([['startDownload', 'd1']]);
});

test('choosing: a tree to tick, a folder, what happens to files, and the slot that is kept', async () => {
  vi.useFakeTimers({ now: 1_764_000_000_000, toFake: ['Date', 'setInterval', 'clearInterval'] });
  const { backend } = await draw('receiving', 8);
  screen.getByText('1,204 of 1,204 items chosen · 38.2 GB');
  screen.getByText(/can’t read 2 entries/);
  expect(screen.getByRole('timer').textContent.trim()).toBe(
    'Your slot is kept for 1:43 while you choose.',
  );
  vi.advanceTimersByTime(4000);
  await settle();
  expect(screen.getByRole('timer').textContent).toContain('1:39');

  const tree = screen.getByRole('tree', { name: 'Files and folders' });
  expect(within(tree).getAllByRole('treeitem')).toHaveLength(13);
  await fireEvent.keyDown(tree, { key: 'ArrowDown' });
  await settle();
  await fireEvent.keyDown(tree, { key: ' ' });
  await settle();
  await press('None');
  await press('All');
  await press('Change…');
  await fireEvent.change(screen.getByRole('combobox', { name: /already there/ }), {
    target: { value: 'skip' },
  });
  screen.getByText('512 GB free');
  await press(/^Download 38.2.GB$/);
  expect(asked(backend)).toEqual([
    ['tickRow', 'd1', 1, false],
    ['tickAll', 'd1', false],
    ['tickAll', 'd1', true],
    ['chooseFolder', 'd1'],
    ['setConflict', 'd1', 'skip'],
    ['startDownload', 'd1'],
  ]);

  vi.advanceTimersByTime(100_000);
  await settle();
  screen.getByText(/Your slot went to the next in line/);
});

test('too little room is said, and nothing ticked is nothing to download', async () => {
  const { backend } = await draw('receiving', 8);
  const event = recording('receiving')[7];
  if (event?.event !== 'download') {
    expect.fail('the recording has a download here');
  }
  backend.play({
    event: 'download',
    view: { ...event.view, free: 8_200_000_000, chosen: { entries: 1204, bytes: 38_200_000_000 } },
  });
  await settle();
  screen.getByText('30.0 GB too little room in this folder');
  backend.play({ event: 'download', view: { ...event.view, chosen: { entries: 0, bytes: 0 } } });
  await settle();
  expect(screen.getByRole('button', { name: /^Download 0.B$/ })).toHaveProperty('disabled', true);
});

test('downloading: how far, how fast, how long still, and which file', async () => {
  const { backend } = await draw('receiving', 11);
  const bar = screen.getByRole('progressbar');
  expect(bar.getAttribute('aria-valuenow')).toBe('37');
  screen.getByText('14.1 GB of 38.2 GB');
  screen.getByText('44.7 MB/s');
  screen.getByText(/^9 mins? 35 secs? left$/);
  screen.getByText('Holiday photos/2024/Lisbon/IMG_4445.jpg');
  await press('Pause');
  backend.play(...recording('receiving').slice(11, 12));
  await settle();
  await press('Resume');
  await press('Stop');
  screen.getByText(/What is verified stays on your disk/);
  await fireEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'Stop' }));
  expect(asked(backend)).toEqual([
    ['pauseDownload', 'd1', true],
    ['pauseDownload', 'd1', false],
    ['removeDownload', 'd1'],
  ]);
});

test('the end: all is verified, where it is, and what was otherwise', async () => {
  const { backend } = await draw('receiving', 16);
  screen.getByRole('heading', { name: 'All 1,204 items verified' });
  const reports = within(screen.getByRole('list', { name: '3 items renamed, skipped or missing' }));
  expect(
    reports.getAllByRole('listitem').map((item) => item.textContent.replaceAll(/\s+/g, ' ').trim()),
  ).toEqual([
    'Holiday photos/2024/aux.txt Renamed to Holiday photos/2024/aux_.txt',
    'Holiday photos/2024/Lisbon/IMG_4021.jpg Skipped: the same file is already there',
    'Holiday photos/private Missing: the sender may not read it',
  ]);
  await press('Show in folder');
  await press('Remove');
  expect(asked(backend)).toEqual([
    ['showDownload', 'd1'],
    ['removeDownload', 'd1'],
  ]);
});

test('an end with failures does not say that all is well, and can be tried again', async () => {
  const { backend } = await draw('trouble', 4);
  screen.getByRole('heading', { name: '1,202 items verified, 2 failed' });
  await press('Try again');
  expect(asked(backend)).toEqual([['retryDownload', 'd1']]);
});

test('a password is asked for, given, and forgotten by the window', async () => {
  const { backend } = await draw('trouble', 1);
  const field = screen.getByLabelText('This share asks for a password');
  await fireEvent.input(field, { target: { value: 'tide' } });
  await press('Continue');
  expect(asked(backend)).toEqual([['givePassword', 'd1', 'tide']]);
  expect(field).toHaveProperty('value', '');
  backend.play(...recording('trouble').slice(1, 2));
  await settle();
  screen.getByText(/This password is wrong/);
});

test('each reason to skip an entry has words, and an unknown one stands as it came', () => {
  const english = new Language('en');
  for (const detail of SKIPS) {
    expect(outcomeOf({ path: 'a', outcome: 'skipped', detail }, english)).toMatch(
      /^(Skipped|Missing): /,
    );
  }
  expect(outcomeOf({ path: 'a', outcome: 'skipped', detail: 'new_reason' }, english)).toBe(
    'new_reason',
  );
  expect(outcomeOf({ path: 'a', outcome: 'failed', detail: 'new_code' }, english)).toBe('new_code');
});
