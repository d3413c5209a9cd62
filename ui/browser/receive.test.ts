// The page that receives: every state says what it must, and every button asks for what it says.
import { fireEvent, screen, within } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { SENTENCES, type Code } from '../protocol/bindings';
import { CATALOGUES, Language } from '../shared/language.svelte';
import { RECEIVE_NAMES } from './fake';
import { LINK, RECEIVE_VIEWS, WAYS } from './fixtures/views';
import { drawBroken, drawReceive, settle, violations } from './testing';
import { sentence } from './views/sentence';

type Name = keyof typeof RECEIVE_VIEWS;

const SAYS: Record<Name, RegExp | string> = {
  ready: 'Somebody is sharing files with you',
  'ready-known': '1,204 items · 3.8 GB',
  'ready-resumable': 'Continue where you stopped: 1.2 GB of 4.0 GB are here.',
  password: 'This share asks for a password',
  'password-wrong': 'This password is wrong. Ask the person who sent the link.',
  joining: 'Asking the server for a place',
  waiting: '3 ahead of you; usually 4 minutes',
  'waiting-far': '1,312 ahead of you; how long is not known yet',
  'sender-away': /^The sender is away for now/,
  connecting: /^It is your turn/,
  listing: 'The sender’s list is coming: 640 of 1,204',
  choosing: /^Your slot is kept for [23]:\d\d while you choose\.$/,
  'choosing-again': 'Continue where you stopped: 1.2 GB of 4.0 GB are here.',
  'choosing-late': /^Your slot went to the next in line/,
  'choosing-memory':
    /It is lost if the page closes before you save it\. As one zip file\. At most 500\sMB\./,
  'choosing-too-much': /^3\.8\sGB is more than this browser can save/,
  'choosing-nothing': 'This browser can’t save files from a page. Open the link in Sluice.',
  downloading: '1.6 GB of 3.8 GB',
  paused: 'Paused',
  'paused-by-sender': /^The sender has paused/,
  retrying: /Another network may help\. Sluice connects again by itself\.$/,
  offline: /^This device is offline/,
  finishing: 'Everything is here and is being put in its place',
  done: 'All 1,204 items verified',
  'done-save': 'It is in this page. Save it before you close it.',
  'done-part': '1,199 items verified, 5 failed',
  failed: /^The disk is full/,
};

test('there is a view of every state', () => {
  expect(Object.keys(SAYS)).toEqual(RECEIVE_NAMES);
});

test.each(Object.entries(SAYS) as [Name, RegExp | string][])(
  '%s says where it stands, and axe finds nothing wrong',
  async (name, words) => {
    const { container } = await drawReceive(name);
    expect(screen.getAllByText(words).length).toBeGreaterThan(0);
    expect(await violations(document.body)).toEqual([]);
    expect(container.querySelectorAll('h1').length).toBe(1);
  },
);

test.each(Object.keys(CATALOGUES).flatMap((tag) => RECEIVE_NAMES.map((name) => [tag, name])))(
  'in %s, %s has no word that is missing',
  async (tag, name) => {
    await drawReceive(name as Name, { tag: tag ?? 'en' });
    expect(document.body.textContent).not.toMatch(
      /\{\w+\}|\b(page|error|receive|end|standing)\.\w/,
    );
    expect(document.documentElement.lang).toBe(tag);
  },
);

test('download here begins; nothing was asked before', async () => {
  const { receiving } = await drawReceive('ready');
  expect(receiving.calls).toEqual([]);
  await fireEvent.click(screen.getByRole('button', { name: 'Download here' }));
  expect(receiving.calls).toEqual([['begin']]);
});

test('the app is asked for in a frame; where none answers, it is said, and nothing fails', async () => {
  vi.useFakeTimers();
  try {
    await drawReceive('ready');
    await fireEvent.click(screen.getByRole('button', { name: 'Open in Sluice' }));
    const frame = document.querySelector('iframe');
    expect(frame?.getAttribute('src')).toBe(LINK.replace('https:', 'sluice:'));
    await vi.advanceTimersByTimeAsync(1600);
    screen.getByText(/^Nothing opened\?/);
    expect(document.querySelector('iframe')).toBeNull();
    expect(screen.queryByRole('alert')).toBeNull();
  } finally {
    vi.useRealTimers();
  }
});

test('an app that comes before the page is an answer', async () => {
  vi.useFakeTimers();
  try {
    await drawReceive('ready');
    await fireEvent.click(screen.getByRole('button', { name: 'Open in Sluice' }));
    window.dispatchEvent(new Event('blur'));
    await vi.advanceTimersByTimeAsync(1600);
    expect(screen.queryByText(/^Nothing opened\?/)).toBeNull();
    expect(document.querySelector('iframe')).toBeNull();
  } finally {
    vi.useRealTimers();
  }
});

