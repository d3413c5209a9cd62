// The page that sends: every state says what it must, and every button asks for what it says.
import { fireEvent, screen, within } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { CATALOGUES } from '../shared/language.svelte';
import { SEND_NAMES } from './fake';
import { LINK, SEND_VIEWS } from './fixtures/views';
import { drawSend, settle, violations } from './testing';

type Name = keyof typeof SEND_VIEWS;

const SAYS: Record<Name, RegExp | string> = {
  'send-choosing': 'Drop files or folders here',
  opening: 'The link is being made',
  live: LINK,
  busy: '12 of 20 slots',
  'send-paused': '7 waiting',
  'server-away': /Transfers go on, and Sluice tries again\.$/,
  ended: 'This share has ended',
  'send-failed': /^The server can’t be reached/,
};

test('there is a view of every state', () => {
  expect(Object.keys(SAYS)).toEqual(SEND_NAMES);
});

test.each(Object.entries(SAYS) as [Name, RegExp | string][])(
  '%s says where it stands, and axe finds nothing wrong',
  async (name, words) => {
    await drawSend(name);
    expect(screen.getAllByText(words).length).toBeGreaterThan(0);
    expect(await violations(document.body)).toEqual([]);
  },
);

test.each(Object.keys(CATALOGUES).flatMap((tag) => SEND_NAMES.map((name) => [tag, name])))(
  'in %s, %s has no word that is missing',
  async (tag, name) => {
    await drawSend(name as Name, { tag: tag ?? 'en' });
    expect(document.body.textContent).not.toMatch(/\{\w+\}|\b(page|error|share|terms|slots)\.\w/);
  },
);

function choose(label: string, files: File[]): Promise<boolean> {
  const input = document.querySelector(`input[type=file][aria-label="${label}"]`);
  return fireEvent.change(input ?? expect.fail(`no input ${label}`), { target: { files } });
}

test('files are shared on the usual terms', async () => {
  const { sending } = await drawSend('send-choosing');
  await choose('Choose files…', []);
  await choose('Choose files…', [new File(['a'], 'a.txt'), new File(['b'], 'b.txt')]);
  expect(sending.calls).toEqual([
    ['shareFiles', ['a.txt', 'b.txt'], { slots: 20, password: null }],
  ]);
});

test('fewer slots and a password are terms; more slots than twenty are not', async () => {
  const { sending } = await drawSend('send-choosing');
  const slots = screen.getByLabelText('At the same time');
  await fireEvent.input(slots, { target: { value: '3' } });
  await fireEvent.click(screen.getByLabelText('Ask for a password'));
  await fireEvent.input(screen.getByLabelText('Password'), { target: { value: 'sesame' } });
  await choose('Choose folder…', [new File(['a'], 'a.txt')]);
  await fireEvent.input(slots, { target: { value: '99' } });
  await choose('Choose files…', [new File(['a'], 'a.txt')]);
  expect(sending.calls).toEqual([
    ['shareFiles', ['a.txt'], { slots: 3, password: 'sesame' }],
    ['shareFiles', ['a.txt'], { slots: 20, password: 'sesame' }],
  ]);
});

test('a folder is asked for whole where the browser can give one, and else through an input', async () => {
  const { sending } = await drawSend('send-choosing');
  const clicked = vi.spyOn(HTMLInputElement.prototype, 'click').mockReturnValue();
  const button = screen.getByRole('button', { name: 'Choose folder…' });
  await fireEvent.click(button);
  await settle();
  expect(clicked).toHaveBeenCalledOnce();
  try {
    Object.assign(window, { showDirectoryPicker: () => Promise.resolve({ name: 'photos' }) });
    await fireEvent.click(button);
    await settle();
    const given = new DOMException('no', 'AbortError');
    Object.assign(window, { showDirectoryPicker: () => Promise.reject(given) });
    await fireEvent.click(button);
    await settle();
  } finally {
    Reflect.deleteProperty(window, 'showDirectoryPicker');
    clicked.mockRestore();
  }
  expect(sending.calls).toEqual([['shareFolder', 'photos', { slots: 20, password: null }]]);
});

