// Any view of the window without a shell behind it, for looking at it, for pictures and for tests in real webviews:
// `npm run dev`, then /preview.html?view=share-live&language=de, with &files=1000000 for a large tree. No part of the app's build.
import '../shared/tokens.css';
import '../shared/controls.css';
import { mount, tick, unmount } from 'svelte';
import App from './App.svelte';
import type { HistoryItem, Row, Snapshot } from './bindings';
import { FakeBackend, recording } from './fake';
import history from './fixtures/history.json';
import qr from './fixtures/qr.json';
import snapshot from './fixtures/snapshot.json';
import tree from './fixtures/tree.json';
import { Session } from './session.svelte';
import { VIEWS } from './views';

/** A minute after the recordings begin, so that their ends are still to come. */
const RECORDED = 1_764_000_040_000;
const systemNow = Date.now;
const offset = RECORDED - systemNow();
Date.now = () => systemNow() + offset;

const wanted = new URLSearchParams(location.search);
const target = document.getElementById('app');
if (target === null) {
  throw new Error('preview.html has no element with the id "app"');
}

let drawn: Record<string, unknown> | undefined;

/** Draws a view in place of the one before. With a number of files there is a large tree in it. */
async function draw(name: string, files = 0, language: string | null = null): Promise<void> {
  const view = VIEWS[name] ?? {};
  const backend = new FakeBackend({
    snapshot: { ...(snapshot as Snapshot), systemLanguage: 'en-GB' },
    history: view.fresh === true ? [] : (history as HistoryItem[]),
    checks: [
      { of: 'server', result: 'works', detail: '12 ms' },
      { of: 'stun', result: 'notSet', detail: null },
      { of: 'turn', result: 'fails', detail: 'turn:relay.example.org:3478: 401 Unauthorized' },
      { of: 'localNetwork', result: 'works', detail: '192.168.1.20' },
    ],
    qr,
    files,
  });
  if (files === 0) {
    backend.rows = (_id, from, count) =>
      Promise.resolve({
        total: tree.length,
        from,
        rows: (tree as Row[]).slice(from, from + count),
      });
  }
  const session = new Session(backend);
  if (drawn !== undefined) {
    await unmount(drawn);
  }
  drawn = mount(App, { target: target ?? document.body, props: { session } });
  await session.begin();
  if (view.play !== undefined) {
    const [recorded, events] = view.play;
    backend.play(...recording(recorded).slice(0, events));
  }
  if (view.place !== undefined) {
    session.show(view.place);
  }
  await settled();
  for (const button of view.press ?? []) {
    press(button);
    await settled();
  }
  // Only now, because what is pressed is named in English.
  if (language !== null) {
    session.language.tag = language;
    await settled();
  }
  Object.assign(window, { backend, session });
}

function press(name: string): void {
  const all = [...document.querySelectorAll('button')];
  const found = all.find((one) => (one.getAttribute('aria-label') ?? one.innerText).includes(name));
  if (found === undefined) {
    throw new Error(`there is no button ${name}`);
  }
  found.click();
}

/** Waits until answers of the shell have come, and are drawn with all that moved at its end. */
async function settled(): Promise<void> {
  do {
    await tick();
    await new Promise((resolve) => requestAnimationFrame(resolve));
    await Promise.allSettled(document.getAnimations().map((animation) => animation.finished));
  } while (document.getAnimations().length > 0);
}

await draw(wanted.get('view') ?? '', Number(wanted.get('files')), wanted.get('language'));
Object.assign(window, { views: Object.keys(VIEWS), draw, settled, recording, tick });
document.documentElement.dataset['drawn'] = 'true';
