// What a download tells, as it is drawn.
import { expect, test } from 'vitest';
import type { Entry, Place } from '../../protocol/bindings';
import { ProtocolError } from '../../protocol/error';
import { parsePath } from '../../protocol/path';
import type { Progress } from './event';
import { Model } from './model';

const place: Place = { tier: 'near', ahead: 3, slots: 20, sender_here: true, version: 'n3' };
const file = (path: string, size: number): Entry => ({
  path: parsePath(path),
  kind: { type: 'file', size, executable: false },
  mtime: { seconds: 0, nanos: 0 },
});
const totals = { pages: 1, entries: 2, bytes: 30, unreadable: 0, complete: true };
const progress = (bytes: number, rest: Partial<Progress> = {}): Progress => ({
  bytes,
  durableBytes: 0,
  entries: 0,
  totalBytes: 30,
  totalEntries: 2,
  complete: true,
  current: null,
  ...rest,
});

/** One that has listed two files. */
function listed(): Model {
  const model = new Model();
  model.handleEvent({ type: 'opened', name: 'Photos', listing: true }, 0);
  model.handleEvent({ type: 'totals', totals }, 0);
  model.handleEvent({ type: 'listed', entries: [file('a', 10), file('b', 20)] }, 0);
  model.handleEvent({ type: 'choosing', keptUntil: 99 }, 0);
  return model;
}

test('one waits, is let in, lists and chooses', () => {
  const model = new Model();
  expect(model.state).toEqual({ at: 'ready' });
  model.handleStart();
  const summary = { name: 'Photos', entries: 7, bytes: 70, complete: false };
  model.handleEvent({ type: 'summary', summary }, 0);
  model.handleEvent({ type: 'place', place, wait: 59_600 }, 0);
  expect(model.view(0)).toMatchObject({
    state: { at: 'waiting', tier: 'near', ahead: 3, slots: 20, waitSeconds: 60 },
    offer: summary,
    chosen: { bytes: 70, entries: 7 },
  });
  model.handleEvent({ type: 'place', place: { ...place, sender_here: false }, wait: 1 }, 0);
  expect(model.state.at).toBe('sender_away');
  model.handleEvent({ type: 'connecting' }, 0);
  expect(model.state.at).toBe('connecting');
  model.handleEvent({ type: 'opened', name: 'Photos', listing: true }, 0);
  model.handleEvent({ type: 'totals', totals }, 0);
  model.handleEvent({ type: 'listed', entries: [file('a', 10)] }, 0);
  expect(model.state).toEqual({ at: 'listing', listed: 1 });
  model.handleEvent({ type: 'listed', entries: [file('b', 20)] }, 0);
  expect(model.isListed).toBe(false);
  model.handleEvent({ type: 'choosing', keptUntil: 99 }, 0);
  expect(model.isListed).toBe(true);
  expect(model.view(0)).toMatchObject({
    state: { at: 'choosing', keptUntil: 99 },
    offer: { name: 'Photos', entries: 2, bytes: 30, complete: true },
    chosen: { bytes: 30, entries: 2 },
  });
  model.handleEvent({ type: 'released' }, 0);
  expect(model.state).toEqual({ at: 'choosing', keptUntil: null });
});

test('a list that begins anew keeps what was unticked', () => {
  const model = listed();
  model.tree.tick(1, false);
  expect(model.chosen).toEqual({ bytes: 20, entries: 1, files: 1 });
  model.handleEvent({ type: 'opened', name: 'Photos', listing: true }, 0);
  expect(model.isListed).toBe(false);
  model.handleEvent({ type: 'listed', entries: [file('a', 10), file('b', 20)] }, 0);
  expect(model.chosen).toEqual({ bytes: 20, entries: 1, files: 1 });
});

