// What the window knows, kept true by events.
import { expect, test } from 'vitest';
import { FakeBackend, recording } from './fake';
import { Session } from './session.svelte';
import { freshSnapshot } from './testing';

async function begun(
  snapshot = freshSnapshot(),
): Promise<{ backend: FakeBackend; session: Session }> {
  const backend = new FakeBackend({ snapshot });
  const session = new Session(backend);
  await session.begin();
  return { backend, session };
}

test('an event that overtakes the snapshot is not lost', async () => {
  const backend = new FakeBackend({ snapshot: freshSnapshot() });
  const session = new Session(backend);
  const beginning = session.begin();
  backend.play(...recording('sharing').slice(2, 3));
  expect(session.shares).toEqual([]);
  await beginning;
  expect(session.shares.map((share) => share.state.state)).toEqual(['starting']);
});

test('a view replaces the one before, a new one comes into view, and one that is gone goes', async () => {
  const { backend, session } = await begun();
  session.show('settings');
  backend.play(
    ...recording('crowd').map((event) =>
      event.event === 'share' ? { ...event, view: { ...event.view, id: 's2' } } : event,
    ),
  );
  expect(session.place).toBe('share');
  expect(session.share?.waiting).toBe(993);

  backend.play(...recording('sharing'));
  expect(session.shares.map((share) => share.id)).toEqual(['s2', 's1']);
  expect(session.share?.id).toBe('s1');

  // A change of what is in view already brings nothing forward.
  session.show('history');
  backend.play(...recording('sharing').slice(-1));
  expect(session.place).toBe('history');

  backend.play({ event: 'shareGone', id: 's1' });
  expect(session.share?.id).toBe('s2');
});

test('downloads come into view, unless a link is asked for', async () => {
  const { backend, session } = await begun();
  backend.play(...recording('receiving').slice(0, 3));
  expect([session.place, session.download?.id]).toEqual(['receive', 'd1']);

  session.askForLink();
  expect(session.download).toBeUndefined();
  backend.play({ event: 'show', place: 'receive', id: 'd1' });
  expect(session.download?.id).toBe('d1');

  backend.play({ event: 'downloadGone', id: 'd1' });
  expect(session.downloads).toEqual([]);
});

test('the history, dragging and the settings follow their events', async () => {
  const { backend, session } = await begun();
  backend.play({ event: 'history' }, { event: 'dragging', over: true });
  expect([session.historyVersion, session.dragging]).toEqual([1, true]);
  await session.ask((shell) => shell.saveSettings({ slots: 5 }));
  expect(session.settings?.slots).toBe(5);
});

test('what the shell refuses becomes a banner, the same one only once, and never many', async () => {
  const { backend, session } = await begun();
  const refuse = async (detail: string): Promise<boolean> => {
    backend.refusals.set('endShare', { code: 'server_failed', detail });
    return session.ask((shell) => shell.endShare('s1'));
  };
  expect(await refuse('a')).toBe(false);
  await refuse('a');
  expect(session.banners).toHaveLength(1);
  for (const detail of ['b', 'c', 'd']) {
    await refuse(detail);
  }
  expect(session.banners.map(({ notice }) => 'detail' in notice && notice.detail)).toEqual([
    'b',
    'c',
    'd',
  ]);
  expect(await session.ask((shell) => shell.endShare('s1'))).toBe(true);
});

test.each([
  [null, 'de-CH', 'de-CH'],
  ['de', 'de-CH', 'de-CH'],
  ['fr', 'de-CH', 'fr'],
  [null, 'pt-BR', 'pt-BR'],
])('language %s on a system in %s speaks %s', async (language, systemLanguage, tag) => {
  const { session } = await begun({ ...freshSnapshot({ language }), systemLanguage });
  expect(session.language.tag).toBe(tag);
});

test('words and numbers of a language that is not ours are English, both', async () => {
  const { session } = await begun({ ...freshSnapshot(), systemLanguage: 'pt-BR' });
  expect(
    session.language.say('share.holds', { count: 1204, size: session.language.size(38.2e9) }),
  ).toBe('1,204 items · 38.2\u00a0GB');
});
