// A window over a fake shell, drawn as far as a recording goes; for tests.
import { render } from '@testing-library/svelte';
import axe from 'axe-core';
import { tick } from 'svelte';
import App from './App.svelte';
import type { Settings, Snapshot } from './bindings';
import { FakeBackend, recording, type Answers } from './fake';
import history from './fixtures/history.json';
import snapshot from './fixtures/snapshot.json';
import { Session } from './session.svelte';

/** A window that is drawn, and what is beneath it. */
export interface Drawn {
  backend: FakeBackend;
  session: Session;
  container: HTMLElement;
}

/** The snapshot that recordings start from, with other settings where asked. */
export function freshSnapshot(settings: Partial<Settings> = {}): Snapshot {
  const fresh = snapshot as Snapshot;
  return { ...fresh, settings: { ...fresh.settings, ...settings } };
}

/** Draws the window after the first `events` of a recording; all of them, if no number is given. */
export async function draw(
  name?: string,
  events?: number,
  answers: Partial<Answers> = {},
): Promise<Drawn> {
  const backend = new FakeBackend({ snapshot: freshSnapshot(), history, ...answers });
  const session = new Session(backend);
  const { container } = render(App, { session });
  await session.begin();
  if (name !== undefined) {
    backend.play(...recording(name).slice(0, events));
  }
  await settle();
  return { backend, session, container };
}

/** Waits until answers of the shell have come and are drawn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await Promise.resolve();
    await tick();
  }
}

/** What axe finds wrong, as far as it can be seen without layout and colours. */
export async function violations(container: Element): Promise<string[]> {
  const { violations } = await axe.run(container, {
    rules: { 'color-contrast': { enabled: false } },
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
}