test('what is there already has not moved now', () => {
  const model = listed();
  model.handleChoice();
  expect(model.state.at).toBe('downloading');
  model.handleEvent({ type: 'progress', progress: progress(10) }, 1000);
  expect(model.view(1000).rate).toBe(0);
  model.handleEvent({ type: 'progress', progress: progress(20, { current: 'b' }) }, 1500);
  expect(model.view(2000)).toMatchObject({
    rate: 20,
    progress: { bytes: 20, secondsLeft: 1, current: 'b' },
  });
  // Another connection finds more than the last one had told.
  model.handleEvent({ type: 'opened', name: 'Photos', listing: false }, 3000);
  model.handleEvent({ type: 'progress', progress: progress(25) }, 3000);
  model.handleTime(9000);
  expect(model.view(9000).plot.reduce((sum, bytes) => sum + bytes, 0)).toBe(10);
});

test('time left is not told before the totals are final', () => {
  const model = listed();
  model.handleChoice();
  model.handleEvent({ type: 'progress', progress: progress(0) }, 0);
  model.handleEvent({ type: 'progress', progress: progress(10, { complete: false }) }, 500);
  expect(model.view(1000).progress?.secondsLeft).toBeNull();
});

test('a pause of the sender is no end of its flow, and is over with the connection', () => {
  const model = listed();
  model.handleEvent({ type: 'paused_by_sender', paused: true }, 0);
  expect(model.state.at, 'nothing flows yet').toBe('choosing');
  model.handleChoice();
  expect(model.state.at).toBe('paused_by_sender');
  model.handleEvent({ type: 'progress', progress: progress(1) }, 0);
  expect(model.state.at, 'what was sealed before still comes').toBe('paused_by_sender');
  model.handleEvent({ type: 'paused_by_sender', paused: false }, 0);
  expect(model.state.at).toBe('downloading');
  model.handleEvent({ type: 'paused_by_sender', paused: true }, 0);
  model.handleEvent({ type: 'opened', name: 'Photos', listing: false }, 0);
  expect(model.state.at).toBe('downloading');
});

test('a loss is told with its reason, and whether it is this browser that has no network', () => {
  const model = listed();
  model.handleChoice();
  model.handleEvent({ type: 'path', path: 'direct' }, 0);
  model.handleNetwork(true);
  expect(model.state.at).toBe('downloading');
  const error = new ProtocolError('stalled', 'why');
  model.handleEvent({ type: 'retrying', error, pause: 1500 }, 0);
  const trouble = { code: 'stalled', detail: 'why' };
  expect(model.view(0)).toMatchObject({
    state: { at: 'retrying', trouble, seconds: 2, offline: true },
    path: null,
  });
  model.handleEvent({ type: 'connecting' }, 0);
  expect(model.state.at, 'tried all the same').toBe('retrying');
  model.handleNetwork(false);
  expect(model.state).toMatchObject({ at: 'retrying', offline: false });
  model.handleEvent({ type: 'connecting' }, 0);
  expect(model.state.at).toBe('connecting');
});

test('the end is told with what became of it', () => {
  const model = listed();
  model.handleChoice();
  model.handleEvent({ type: 'progress', progress: progress(30, { current: 'b' }) }, 0);
  model.handleEvent({ type: 'finishing' }, 0);
  model.handleEvent({ type: 'progress', progress: progress(30) }, 0);
  expect(model.state.at).toBe('finishing');
  const report = { bytes: 30, entries: 2, renamed: [], failed: [] };
  model.handleDone(report, null);
  expect(model.view(0)).toMatchObject({
    state: { at: 'done', report, handover: null },
    progress: { durableBytes: 30, entries: 2, current: null },
    rate: 0,
  });
  const lost = listed();
  lost.handleChoice();
  lost.handleFailure({ code: 'disk_full', detail: null });
  lost.handleChoiceLost();
  expect(lost.view(0)).toMatchObject({
    state: { at: 'failed', trouble: { code: 'disk_full' } },
    progress: null,
    chosen: { bytes: 30, entries: 2 },
  });
});
