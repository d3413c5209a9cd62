// What a download tells of itself while it goes on; `model.ts` makes of it what is drawn.
import type { Entry, Place, Summary, Totals } from '../../protocol/bindings';
import type { ProtocolError } from '../../protocol/error';
import type { ReceiveProgress } from '../page';
import type { PathKind } from '../peer/connection';

/** How far a download is, by one connection's count. */
export type Progress = Omit<ReceiveProgress, 'secondsLeft'>;

/** In the order in which it happens. */
export type DownloadEvent =
  /** In line; how many milliseconds that may take, where it can be told. */
  | { type: 'place'; place: Place; wait: number | undefined }
  | { type: 'summary'; summary: Summary }
  | { type: 'sender_away' }
  | { type: 'connecting' }
  /** The sender is the one that made the link. If `listing`, the manifest begins anew. */
  | { type: 'opened'; name: string; listing: boolean }
  | { type: 'path'; path: PathKind }
  | { type: 'totals'; totals: Totals }
  | { type: 'listed'; entries: readonly Entry[] }
  /** All is listed; the slot is kept until so many milliseconds since 1970. */
  | { type: 'choosing'; keptUntil: number }
  /** It was kept for long enough. */
  | { type: 'released' }
  | { type: 'paused_by_sender'; paused: boolean }
  | { type: 'progress'; progress: Progress }
  /** Everything has come, and is put in its place. */
  | { type: 'finishing' }
  /** It is tried again in so many milliseconds. */
  | { type: 'retrying'; error: ProtocolError; pause: number };
