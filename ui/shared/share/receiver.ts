// A receiver in words: what goes on with it, as short as a tile wants it.
import type { Language } from '../language.svelte';

/** One receiver of a share, as far as it is drawn. */
export interface ReceiverView {
  /** Which one. */
  id: string;
  /** Its slot, from 0. */
  slot: number;
  /** What it calls itself, once it has proved that it holds the link. */
  name: string | null;
  /** What goes on. */
  state: 'connecting' | 'active' | 'paused' | 'lost' | 'done';
  /** The way to it, where known. */
  path: 'local' | 'direct' | 'relayed' | null;
  /** Bytes that it has. */
  bytes: number;
  /** Bytes of all that it chose, where known. */
  total: number | null;
  /** Bytes a second. */
  rate: number;
  /** Seconds until it has all, where known. */
  secondsLeft: number | null;
  /** Entries that could not be sent to it. */
  failed: number;
}

/** How much of what it chose it has, from 0 to 1; `null` before it has chosen. */
export function partOf(receiver: ReceiverView): number | null {
  if (receiver.state === 'done') {
    return 1;
  }
  if (receiver.total === null) {
    return null;
  }
  return receiver.total === 0 ? 0 : receiver.bytes / receiver.total;
}

/** What it is called, or what it is called until it says so. */
export function nameOf(receiver: ReceiverView, language: Language): string {
  return receiver.name ?? language.say('receiver.unnamed');
}

/** What goes on: a state that is no movement, or the speed and the time left. */
export function doingOf(receiver: ReceiverView, sharePaused: boolean, language: Language): string {
  if (receiver.state === 'active' && sharePaused) {
    return language.say('state.paused');
  }
  if (receiver.state !== 'active') {
    return language.say(`receiver.${receiver.state}`);
  }
  if (receiver.total === null) {
    return language.say('receiver.choosing');
  }
  const rate = language.rate(receiver.rate);
  if (receiver.secondsLeft === null) {
    return rate;
  }
  return `${rate} · ${language.duration(receiver.secondsLeft)}`;
}