test('what is dropped anywhere on the page is shared; text is not', async () => {
  const { sending } = await drawSend('send-choosing');
  const drag = (type: string, kind: string): Promise<boolean> => {
    const event = new Event(type, { bubbles: true, cancelable: true });
    Object.assign(event, { dataTransfer: { items: [{ kind }], dropEffect: 'none' } });
    return fireEvent(document.body, event);
  };
  await drag('dragenter', 'file');
  screen.getByText('Let go to share');
  // What is not refused, the browser opens in the place of the page.
  expect(await drag('dragover', 'file')).toBe(false);
  expect(await drag('drop', 'file')).toBe(false);
  await drag('drop', 'string');
  screen.getByText('Drop files or folders here');
  expect(sending.calls).toEqual([['shareDropped', 1, { slots: 20, password: null }]]);
});

test('the link is copied, and shown as a code that holds it', async () => {
  const writeText = vi.fn(() => Promise.resolve());
  vi.stubGlobal('navigator', { ...navigator, clipboard: { writeText } });
  try {
    await drawSend('live');
    await fireEvent.click(screen.getByRole('button', { name: 'Copy link' }));
    await settle();
    expect(writeText).toHaveBeenCalledWith(LINK);
    screen.getByRole('button', { name: 'Copied' });
  } finally {
    vi.unstubAllGlobals();
  }
  await fireEvent.click(screen.getByRole('button', { name: 'QR' }));
  await screen.findByRole('img', { name: 'QR code with the link of Holiday photos' });
  expect(await violations(document.body)).toEqual([]);
});

test('the page says that it must stay, and whether the browser lets it', async () => {
  const { sending } = await drawSend('live');
  const words = (): string => screen.getByText(/^Keep this page open: the share ends/).textContent;
  expect(words()).not.toMatch(/screen/);
  sending.tell({ ...SEND_VIEWS.live, awake: false });
  await settle();
  expect(words()).toMatch(/may stop it when the screen turns off\.$/);
});

test('receivers keep their slots; one is paused, or let go', async () => {
  const { sending } = await drawSend('busy');
  const [first, ...others] = SEND_VIEWS.busy.receivers;
  sending.tell({ ...SEND_VIEWS.busy, receivers: others });
  await settle();
  const tiles = (): string[] =>
    within(screen.getByRole('list', { name: 'Slots' }))
      .getAllByRole('listitem')
      .map((tile) => tile.textContent);
  expect(tiles()[0]).toContain('Slot 1, free');
  expect(tiles()[1]).toContain('Firefox on Android');
  sending.tell({ ...SEND_VIEWS.busy, receivers: [...others, { ...first, peer: 'new' } as never] });
  await settle();
  expect(tiles()[0]).toContain('Ana’s laptop');
  await fireEvent.click(
    screen.getAllByRole('button', { name: /Firefox on Android/ })[0] ?? document,
  );
  const dialog = within(screen.getByRole('dialog'));
  expect(await violations(document.body)).toEqual([]);
  await fireEvent.click(dialog.getByRole('button', { name: 'Pause' }));
  await fireEvent.click(dialog.getByRole('button', { name: 'Let go' }));
  expect(sending.calls).toEqual([
    ['pauseReceiver', 'peer-1', true],
    ['letGo', 'peer-1'],
  ]);
});

test('a share is paused, and ended after a question if someone is at it', async () => {
  const { sending } = await drawSend('busy');
  await fireEvent.click(screen.getByRole('button', { name: 'Pause' }));
  await fireEvent.click(screen.getByRole('button', { name: 'End' }));
  const dialog = within(screen.getByRole('dialog', { name: 'End this share?' }));
  dialog.getByText(/^18 people are at it or wait\./);
  await fireEvent.click(dialog.getByRole('button', { name: 'End' }));
  sending.tell(SEND_VIEWS.live);
  await settle();
  await fireEvent.click(screen.getByRole('button', { name: 'End' }));
  expect(sending.calls).toEqual([['pause', true], ['end'], ['end']]);
});

test('after a failure other files can be chosen', async () => {
  await drawSend('send-failed');
  await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
  screen.getByText('Drop files or folders here');
});
