// A download, folded from what it tells into what is drawn of it. Pure: times are arguments.
import type { Totals } from '../../protocol/bindings';
import { Flow, secondsLeft } from '../flow';
import type { Handover, OfferView, ReceiveState, ReceiveView, Trouble } from '../page';
import type { PathKind } from '../peer/connection';
import type { SavingReport, WayOffer } from '../save/destination';
import { toTrouble } from '../trouble';
import type { DownloadEvent, Progress } from './event';
import { type Sum, Tree } from './tree';

/** A download as it stands. Times are milliseconds since any beginning. */
export class Model {
  /** What is offered, to be looked at and ticked. */
  tree = new Tree();
  state: ReceiveState = { at: 'ready' };
  name = '';
  ways: readonly WayOffer[] = [];
  resumable: ReceiveView['resumable'] = null;
  /** What was ticked when the person chose. */
  started: Sum | undefined;
  isOffline = false;
  #offer: OfferView | null = null;
  #totals: Totals | null = null;
  #progress: Progress | null = null;
  // Whether this connection's bytes are counted already.
  #isCounted = false;
  #isSenderPaused = false;
  #isListed = false;
  #path: PathKind | null = null;
  readonly #flow = new Flow();

  /** Whether the manifest is there to its end. */
  get isListed(): boolean {
    return this.#isListed;
  }

  /** What the person has chosen, or what is ticked, or before anything is listed all that is offered. */
  get chosen(): Sum {
    if (this.started !== undefined || this.tree.entries > 0 || this.#offer === null) {
      return this.started ?? this.tree.chosen();
    }
    const { bytes, entries } = this.#offer;
    return { bytes, entries, files: entries };
  }

  /** Takes what the download tells. */
  handleEvent(event: DownloadEvent, now: number): void {
    switch (event.type) {
      case 'place': {
        const { tier, ahead, slots, sender_here } = event.place;
        const waitSeconds = event.wait === undefined ? null : Math.round(event.wait / 1000);
        this.state = sender_here
          ? { at: 'waiting', tier, ahead, slots, waitSeconds }
          : { at: 'sender_away' };
        break;
      }
      case 'summary':
        this.name = event.summary.name;
        if (this.#totals === null) {
          this.#offer = event.summary;
        }
        break;
      case 'sender_away':
        this.state = { at: 'sender_away' };
        break;
      case 'connecting':
        // Without a network it is tried all the same, as the sender may be on this machine; that is no news.
        if (!(this.isOffline && this.state.at === 'retrying')) {
          this.state = { at: 'connecting' };
        }
        break;
      case 'opened':
        this.#handleOpened(event.name, event.listing);
        break;
      case 'path':
        this.#path = event.path;
        break;
      case 'totals':
        this.#handleTotals(event.totals);
        break;
      case 'listed':
        event.entries.forEach((entry) => {
          this.tree.push(entry);
        });
        this.state = { at: 'listing', listed: this.tree.entries };
        break;
      case 'choosing':
        this.#isListed = true;
        this.state = { at: 'choosing', keptUntil: event.keptUntil };
        break;
      case 'released':
        this.state = { at: 'choosing', keptUntil: null };
        break;
      case 'paused_by_sender':
        this.#isSenderPaused = event.paused;
        this.#setFlowing();
        break;
      case 'progress':
        this.#handleProgress(event.progress, now);
        break;
      case 'finishing':
        this.state = { at: 'finishing' };
        break;
      case 'retrying': {
        const seconds = Math.ceil(event.pause / 1000);
        const trouble = toTrouble(event.error);
        this.state = { at: 'retrying', trouble, seconds, offline: this.isOffline };
        this.#path = null;
      }
    }
  }

  /** Lets time pass. */
  handleTime(now: number): void {
    this.#flow.handleTime(now);
  }

  /** The browser has a network, or has none. */
  handleNetwork(isOffline: boolean): void {
    this.isOffline = isOffline;
    if (this.state.at === 'retrying') {
      this.state = { ...this.state, offline: isOffline };
    }
  }

  /** The person has chosen what is ticked. */
  handleChoice(): void {
    this.started = this.chosen;
    if (this.state.at === 'listing' || this.state.at === 'choosing') {
      this.#setFlowing();
    }
  }

  /** What was chosen can go there no more: it is to be chosen again. */
  handleChoiceLost(): void {
    this.started = undefined;
    this.#progress = null;
  }

  /** It begins, or goes on. */
  handleStart(): void {
    this.state = { at: 'joining' };
    this.#isSenderPaused = false;
  }

  /** Nothing moves before the person does something. */
  handleHalt(state: ReceiveState): void {
    this.state = state;
    this.#path = null;
    this.#flow.clear();
  }

  /** Everything is there. */
  handleDone(report: SavingReport, handover: Handover | null): void {
    if (this.#progress !== null) {
      const { bytes, entries } = report;
      this.#progress = { ...this.#progress, durableBytes: bytes, entries, current: null };
    }
    this.handleHalt({ at: 'done', report, handover });
  }

  /** It could not go on. */
  handleFailure(trouble: Trouble): void {
    this.handleHalt({ at: 'failed', trouble });
  }

  /** All of it, to be drawn. */
  view(now: number): ReceiveView {
    const rate = this.#flow.rate(now);
    const progress = this.#progress;
    const left = progress === null ? 0 : progress.totalBytes - progress.bytes;
    const { bytes, entries } = this.chosen;
    return {
      state: this.state,
      offer: this.#offer,
      totals: this.#totals,
      ways: this.ways,
      chosen: { bytes, entries },
      progress: progress && {
        ...progress,
        secondsLeft: progress.complete ? secondsLeft(left, rate) : null,
      },
      path: this.#path,
      rate,
      plot: this.#flow.plot(),
      resumable: this.resumable,
    };
  }

  #handleOpened(name: string, listing: boolean): void {
    this.name = name;
    if (this.#offer !== null) {
      this.#offer = { ...this.#offer, name };
    }
    this.#isCounted = false;
    this.#isSenderPaused = false;
    if (listing) {
      // The list begins anew; what was unticked in it stays so.
      this.tree = new Tree(this.tree.flips());
      this.#isListed = false;
      this.state = { at: 'listing', listed: 0 };
    } else {
      this.#setFlowing();
    }
  }

  #handleTotals(totals: Totals): void {
    const { entries, bytes, complete } = totals;
    this.#totals = totals;
    this.#offer = { name: this.name, entries, bytes, complete };
  }

  #handleProgress(progress: Progress, now: number): void {
    // What was there before this connection, or is found on the disk at its beginning, has not moved now.
    if (this.#progress !== null && this.#isCounted) {
      this.#flow.handleBytes(progress.bytes - this.#progress.bytes, now);
    }
    this.#isCounted = true;
    this.#progress = progress;
    if (this.state.at !== 'finishing') {
      this.#setFlowing();
    }
  }

  #setFlowing(): void {
    if (this.started !== undefined) {
      this.state = { at: this.#isSenderPaused ? 'paused_by_sender' : 'downloading' };
    }
  }
}
