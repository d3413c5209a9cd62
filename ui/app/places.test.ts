// History and settings: what they show, and what they ask of the shell.
import { fireEvent, screen, within } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { HistoryItem, Place } from './bindings';
import type { Answers } from './fake';
import history from './fixtures/history.json';
import { draw, settle, type Drawn } from './testing';

async function at(place: Place, answers: Partial<Answers> = {}): Promise<Drawn> {
  const drawn = await draw(undefined, undefined, answers);
  drawn.session.show(place);
  await settle();
  return drawn;
}

function saved({ backend }: Drawn): unknown[] {
  return backend.calls
    .filter(([command]) => command === 'saveSettings')
    .map(([, change]) => change);
}

test('the history has the newest first, with how it went', async () => {
  await at('history', { history: [...history].reverse() });
  const items = within(screen.getByRole('list', { name: 'History' })).getAllByRole('listitem');
  const texts = items.map((item) => item.textContent.replaceAll(/\s+/g, ' ').trim());
  expect(texts[0]).toMatch(/^Shared Holiday photos 1,204 items · 38.2 GB · .* 23 done$/);
  expect(texts[3]).toMatch(/^Received Field recordings .* The sender is gone$/);
  expect(screen.getAllByRole('button', { name: /^Show .* in folder$/ })).toHaveLength(3);
});

test('an item is shown, forgotten, and after a question all are', async () => {
  const { backend } = await at('history');
  await fireEvent.click(screen.getByRole('button', { name: 'Show Release 4.2 images in folder' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Forget Thesis' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Forget all' }));
  await settle();
  await fireEvent.click(
    within(screen.getByRole('dialog')).getByRole('button', { name: 'Forget all' }),
  );
  await settle();
  const asked = backend.calls.filter(([command]) => /History$/.test(command));
  expect(asked).toEqual([
    ['showHistory', 'h1'],
    ['forgetHistory', 'h2'],
    ['forgetHistory', null],
  ]);
});

test('an empty history says what will be there, and a new line is asked for when it comes', async () => {
  const items: HistoryItem[] = [];
  const { backend } = await at('history', { history: items });
  screen.getByRole('heading', { name: 'Nothing yet' });
  items.push(...history);
  backend.play({ event: 'history' });
  await settle();
  expect(screen.getAllByRole('listitem')).toHaveLength(5);
});

test('ten thousand lines of history are few in the page', async () => {
  const many = Array.from({ length: 10_000 }, (_, index) => ({
    ...(history[0] ?? expect.fail()),
    id: String(index),
  }));
  await at('history', { history: many });
  expect(screen.getAllByRole('listitem').length).toBeLessThan(20);
});

test('each setting is kept as it is changed, and nothing else with it', async () => {
  const drawn = await at('settings');
  const field = (name: string | RegExp, role = 'spinbutton'): HTMLElement =>
    screen.getByRole(role, { name });
  await fireEvent.change(field('Downloads at the same time'), { target: { value: '5' } });
  await fireEvent.change(field('Downloads at the same time'), { target: { value: '500' } });
  await fireEvent.change(field('Speed limit of each share'), { target: { value: '12.5' } });
  await fireEvent.change(field('Port'), { target: { value: '8080' } });
  await fireEvent.change(field('Name that senders see', 'textbox'), {
    target: { value: 'Ana’s laptop ' },
  });
  await fireEvent.click(field(/Start in the tray/, 'checkbox'));
  await fireEvent.click(field('Show notifications', 'checkbox'));
  await fireEvent.change(field('Language', 'combobox'), { target: { value: 'en' } });
  expect(saved(drawn)).toEqual([
    { slots: 5 },
    { limit: 12_500_000 },
    { embeddedPort: 8080 },
    { name: 'Ana’s laptop' },
    { startAtLogin: true },
    { notifications: false },
    { language: 'en' },
  ]);
});

test('another server is taken by its address, and what is no address is not kept', async () => {
  const drawn = await at('settings');
  await fireEvent.click(screen.getByRole('radio', { name: 'Another server' }));
  const address = screen.getByRole('textbox', { name: 'Address' });
  for (const typed of ['sluice.example.org', 'ftp://x', 'https://sluice.example.org/']) {
    await fireEvent.input(address, { target: { value: typed } });
    await fireEvent.change(address);
    expect(address.getAttribute('aria-invalid')).toBe(String(!typed.startsWith('https')));
  }
  await fireEvent.click(screen.getByRole('radio', { name: /This computer/ }));
  expect(saved(drawn)).toEqual([{ server: 'https://sluice.example.org' }, { server: null }]);
});

test('a relay is added, is kept once it is whole, and goes', async () => {
  const drawn = await at('settings');
  await fireEvent.click(screen.getByRole('button', { name: 'Add server' }));
  const address = screen.getByRole('textbox', { name: 'Address of the server' });
  await fireEvent.input(address, { target: { value: 'turn:relay.example.org:3478' } });
  await fireEvent.change(address);
  await fireEvent.input(screen.getByRole('textbox', { name: 'User' }), {
    target: { value: 'ana' },
  });
  await fireEvent.input(screen.getByLabelText('Password'), { target: { value: 'tide' } });
  await fireEvent.change(screen.getByLabelText('Password'));
  await fireEvent.click(
    screen.getByRole('button', { name: 'Remove server turn:relay.example.org:3478' }),
  );
  const ice = saved(drawn).map((settings) => (settings as { ice: unknown }).ice);
  const url = 'turn:relay.example.org:3478';
  expect(ice).toEqual([
    [{ url, username: '', credential: '' }],
    [{ url, username: 'ana', credential: 'tide' }],
    [],
  ]);
});

test('a test of the connection says what works, and what to do about the rest', async () => {
  const checks: Answers['checks'] = [
    { of: 'server', result: 'works', detail: '12 ms' },
    { of: 'stun', result: 'notSet', detail: null },
    { of: 'turn', result: 'fails', detail: '401 Unauthorized' },
    { of: 'localNetwork', result: 'fails', detail: null },
  ];
  await at('settings', { checks });
  await fireEvent.click(screen.getByRole('button', { name: 'Test connection' }));
  await settle();
  expect(
    screen.getAllByRole('listitem').map((item) => item.textContent.replaceAll(/\s+/g, ' ').trim()),
  ).toEqual([
    'The server answers. 12 ms',
    'No STUN server is set. In your own network none is needed. For people elsewhere, add one above.',
    'The relay does not work. Check its address, user and password. 401 Unauthorized',
    'People in this network can’t reach this computer. Allow Sluice in this computer’s firewall.',
  ]);
});

test('the folder is chosen in the shell, and quitting is asked of it', async () => {
  const { backend } = await at('settings');
  await fireEvent.click(screen.getByRole('button', { name: 'Choose folder…' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Quit Sluice' }));
  expect(backend.calls.slice(1)).toEqual([['chooseDownloadFolder'], ['quit']]);
  screen.getByText('Version 0.1.0');
});
