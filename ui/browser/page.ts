// What the page's views draw from, and all that they may ask for: receiving one link, or sending one share.
import type { Code, Tier, Totals } from '../protocol/bindings';
import type { TreeSource } from '../shared/tree.svelte';
import type { PathKind } from './peer/connection';
import type { SavingReport, WayOffer } from './save/destination';

/** Why something did not work: a stable code, and what the browser said of it. */
export interface Trouble {
  code: Code;
  detail: string | null;
}

/** What a share holds, from its sealed summary or from the manifest. */
export interface OfferView {
  name: string;
  entries: number;
  bytes: number;
  complete: boolean;
}

/** Where a download stands. */
export type ReceiveState =
  /** Nothing has been asked of anyone: the link is read, and the person has not clicked yet. */
  | { at: 'ready' }
  | { at: 'password_needed'; wrong: boolean }
  | { at: 'joining' }
  | { at: 'waiting'; tier: Tier; ahead: number; slots: number; waitSeconds: number | null }
  | { at: 'sender_away' }
  | { at: 'connecting' }
  /** The manifest comes; `listed` of `OfferView.entries` are there. */
  | { at: 'listing'; listed: number }
  /**
   * The person ticks and chooses; the slot is kept until `keptUntil`, in milliseconds since 1970, or was given up and is
   * asked for again with the choice.
   */
  | { at: 'choosing'; keptUntil: number | null }
  | { at: 'downloading' }
  | { at: 'paused' }
  | { at: 'paused_by_sender' }
  /** `offline` is that the browser itself has no network. */
  | { at: 'retrying'; trouble: Trouble; seconds: number; offline: boolean }
  /** Everything has come and is being put in its place. */
  | { at: 'finishing' }
  | { at: 'done'; report: SavingReport; handover: Handover | null }
  | { at: 'failed'; trouble: Trouble };

/** What the person clicks at the end, where the way of saving leaves files with the page: `private` and `memory`. */
export interface Handover {
  name: string;
  url: string;
}

/** How far a download is. */
export interface ReceiveProgress {
  /** Bytes received, from earlier times too. */
  bytes: number;
  durableBytes: number;
  entries: number;
  totalBytes: number;
  totalEntries: number;
  /** Whether the totals are final. */
  complete: boolean;
  secondsLeft: number | null;
  /** The path of the entry that comes now. */
  current: string | null;
}

/** One download, complete; told at most four times a second, and at once when its state changes. */
export interface ReceiveView {
  state: ReceiveState;
  /** Name and sums from the summary, as soon as it is known. */
  offer: OfferView | null;
  totals: Totals | null;
  /** Ways of saving that this browser has, the best first; empty: "open in the app". */
  ways: readonly WayOffer[];
  /** What of the listed tree is ticked. */
  chosen: { bytes: number; entries: number };
  progress: ReceiveProgress | null;
  path: PathKind | null;
  /** Bytes a second, and as it was, one a second, the newest last, at most 120. */
  rate: number;
  plot: readonly number[];
  /** What an earlier visit to this link has begun and can go on with. */
  resumable: { way: WayOffer['way']; bytes: number; totalBytes: number } | null;
}

/** A download as the views know it. Refusals are told in the view's state; no call rejects. */
export interface Receiving {
  subscribe(listener: (view: ReceiveView) => void): () => void;
  /** Joins the queue. */
  begin(): void;
  givePassword(password: string): void;
  /** The offered tree, from `listing` on. */
  readonly tree: TreeSource;
  tickAll(ticked: boolean): void;
  /** Called straight from a click, because a browser shows its picker to nothing else. */
  save(way: WayOffer['way']): Promise<void>;
  pause(paused: boolean): void;
  /** Again, after `failed`. */
  retry(): void;
  /** Gives the place up; `forget` also removes what was begun. */
  leave(forget: boolean): void;
}

/** One receiver of a share that this page sends. */
export interface ReceiverView {
  peer: string;
  /** What it calls itself, once it is connected. */
  name: string | null;
  at: 'connecting' | 'active' | 'paused' | 'lost' | 'done';
  path: PathKind | null;
  bytes: number;
  /** Of what it chose, where known. */
  totalBytes: number | null;
  rate: number;
  secondsLeft: number | null;
}

/** Where sending stands. */
export type SendState =
  | { at: 'choosing' }
  /** The files are looked at, and the server is asked. */
  | { at: 'opening' }
  | { at: 'live' }
  | { at: 'paused' }
  /** The server is away; transfers go on. */
  | { at: 'server_away'; trouble: Trouble; seconds: number }
  | { at: 'ended' }
  | { at: 'failed'; trouble: Trouble };

/** A share of this page, complete; told at most four times a second, and at once when its state changes. */
export interface SendView {
  state: SendState;
  name: string;
  link: string | null;
  totals: Totals;
  slots: number;
  receivers: readonly ReceiverView[];
  waiting: number;
  done: number;
  rate: number;
  plot: readonly number[];
  /** Whether the browser keeps the screen and so the page awake. */
  awake: boolean;
}

/** What a share from the page is made with. */
export interface SendTerms {
  slots: number;
  password: string | null;
}

/** A share as the views know it. Refusals are told in the view's state; no call rejects. */
export interface Sending {
  subscribe(listener: (view: SendView) => void): () => void;
  /** Files from an input: several, or those of a folder (`webkitRelativePath`). */
  shareFiles(files: readonly File[], terms: SendTerms): void;
  /** What was dropped, folders included. Called while the event is handled: the list is empty afterwards. */
  shareDropped(items: DataTransferItemList, terms: SendTerms): void;
  /** A folder that `showDirectoryPicker` gave, where the browser has it: keeps empty folders, and needs no upload prompt. */
  shareFolder(folder: FileSystemDirectoryHandle, terms: SendTerms): void;
  pause(paused: boolean): void;
  pauseReceiver(peer: string, paused: boolean): void;
  letGo(peer: string): void;
  end(): void;
}
