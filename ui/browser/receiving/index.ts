// One link that this page receives: what a person does with it, and what is seen of it.
import type { Key } from '../../protocol/crypto';
import { ProtocolError } from '../../protocol/error';
import { type PeerId, labelledHash, idBytes, toId } from '../../protocol/id';
import type { Link } from '../../protocol/link';
import type { TreeSource } from '../../shared/tree.svelte';
import { derivePsk, randomBytes } from '../crypto';
import type { ReceiveState, ReceiveView, Receiving } from '../page';
import { forget, keep, takeKept } from '../peer/keep';
import type { SavingReport, WayOffer } from '../save/destination';
import { toTrouble } from '../trouble';
import type { DownloadEvent } from './event';
import { Model } from './model';
import { browserName } from './name';
import type { Saving, SavingInfo } from './saving';
import { chooser } from './selection';
import { Stay, type StayEnd } from './stay';
import type { Target } from './transfer';

export type { Saving, SavingInfo } from './saving';

const VIEW_INTERVAL_MS = 250;
const PLOT_INTERVAL_MS = 1_000;

// Nothing goes on that could be held back.
const RESTING: readonly ReceiveState['at'][] = [
  'ready',
  'password_needed',
  'paused',
  'finishing',
  'done',
  'failed',
];

/** A download of the page. A page that was reloaded in line or in a slot takes its place again by itself. */
export class Receiver implements Receiving {
  readonly tree: TreeSource;
  readonly #link: Link;
  readonly #saving: Saving;
  readonly #model = new Model();
  readonly #listeners = new Set<(view: ReceiveView) => void>();
  readonly #stops = new AbortController();
  readonly #peer: PeerId;
  #place: { ticket: string | undefined; attempt: number };
  #psk: Key | undefined;
  #stay: Stay | undefined;
  // What still runs of an earlier stay lets go of the destination first.
  #before: Promise<unknown> = Promise.resolve();
  #target: Target | undefined;
  #isOpening = false;
  #isPaused = false;
  // Counts what a person has decided; what was begun before that is over.
  #decision = 0;
  #viewTimer: ReturnType<typeof setTimeout> | undefined;
  #plotTimer: ReturnType<typeof setInterval> | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;
  #told: ReceiveState | undefined;
  #askedWays = '';
  #isAsking = false;

