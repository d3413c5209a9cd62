// Every view that the window has: from which recording it is drawn, and what is pressed in it. Tests and pictures walk them.
import type { Place } from './bindings';

/** A view, and how one comes to it. */
export interface View {
  /** The recording in `fixtures` that is played, and how many of its events; all of them, if no number is given. */
  play?: [name: string, events?: number];
  /** The place that is then gone to. */
  place?: Place;
  /** The buttons that are then pressed, by a part of their names in English. */
  press?: string[];
  /** Whether nothing was ever shared or received. */
  fresh?: boolean;
}

/** Each by its name. */
export const VIEWS: Readonly<Record<string, View>> = {
  'share-empty': {},
  'share-dragging': { play: ['sharing', 1] },
  'share-starting': { play: ['sharing', 3] },
  'share-counting': { play: ['sharing', 4] },
  'share-live': { play: ['sharing', 8] },
  'share-paused': { play: ['sharing', 10] },
  'share-server-lost': { play: ['sharing', 11] },
  'share-full': { play: ['crowd'] },
  'share-ended': { play: ['share-ends', 2] },
  'share-failed': { play: ['share-ends', 4] },
  'share-qr': { play: ['sharing', 8], press: ['QR'] },
  'share-terms': { play: ['sharing', 8], press: ['Change'] },
  'share-receiver': { play: ['sharing', 8], press: ['Ana'] },
  'share-end-confirm': { play: ['sharing', 8], press: ['End'] },
  'receive-empty': { place: 'receive' },
  'receive-joining': { play: ['receiving', 1] },
  'receive-waiting-far': { play: ['receiving', 2] },
  'receive-waiting-near': { play: ['receiving', 3] },
  'receive-sender-away': { play: ['receiving', 4] },
  'receive-connecting': { play: ['receiving', 6] },
  'receive-choosing': { play: ['receiving', 8] },
  'receive-slot-given-up': { play: ['receiving', 9] },
  'receive-downloading': { play: ['receiving', 11] },
  'receive-paused': { play: ['receiving', 12] },
  'receive-paused-by-sender': { play: ['receiving', 13] },
  'receive-retrying': { play: ['receiving', 14] },
  'receive-done': { play: ['receiving', 16] },
  'receive-password': { play: ['trouble', 2] },
  'receive-failed': { play: ['trouble', 3] },
  'receive-done-but-for-some': { play: ['trouble', 4] },
  banners: { play: ['trouble'] },
  history: { place: 'history' },
  'history-empty': { place: 'history', fresh: true },
  'history-forget': { place: 'history', press: ['Forget all'] },
  settings: { place: 'settings' },
  'settings-tested': { place: 'settings', press: ['Test'] },
};
