// Newer versions: what the person is told, and that each step waits for them.
import { fireEvent, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import type { UpdateView } from '../bindings';
import { draw, settle, violations, type Drawn } from '../testing';

async function at(update: UpdateView, busy = false): Promise<Drawn> {
  const drawn = await draw(undefined, undefined, { busy });
  drawn.session.show('settings');
  drawn.backend.play({ event: 'update', update });
  await settle();
  return drawn;
}

const asked = ({ backend }: Drawn) =>
  backend.calls.map(([command]) => command).filter((command) => command.endsWith('Update'));

test('a build that asks nobody says its version and nothing else', async () => {
  const drawn = await at({ state: 'off' });
  screen.getByText('Version 0.1.0');
  expect(screen.queryByRole('button', { name: /newer version/ })).toBeNull();
  expect(asked(drawn)).toEqual([]);
});

test('each step is the person’s, and what it came to is said', async () => {
  const drawn = await at({ state: 'unknown' });
  await fireEvent.click(screen.getByRole('button', { name: 'Look for a newer version' }));
  drawn.backend.play({ event: 'update', update: { state: 'newest' } });
  await settle();
  screen.getByText('This is the newest version.');
  drawn.backend.play({ event: 'update', update: { state: 'found', version: '0.2.0' } });
  await settle();
  screen.getByText('Version 0.2.0 is there.');
  await fireEvent.click(screen.getByRole('button', { name: 'Download it' }));
  const fetching = { state: 'fetching', version: '0.2.0', bytes: 4_200_000, total: null } as const;
  drawn.backend.play({ event: 'update', update: fetching });
  await settle();
  screen.getByText('Version 0.2.0 is on its way: 4.2 MB.');
  drawn.backend.play({ event: 'update', update: { state: 'ready', version: '0.2.0' } });
  await settle();
  expect(asked(drawn)).toEqual(['lookForUpdate', 'fetchUpdate']);
  await fireEvent.click(screen.getByRole('button', { name: 'Restart with it' }));
  expect(asked(drawn)).toEqual(['lookForUpdate', 'fetchUpdate', 'installUpdate']);
  expect(await violations(drawn.container)).toEqual([]);
});

test('while something is transferred nothing is replaced, and why is said', async () => {
  await at({ state: 'ready', version: '0.2.0' }, true);
  screen.getByText(/^Version 0\.2\.0 is here\./);
  await fireEvent.click(screen.getByRole('button', { name: 'Restart with it' }));
  await settle();
  screen.getByText(/something is being transferred/);
});

test('what went wrong is said, and may be tried again', async () => {
  const drawn = await at({ state: 'failed', detail: 'the signature is wrong' });
  screen.getByText('the signature is wrong');
  await fireEvent.click(screen.getByRole('button', { name: 'Look for a newer version' }));
  expect(asked(drawn)).toEqual(['lookForUpdate']);
});