test('a password is given', async () => {
  const { receiving } = await drawReceive('password');
  const field = screen.getByLabelText('This share asks for a password');
  await fireEvent.input(field, { target: { value: 'open sesame' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Continue' }));
  expect(receiving.calls).toEqual([['givePassword', 'open sesame']]);
});

test('the best way is chosen unless the person wants another, and each is said in words', async () => {
  const { receiving } = await drawReceive('choosing');
  const ways = screen.getAllByRole('radio');
  expect(ways.map((way) => (way as HTMLInputElement).checked)).toEqual([true, false, false]);
  const group = within(screen.getByRole('group', { name: 'How to save it' }));
  group.getByText(/Every file in its place.* You can close the page/);
  group.getByText(/while it comes\. As one zip file\. Keep this page open/);
  await fireEvent.click(screen.getByRole('button', { name: 'Download 3.8\u00a0GB' }));
  await fireEvent.click(ways[1] ?? expect.fail('there is one way'));
  await fireEvent.click(screen.getByRole('button', { name: 'Download 3.8\u00a0GB' }));
  await fireEvent.click(screen.getByRole('button', { name: 'None' }));
  expect(receiving.calls).toEqual([
    ['save', 'folder'],
    ['save', 'stream'],
    ['tickAll', false],
  ]);
});

test('a way that is too small for what is ticked can’t be chosen; one file is no zip', async () => {
  const stream = { ...RECEIVE_VIEWS.choosing, ways: [...WAYS.slice(1), MEMORY] };
  const { receiving } = await drawReceive(stream);
  expect(screen.getByLabelText<HTMLInputElement>(/^In the memory/).disabled).toBe(true);
  receiving.tell({ ...stream, chosen: { bytes: 1000, entries: 1 } });
  await settle();
  expect(screen.getByLabelText<HTMLInputElement>(/^In the memory/).disabled).toBe(false);
  expect(screen.queryByText(/zip/)).toBeNull();
  receiving.tell({ ...stream, chosen: { bytes: 0, entries: 0 } });
  await settle();
  const go = screen.getByRole<HTMLButtonElement>('button', { name: /^Download 0/ });
  expect(go.disabled).toBe(true);
});

const MEMORY = RECEIVE_VIEWS['choosing-memory'].ways[0] ?? expect.fail('there is no way');

test('a download is paused, resumed, and stopped with or without what has come', async () => {
  const { receiving } = await drawReceive('downloading');
  await fireEvent.click(screen.getByRole('button', { name: 'Pause' }));
  receiving.tell(RECEIVE_VIEWS.paused);
  await settle();
  await fireEvent.click(screen.getByRole('button', { name: 'Resume' }));
  for (const name of ['Stop and keep', 'Stop and delete']) {
    await fireEvent.click(screen.getByRole('button', { name: 'Stop' }));
    expect(await violations(document.body)).toEqual([]);
    await fireEvent.click(screen.getByRole('button', { name }));
    await settle();
  }
  expect(receiving.calls).toEqual([
    ['pause', true],
    ['pause', false],
    ['leave', false],
    ['leave', true],
  ]);
});

test('one who only waits goes without being asked', async () => {
  const { receiving } = await drawReceive('waiting');
  await fireEvent.click(screen.getByRole('button', { name: 'Stop' }));
  expect(receiving.calls).toEqual([['leave', false]]);
});

test('progress is in the title', async () => {
  const { receiving } = await drawReceive('downloading');
  expect(document.title).toBe('41% · Holiday photos · Sluice');
  receiving.tell(RECEIVE_VIEWS.ready);
  await settle();
  expect(document.title).toBe('Shared files · Sluice');
});

test('what the browser holds is handed over by a click', async () => {
  await drawReceive('done-save');
  const link = screen.getByRole('link', { name: 'Save Holiday photos.zip' });
  expect(link.getAttribute('download')).toBe('Holiday photos.zip');
});

test('what is not simply there is listed with the reason', async () => {
  await drawReceive('done-part');
  const rows = screen.getAllByRole('listitem').map((row) => row.textContent.replace(/\s+/g, ' '));
  expect(rows).toHaveLength(6);
  expect(rows[1]).toBe('Holiday photos/private.key Missing: the sender may not read it');
  expect(rows[5]).toBe('Holiday photos/aux.jpg Renamed to Holiday photos/aux_.jpg');
});

test.each(Object.keys(SENTENCES) as Code[])(
  '%s is a sentence that names nothing a page lacks, and can be tried again',
  async (code) => {
    const trouble = { code, detail: 'what the browser said' };
    const { receiving } = await drawReceive({
      ...RECEIVE_VIEWS.failed,
      state: { at: 'failed', trouble },
    });
    const alert = within(screen.getByRole('alert'));
    const words = alert.getByRole('heading').textContent;
    expect(words).toMatch(/\.$/);
    expect(words).not.toMatch(/settings/i);
    alert.getByText('what the browser said');
    await fireEvent.click(alert.getByRole('button', { name: 'Try again' }));
    expect(receiving.calls).toEqual([['retry']]);
  },
);

test.each(Object.keys(CATALOGUES))('in %s each code has a sentence of its own', (tag) => {
  const codes = Object.keys(SENTENCES) as Code[];
  const sentences = codes.map((code) => sentence(code, new Language(tag)));
  expect(new Set(sentences).size).toBe(codes.length);
});

test('what a page can’t promise stands at its foot, and more of it on plain HTTP', async () => {
  const { container } = await drawReceive('ready', { secure: false });
  const foot = within(container.querySelector('footer') ?? expect.fail('there is no foot'));
  foot.getByText(/^This page’s code comes from sluice\.example\..*It came over plain HTTP/);
  screen.getByText(/browsers then refuse to save into folders/);
});

test('a link that is damaged says so and asks nothing of anyone', async () => {
  await drawBroken({ at: 'broken', code: 'link_invalid' });
  within(screen.getByRole('alert')).getByText(/^This is not a Sluice link/);
  expect(await violations(document.body)).toEqual([]);
});
