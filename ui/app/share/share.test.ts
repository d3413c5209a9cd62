// The place for sharing: what is drawn of a share, and what its buttons ask of the shell.
import { fireEvent, screen, within } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { Language } from '../../shared/language.svelte';
import { recording, type FakeBackend } from '../fake';
import { draw, settle } from '../testing';
import { termsInWords } from './terms';

const open = {
  name: null,
  password: null,
  endsAt: null,
  downloads: null,
  limit: null,
  slots: null,
};

async function press(name: string | RegExp): Promise<void> {
  await fireEvent.click(screen.getByRole('button', { name }));
  await settle();
}

function asked(backend: FakeBackend): unknown[][] {
  return backend.calls.filter(([command]) => command !== 'subscribe');
}

test('empty: says what to drop, and shares files or a folder with no terms', async () => {
  const { backend, container } = await draw();
  expect(container.querySelectorAll('rect')).toHaveLength(20);
  await press('Choose files…');
  await press('Choose folder…');
  expect(asked(backend)).toEqual([
    ['shareFiles', open],
    ['shareFolder', open],
  ]);
  backend.play({ event: 'dragging', over: true });
  await settle();
  screen.getByRole('heading', { name: 'Let go to share' });
});

test('live: name, sums, terms, totals, and a tile a slot', async () => {
  const { container } = await draw('sharing', 8);
  screen.getByRole('heading', { name: 'Holiday photos' });
  screen.getByText('1,204 items · 38.2 GB');
  expect(container.querySelector('.reach')?.textContent).toMatch(
    /in this network · .* · password on/,
  );
  screen.getByText('84.2 MB/s');
  screen.getByText('12 of 20 slots');
  screen.getByRole('img', { name: /Speed over the last two minutes: now 84.2/ });

  const slots = within(screen.getByRole('list', { name: 'Slots' }));
  expect(slots.getAllByRole('listitem')).toHaveLength(20);
  const tiles = slots
    .getAllByRole('button')
    .map((tile) => tile.textContent.replaceAll(/\s+/g, ' ').trim());
  expect(tiles).toHaveLength(12);
  expect(tiles[0]).toMatch(/^68% Ana's laptop direct 9.1 MB\/s · 22 mins?$/);
  expect(tiles[2]).toMatch(/^Studio Mac .*Has everything$/);
  expect(tiles[4]).toMatch(/Jonas direct Paused$/);
  expect(tiles[7]).toMatch(/Lost, slot kept$/);
  expect(tiles[9]).toMatch(/2 items not sent$/);
  expect(tiles[11]).toMatch(/Choosing$/);
  slots.getByText('Slot 13, free');
  screen.getByText(/Nobody waits/);
});

test('a crowd: a thousand who wait are a few marks and a number', async () => {
  const { container } = await draw('crowd');
  screen.getByText('993 waiting');
  const line = screen.getByRole('img', { name: '5 next in line · 988 further back' });
  expect(line.querySelectorAll('g')).toHaveLength(40);
  expect(container.querySelectorAll('*').length).toBeLessThan(900);
});

test('a receiver beyond the last slot is still drawn when there are fewer slots', async () => {
  const { backend } = await draw('crowd');
  const [event] = recording('crowd');
  if (event?.event !== 'share') {
    expect.fail('the recording begins with a share');
  }
  backend.play({ event: 'share', view: { ...event.view, slots: 5 } });
  await settle();
  expect(within(screen.getByRole('list', { name: 'Slots' })).getAllByRole('listitem')).toHaveLength(
    20,
  );
});

test('the link is copied, and the button says so', async () => {
  const { backend } = await draw('sharing', 8);
  await press('Copy link');
  screen.getByRole('button', { name: 'Copied' });
  await press('QR');
  screen.getByRole('img', { name: 'QR code with the link of Holiday photos' });
  await press('Copy link for the app');
  expect(asked(backend)).toEqual([
    ['copyLink', 's1', false],
    ['qr', 's1'],
    ['copyLink', 's1', true],
  ]);
});

test('a link that could not be copied is not said to be', async () => {
  const { backend } = await draw('sharing', 8);
  backend.refusals.set('copyLink', { code: 'interrupted', detail: 'no clipboard' });
  await press('Copy link');
  screen.getByRole('button', { name: 'Copy link' });
  screen.getByText('no clipboard');
});

test('pause and resume, and end only after a question while people are at it', async () => {
  const { backend } = await draw('sharing', 8);
  await press('Pause');
  backend.play(...recording('sharing').slice(9, 10));
  await settle();
  await press('Resume');
  await press('End');
  screen.getByText(/^18 people are at it or wait/);
  await press('Go back');
  expect(screen.queryByRole('dialog')).toBeNull();
  await press('End');
  await fireEvent.click(within(screen.getByRole('dialog')).getByRole('button', { name: 'End' }));
  expect(asked(backend)).toEqual([
    ['pauseShare', 's1', true],
    ['pauseShare', 's1', false],
    ['endShare', 's1'],
  ]);
});

test('with nobody there, end asks nothing', async () => {
  const { backend } = await draw('sharing', 5);
  await press('End');
  expect(asked(backend)).toEqual([['endShare', 's1']]);
});

test('a tile opens: pause, limit, let go', async () => {
  const { backend } = await draw('sharing', 8);
  await press(/Ana's laptop/);
  const dialog = within(screen.getByRole('dialog', { name: "Ana's laptop" }));
  dialog.getByText('26.1 GB of 38.2 GB');
  await fireEvent.click(dialog.getByRole('button', { name: 'Pause' }));
  const limit = dialog.getByRole('spinbutton', { name: 'Speed limit for this receiver' });
  await fireEvent.change(limit, { target: { value: '2.5' } });
  await fireEvent.change(limit, { target: { value: '-1' } });
  await fireEvent.change(limit, { target: { value: '' } });
  await fireEvent.click(dialog.getByRole('button', { name: 'Let go' }));
  await settle();
  const id = 'AAAAAAAAAAAAAAAAAAAA00';
  expect(asked(backend)).toEqual([
    ['pauseReceiver', 's1', id, true],
    ['limitReceiver', 's1', id, 2_500_000],
    ['limitReceiver', 's1', id, null],
    ['letGo', 's1', id],
  ]);
  expect(screen.queryByRole('dialog')).toBeNull();
});

test('an open tile closes when its receiver has gone', async () => {
  const { backend } = await draw('sharing', 8);
  await press(/Ana's laptop/);
  backend.play(...recording('sharing').slice(4, 5));
  await settle();
  expect(screen.queryByRole('dialog')).toBeNull();
});

test('terms: what is not touched stays as it is', async () => {
  const { backend } = await draw('sharing', 8);
  await press('Change');
  await press('Save');
  const [, , terms] = asked(backend)[0] ?? [];
  expect(terms).toEqual({ ...open, password: '', endsAt: 1_764_000_000 + 6 * 86_400 });
});

test('terms: each of them can be changed, and a password is told to make a new link', async () => {
  const { backend } = await draw('sharing', 8);
  await press('Change');
  const dialog = within(screen.getByRole('dialog'));
  await fireEvent.input(dialog.getByRole('textbox', { name: 'Name that receivers see' }), {
    target: { value: 'Lisbon ' },
  });
  expect(dialog.queryByText(/makes a new link/)).toBeNull();
  await fireEvent.input(dialog.getByLabelText('Password'), { target: { value: 'tide' } });
  await settle();
  dialog.getByText(/makes a new link/);
  await fireEvent.change(dialog.getByRole('combobox', { name: 'Ends' }), {
    target: { value: 'never' },
  });
  await fireEvent.input(dialog.getByRole('spinbutton', { name: /Whole downloads/ }), {
    target: { value: '3' },
  });
  await fireEvent.change(dialog.getByRole('spinbutton', { name: /Speed limit/ }), {
    target: { value: '10' },
  });
  await fireEvent.input(dialog.getByRole('spinbutton', { name: 'At the same time' }), {
    target: { value: '5' },
  });
  await press('Save');
  expect(asked(backend)).toEqual([
    [
      'setTerms',
      's1',
      { name: 'Lisbon', password: 'tide', endsAt: null, downloads: 3, limit: 10_000_000, slots: 5 },
    ],
  ]);
});

test('terms in words', () => {
  const english = new Language('en');
  expect(termsInWords(open, english, 0)).toBe('no end set · no password');
  const all = { ...open, password: '', endsAt: 6 * 86_400, downloads: 1, limit: 2_000_000 };
  expect(termsInWords(all, english, 0)).toBe(
    'ends in 6 days · ends after 1 download · password on · at most 2.0\u00a0MB/s',
  );
});

test('a server that is lost is said, and the share goes on', async () => {
  await draw('sharing', 11);
  screen.getByText(/^The server can’t be reached\. .* Transfers go on/);
  expect(screen.getAllByRole('listitem').length).toBeGreaterThan(20);
});

test('an ended share can be shared again or removed', async () => {
  const { backend } = await draw('share-ends', 2);
  screen.getByText('3 whole downloads, 115 GB sent.');
  await press('Share again');
  await press('Remove');
  expect(asked(backend)).toEqual([
    ['restartShare', 's1'],
    ['removeShare', 's1'],
  ]);
});

test('of several shares each can be brought into view', async () => {
  const { backend } = await draw('sharing', 5);
  const [event] = recording('crowd');
  if (event?.event !== 'share') {
    expect.fail('the recording begins with a share');
  }
  backend.play({ event: 'share', view: { ...event.view, id: 's2' } });
  await settle();
  screen.getByRole('heading', { name: 'Release 4.2 images' });
  await press('Holiday photos');
  screen.getByRole('heading', { name: 'Holiday photos' });
  expect(screen.getByRole('button', { name: 'Holiday photos' }).getAttribute('aria-current')).toBe(
    'true',
  );
});

test('a receiver slides into its slot once; those who were there before do not', async () => {
  const slides = vi.fn();
  Object.defineProperty(HTMLElement.prototype, 'animate', { configurable: true, value: slides });
  vi.spyOn(window, 'matchMedia').mockImplementation(
    (media) => Object.assign(new EventTarget(), { media, matches: false }) as MediaQueryList,
  );
  const { backend } = await draw('sharing', 8);
  expect(slides).not.toHaveBeenCalled();

  const event = recording('sharing')[7];
  const known = event?.event === 'share' ? event.view.receivers[0] : undefined;
  if (event?.event !== 'share' || known === undefined) {
    expect.fail('the recording has receivers there');
  }
  for (const bytes of [0, 1_000_000]) {
    const arrived = { ...known, id: 'BBBBBBBBBBBBBBBBBBBBBB', slot: 15, bytes };
    const receivers = [...event.view.receivers, arrived];
    backend.play({ event: 'share', view: { ...event.view, receivers } });
    await settle();
  }
  expect(slides).toHaveBeenCalledTimes(1);
  vi.restoreAllMocks();
});
