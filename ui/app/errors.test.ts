// Every code there is: a sentence and a next step that does something, in every language and where it can occur.
import { cleanup, fireEvent, screen, within } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { STEPS } from '../shared/errors';
import { CATALOGUES, translate } from '../shared/language.svelte';
import { CODES, type Code } from './bindings';
import { recording } from './fake';
import { draw, settle } from './testing';

test('the steps are those of all codes', () => {
  expect(Object.keys(STEPS)).toEqual([...CODES]);
});

test.each(Object.keys(CATALOGUES))(
  'in %s each code has a sentence of its own and a labelled step',
  (language) => {
    const sentences = CODES.map((code) => translate(language, `error.${code}`));
    expect(new Set(sentences).size).toBe(CODES.length);
    for (const [index, sentence] of sentences.entries()) {
      expect(sentence).toMatch(/[.。]$/);
      const label = translate(language, `step.${STEPS[CODES[index] ?? 'interrupted']}`);
      expect(label).not.toMatch(/^step\./);
    }
  },
);

function failed(
  name: 'trouble' | 'share-ends',
  code: Code,
): Parameters<Awaited<ReturnType<typeof draw>>['backend']['play']> {
  return recording(name).flatMap((event) => {
    const views = event.event === 'share' || event.event === 'download';
    if (!views || event.view.state.state !== 'failed') {
      return [];
    }
    const state = { state: 'failed' as const, code, detail: 'what the system said' };
    return [
      event.event === 'share'
        ? { ...event, view: { ...event.view, state } }
        : { ...event, view: { ...event.view, state } },
    ];
  });
}

test.each(CODES.flatMap((code) => [[code, 'trouble'] as const, [code, 'share-ends'] as const]))(
  '%s in %s: the sentence, what the system said, and a button that does something',
  async (code, name) => {
    const { backend, session } = await draw();
    backend.play(...failed(name, code));
    await settle();
    const alert = within(screen.getByRole('alert'));
    alert.getByRole('heading', { name: translate('en', `error.${code}`) });
    alert.getByText('what the system said');
    const before = [session.place, session.download?.id, backend.calls.length];
    const [button] = alert.getAllByRole('button');
    await fireEvent.click(button ?? expect.fail('there is no button'));
    await settle();
    expect([session.place, session.download?.id, backend.calls.length]).not.toEqual(before);
    cleanup();
  },
);

test('another folder is chosen, and the download goes on there; if none is chosen, it does not', async () => {
  const { backend } = await draw();
  backend.play(...failed('trouble', 'destination_gone'));
  await settle();
  const { chooseFolder } = backend;
  backend.chooseFolder = async (id: unknown) => {
    await chooseFolder(id);
    return false;
  };
  await fireEvent.click(screen.getByRole('button', { name: 'Choose another folder…' }));
  await settle();
  backend.chooseFolder = chooseFolder;
  await fireEvent.click(screen.getByRole('button', { name: 'Choose another folder…' }));
  await settle();
  expect(backend.calls.slice(1)).toEqual([
    ['chooseFolder', 'd1'],
    ['chooseFolder', 'd1'],
    ['retryDownload', 'd1'],
  ]);
});
