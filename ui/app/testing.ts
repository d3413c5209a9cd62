// A window over a fake shell, drawn as far as a recording goes; for tests.
import { render } from '@testing-library/svelte';
import App from './App.svelte';
import type { Settings, Snapshot } from './bindings';
import { FakeBackend, recording, type Answers } from './fake';
import history from './fixtures/history.json';
import snapshot from './fixtures/snapshot.json';
import { Session } from './session.svelte';
import { settle } from '../shared/testing';

export { settle, violations } from '../shared/testing';

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
