// Any view of the window in a browser, for looking at it: `npm run dev`, then
// /preview.html?play=receiving&upto=8&language=de&place=receive. Not part of the build.
import '../shared/tokens.css';
import '../shared/controls.css';
import '../shared/languages';
import { mount } from 'svelte';
import App from './App.svelte';
import type { HistoryItem, Place, Snapshot } from './bindings';
import { FakeBackend, recording } from './fake';
import history from './fixtures/history.json';
import snapshot from './fixtures/snapshot.json';
import { Session } from './session.svelte';

const wanted = new URLSearchParams(location.search);
const target = document.getElementById('app');
if (target === null) {
  throw new Error('preview.html has no element with the id "app"');
}
const language = wanted.get('language') ?? 'en';
const backend = new FakeBackend({
  snapshot: { ...(snapshot as Snapshot), systemLanguage: language },
  history: wanted.has('empty') ? [] : (history as HistoryItem[]),
  checks: [
    { of: 'server', result: 'works', detail: '12 ms' },
    { of: 'stun', result: 'notSet', detail: null },
    { of: 'turn', result: 'fails', detail: 'turn:relay.example.org:3478: 401 Unauthorized' },
    { of: 'localNetwork', result: 'works', detail: '192.168.1.20' },
  ],
  files: Number(wanted.get('files') ?? 1203),
});
const session = new Session(backend);
mount(App, { target, props: { session } });
await session.begin();
for (const name of wanted.getAll('play')) {
  const events = recording(name);
  backend.play(...events.slice(0, Number(wanted.get('upto') ?? events.length)));
}
const place = wanted.get('place');
if (place !== null) {
  session.show(place as Place);
}
Object.assign(window, { backend, session });
