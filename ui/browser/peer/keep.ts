// A receiver's place across a reload of its page: its id, its ticket, and how many connections it has tried to make.
//
// They stand in the tab's own storage only while the page is out of sight or on its way out. A tab that is duplicated
// takes a copy of that storage along, and two pages must not stand in one place.
import type { PeerId, ShareId } from '../../protocol/id';
import { parseId } from '../../protocol/id';

// The server keeps a place for 20 s; whoever comes later waits anew.
const KEPT_MS = 20_000;

/** What a page hands to the one that it is reloaded into. */
export interface Kept {
  peer: PeerId;
  ticket: string | undefined;
  attempt: number;
  /** Whether the place can still be there. */
  isFresh: boolean;
}

/** What the page before has kept of this share; it is no longer kept then. `now` is the time of day in ms. */
export function takeKept(share: ShareId, now: number): Kept | undefined {
  try {
    const text = sessionStorage.getItem(keyOf(share));
    sessionStorage.removeItem(keyOf(share));
    return text === null ? undefined : read(text, now);
  } catch {
    // A browser may refuse its storage: then a reload is a new visit.
    return undefined;
  }
}

/** Keeps the place for whoever comes next in this tab. */
export function keep(share: ShareId, kept: Omit<Kept, 'isFresh'>, now: number): void {
  try {
    sessionStorage.setItem(keyOf(share), JSON.stringify({ ...kept, at: now }));
  } catch {
    // As above.
  }
}

/** Keeps nothing any more. */
export function forget(share: ShareId): void {
  takeKept(share, 0);
}

function keyOf(share: ShareId): string {
  return `sluice.place.${share}`;
}

function read(text: string, now: number): Kept {
  const { peer, ticket, attempt, at } = JSON.parse(text) as Record<string, unknown>;
  return {
    peer: parseId<PeerId>(typeof peer === 'string' ? peer : '', 16, 'request_invalid'),
    ticket: typeof ticket === 'string' ? ticket : undefined,
    attempt: typeof attempt === 'number' && Number.isInteger(attempt) && attempt > 0 ? attempt : 0,
    isFresh: typeof at === 'number' && at <= now && now - at < KEPT_MS,
  };
}