  constructor(link: Link, saving: Saving) {
    this.#link = link;
    this.#saving = saving;
    this.tree = {
      rows: (from, count) => Promise.resolve(this.#model.tree.rows(from, count)),
      open: (node, open) => {
        this.#model.tree.open(node, open);
        this.#emit();
        return Promise.resolve();
      },
      tick: (node, ticked) => {
        this.#tick(() => {
          this.#model.tree.tick(node, ticked);
        });
        return Promise.resolve();
      },
    };
    const kept = takeKept(link.share, Date.now());
    this.#peer = kept?.peer ?? toId<PeerId>(randomBytes(16));
    this.#place = { ticket: kept?.ticket, attempt: kept?.attempt ?? 0 };
    this.#model.isOffline = !navigator.onLine;
    this.#listen();
    void this.#askResumable();
    void this.#askWays();
    if (kept?.isFresh === true) {
      this.begin();
    }
  }

  subscribe(listener: (view: ReceiveView) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#model.view(performance.now()));
    return () => {
      this.#listeners.delete(listener);
    };
  }

  begin(): void {
    if (this.#model.state.at === 'ready' || this.#model.state.at === 'failed') {
      this.#start();
    }
  }

  givePassword(password: string): void {
    if (this.#model.state.at === 'password_needed') {
      void this.#unlock(password);
    }
  }

  tickAll(ticked: boolean): void {
    this.#tick(() => {
      this.#model.tree.tickAll(ticked);
    });
  }

  async save(way: WayOffer['way']): Promise<void> {
    // How it is saved depends on whether it is one file, which the whole list tells.
    if (this.#target !== undefined || this.#isOpening || !this.#model.isListed) {
      return;
    }
    const decision = this.#decision;
    const flips = this.#model.tree.flips();
    const { bytes, entries } = this.#model.chosen;
    this.#isOpening = true;
    try {
      // Before anything is waited for: the browser's picker opens for nothing but a click.
      const destination = await this.#saving.openDestination(way, this.#info(flips));
      if (decision !== this.#decision) {
        await destination.close();
        return;
      }
      const counted = { bytes, entries };
      this.#target = { destination, takes: chooser(flips), counted };
    } catch (error) {
      // Whoever closes the picker goes on choosing.
      if (toTrouble(error).code !== 'interrupted') {
        this.#stop();
        this.#model.handleFailure(toTrouble(error));
        this.#emit();
      }
      return;
    } finally {
      this.#isOpening = false;
    }
    this.#model.handleChoice();
    if (this.#stay === undefined) {
      this.#start();
    } else {
      this.#stay.choose(this.#target);
      this.#emit();
    }
  }

  pause(paused: boolean): void {
    if (paused && !RESTING.includes(this.#model.state.at)) {
      this.#isPaused = true;
      this.#stop();
      this.#model.handleHalt({ at: 'paused' });
      this.#emit();
    } else if (!paused && this.#isPaused) {
      this.#start();
    }
  }

  retry(): void {
    if (this.#model.state.at === 'failed') {
      this.#start();
    }
  }

  leave(forgetAll: boolean): void {
    this.#stop();
    forget(this.#link.share);
    const target = this.#target;
    this.#target = undefined;
    this.#isPaused = false;
    this.#model.handleChoiceLost();
    this.#model.handleHalt({ at: 'ready' });
    this.#emit();
    if (target !== undefined) {
      const { destination } = target;
      this.#before = this.#before
        .then(() => (forgetAll ? destination.discard() : destination.close()))
        // It is gone from view; what could not be removed is the browser's to clear.
        .catch(() => undefined)
        .then(() => this.#askResumable());
    }
  }

  /** Lets go of everything that this object holds of the page, for tests and for another link. */
  dispose(): void {
    this.leave(false);
    this.#stops.abort();
    clearTimeout(this.#viewTimer);
    this.#listeners.clear();
  }

  // Joins, or asks for the password first.
  #start(): void {
    this.#decision += 1;
    this.#isPaused = false;
    if (this.#psk !== undefined) {
      this.#enter(this.#psk);
    } else if (this.#link.password) {
      this.#model.handleHalt({ at: 'password_needed', wrong: false });
      this.#emit();
    } else {
      void this.#unlock(undefined);
    }
  }

  async #unlock(password: string | undefined): Promise<void> {
    this.#decision += 1;
    const decision = this.#decision;
    this.#model.handleStart();
    this.#emit();
    try {
      const psk = await derivePsk(this.#link.secret, this.#link.share, password);
      if (decision === this.#decision) {
        this.#psk = psk;
        this.#enter(psk);
      }
    } catch (error) {
      if (decision === this.#decision) {
        this.#model.handleFailure(toTrouble(error));
        this.#emit();
      }
    }
  }

  #enter(psk: Key): void {
    const decision = this.#decision;
    this.#model.handleStart();
    this.#emit();
    this.#plotTimer ??= setInterval(() => {
      this.#model.handleTime(performance.now());
      this.#emitSoon();
    }, PLOT_INTERVAL_MS);
    const enter = async (): Promise<void> => {
      await this.#before;
      if (decision !== this.#decision) {
        return;
      }
      const stay = new Stay(
        {
          link: this.#link,
          psk,
          name: browserName(navigator.userAgent),
          peer: this.#peer,
          ...this.#place,
          target: this.#target,
        },
        (event) => {
          if (this.#stay === stay) {
            this.#handleEvent(event);
          }
        },
      );
      this.#stay = stay;
      this.#before = stay.ended.then((end) => {
        this.#place = stay.place;
        if (this.#stay === stay) {
          this.#stay = undefined;
          return this.#handleEnd(end);
        }
        return undefined;
      });
    };
    void enter();
  }

  // Whatever goes on is over.
  #stop(): void {
    this.#decision += 1;
    const stay = this.#stay;
    this.#stay = undefined;
    if (stay !== undefined) {
      this.#place = stay.place;
      stay.leave();
    }
    this.#rest();
  }

  #rest(): void {
    clearInterval(this.#plotTimer);
    this.#plotTimer = undefined;
  }

  #handleEvent(event: DownloadEvent): void {
    this.#model.handleEvent(event, performance.now());
    if (event.type === 'choosing' || event.type === 'summary' || event.type === 'totals') {
      void this.#askWays();
    }
    this.#emitSoon();
  }

  async #handleEnd(end: StayEnd): Promise<void> {
    this.#rest();
    switch (end.type) {
      case 'received':
        await this.#handleReceived(end.report);
        break;
      case 'released':
        this.#model.handleEvent({ type: 'released' }, performance.now());
        break;
      case 'failed':
        await this.#handleFailure(end.error, end.isDestinations);
        break;
      case 'left':
        break;
    }
    this.#emit();
  }

  async #handleReceived(report: SavingReport): Promise<void> {
    forget(this.#link.share);
    try {
      const handover = await this.#target?.destination.handover();
      this.#model.handleDone(report, handover ?? null);
    } catch (error) {
      this.#model.handleFailure(toTrouble(error));
    }
  }

  async #handleFailure(error: ProtocolError, isDestinations: boolean): Promise<void> {
    if (this.#link.password && error.code === 'link_rejected') {
      this.#psk = undefined;
      this.#model.handleHalt({ at: 'password_needed', wrong: true });
      return;
    }
    this.#model.handleFailure(toTrouble(error));
    if (isDestinations) {
      // The next try may go another way; what is durable there is found again.
      const target = this.#target;
      this.#target = undefined;
      this.#model.handleChoiceLost();
      await target?.destination.close().catch(() => undefined);
      void this.#askResumable();
    }
  }

  #tick(change: () => void): void {
    if (this.#target === undefined && !this.#isOpening) {
      change();
      void this.#askWays();
      this.#emit();
    }
  }

  #info(flips = this.#model.tree.flips()): SavingInfo {
    const { bytes, entries, files } = this.#model.chosen;
    return {
      shareKey: shareKey(this.#link),
      name: (files === 1 ? this.#model.tree.onlyFile() : undefined) ?? this.#model.name,
      chosen: chooser(flips),
      totals: { bytes, entries, files },
    };
  }

  // What can be said of the ways depends on how much is ticked, and whether that is one file.
  async #askWays(): Promise<void> {
    if (this.#isAsking) {
      return;
    }
    this.#isAsking = true;
    for (let info = this.#info(); keyOf(info) !== this.#askedWays; info = this.#info()) {
      this.#askedWays = keyOf(info);
      this.#model.ways = await this.#saving.ways(info).catch(() => []);
      this.#emit();
    }
    this.#isAsking = false;
  }

  async #askResumable(): Promise<void> {
    const found = await this.#saving.resumable(shareKey(this.#link)).catch(() => undefined);
    this.#model.resumable = found ?? null;
    this.#emit();
  }

  #listen(): void {
    const { signal } = this.#stops;
    const handleNetwork = (isOffline: boolean): void => {
      this.#model.handleNetwork(isOffline);
      if (!isOffline) {
        this.#stay?.handleOnline();
      }
      this.#emit();
    };
    addEventListener(
      'online',
      () => {
        handleNetwork(false);
      },
      { signal },
    );
    addEventListener(
      'offline',
      () => {
        handleNetwork(true);
      },
      { signal },
    );
    const keepPlace = (): void => {
      if (this.#stay !== undefined) {
        keep(this.#link.share, { peer: this.#peer, ...this.#stay.place }, Date.now());
      }
    };
    addEventListener('pagehide', keepPlace, { signal });
    document.addEventListener(
      'visibilitychange',
      () => {
        if (document.visibilityState === 'hidden') {
          keepPlace();
        } else {
          forget(this.#link.share);
        }
      },
      { signal },
    );
  }

  // At once when the state is another, else four times a second.
  #emitSoon(): void {
    const wait = this.#toldAt + VIEW_INTERVAL_MS - performance.now();
    if (this.#model.state.at !== this.#told?.at || wait <= 0) {
      this.#emit();
    } else {
      this.#viewTimer ??= setTimeout(() => {
        this.#emit();
      }, wait);
    }
  }

  #emit(): void {
    clearTimeout(this.#viewTimer);
    this.#viewTimer = undefined;
    const now = performance.now();
    this.#toldAt = now;
    this.#told = this.#model.state;
    const view = this.#model.view(now);
    this.#listeners.forEach((listener) => {
      listener(view);
    });
  }
}

function keyOf({ name, totals }: SavingInfo): string {
  return JSON.stringify([name, totals]);
}

// A hash, so that what is kept in the browser's storage names neither the share nor its sender.
function shareKey({ share, sender }: Link): string {
  return toId(labelledHash('sluice/1 page', idBytes(share), sender).subarray(0, 16));
}
