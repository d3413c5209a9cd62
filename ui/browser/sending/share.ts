// A share of this page, from what is chosen to its end, as the views know it.
import { DEFAULT_SLOTS, type Totals } from '../../protocol/bindings';
import { ProtocolError } from '../../protocol/error';
import { SenderKeys } from '../../protocol/handshake';
import { LinkSecret, type OwnerKey, type PeerId, joinHash, shareId, toId } from '../../protocol/id';
import { Link, ServerUrl } from '../../protocol/link';
import { after, now } from '../clock';
import { contentProvider, derivePsk, randomBytes } from '../crypto';
import { Flow } from '../flow';
import type { SendState, SendTerms, SendView, Sending, Trouble } from '../page';
import { Api } from '../peer/http';
import { toTrouble } from '../trouble';
import { Awake } from './awake';
import { Catalog } from './catalog';
import { Desk, type DeskListener } from './desk';
import { Receivers } from './receivers';
import {
  type SourceItem,
  fromDrop,
  fromFiles,
  fromHandle,
  refuseNothing,
  shareName,
} from './source';
import { walk } from './walk';

// A server that is just being started deserves a moment.
const FIRST_CONTACT_MS = 10_000;
const TELL_EVERY_MS = 250;
const TICK_MS = 1_000;
const NOTHING: Totals = { pages: 0, entries: 0, bytes: 0, unreadable: 0, complete: false };

// choosing -> opening -> open -> ended or failed; a new choice begins anew from the last two.
type Stage = { at: 'choosing' | 'opening' | 'open' | 'ended' } | { at: 'failed'; trouble: Trouble };

/** What a share needs of its page. */
export interface ShareOptions {
  /** Where the page came from: the server that introduces its receivers. */
  origin: string;
}

/** The one share of this page. */
export class Share implements Sending {
  readonly #origin: string;
  readonly #listeners = new Set<(view: SendView) => void>();
  readonly #awake: Awake;
  #stage: Stage = { at: 'choosing' };
  #run: Run | undefined;
  #toldAt = -TELL_EVERY_MS;
  #told: SendState['at'] | undefined;
  #isTelling = false;

  constructor({ origin }: ShareOptions) {
    this.#origin = origin;
    this.#awake = new Awake({
      changed: () => {
        this.#tell();
      },
      online: () => {
        this.#run?.desk?.handleOnline();
      },
      leaving: () => {
        // The keys go with the page, so nobody could come back to this share.
        this.#run?.desk?.sayEnd();
      },
    });
  }

  subscribe(listener: (view: SendView) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view());
    return () => this.#listeners.delete(listener);
  }

  shareFiles(files: readonly File[], terms: SendTerms): void {
    this.#begin(fromFiles(files), terms);
  }

  shareDropped(items: DataTransferItemList, terms: SendTerms): void {
    this.#begin(fromDrop(items), terms);
  }

  shareFolder(folder: FileSystemDirectoryHandle, terms: SendTerms): void {
    this.#begin([fromHandle(folder)], terms);
  }

  pause(paused: boolean): void {
    if (this.#run !== undefined) {
      this.#run.paused = paused;
      this.#run.desk?.pause(paused);
      this.#tell();
    }
  }

  pauseReceiver(peer: string, paused: boolean): void {
    this.#run?.desk?.pauseReceiver(peer as PeerId, paused);
    this.#run?.receivers.pause(peer, paused);
    this.#tell();
  }

  letGo(peer: string): void {
    this.#run?.desk?.letGo(peer as PeerId);
  }

  end(): void {
    const run = this.#run;
    if (run !== undefined && this.#stage.at !== 'ended' && this.#stage.at !== 'failed') {
      this.#stop({ at: 'ended' });
      void run.desk?.end();
    }
  }

  #begin(items: readonly SourceItem[], terms: SendTerms): void {
    if (this.#stage.at !== 'opening' && this.#stage.at !== 'open') {
      const run = new Run(shareName(items), clampSlots(terms.slots));
      this.#run = run;
      this.#stage = { at: 'opening' };
      this.#tell();
      this.#open(run, items, terms).catch((error: unknown) => {
        this.#fail(run, error);
      });
    }
  }

  async #open(run: Run, items: readonly SourceItem[], { password }: SendTerms): Promise<void> {
    refuseNothing(items);
    const server = ServerUrl.parse(this.#origin);
    // New ones for each share, and kept nowhere: a page has no place that others can't read, and no way to the files
    // again once it is closed. So a link is good for as long as this page is open.
    const ownerKey = toId<OwnerKey>(randomBytes(32));
    const secret = new LinkSecret(randomBytes(16));
    const keys = new SenderKeys(randomBytes(32));
    const share = shareId(ownerKey);
    const hasPassword = password !== null;
    const link = new Link({ server, share, secret, sender: keys.hash(), password: hasPassword });
    run.catalog.subscribe(() => {
      this.#tell();
    });
    const walking = walk(items, run.catalog, run.signal);
    walking.catch((error: unknown) => {
      this.#fail(run, error);
    });
    const psk = await derivePsk(secret, share, password ?? undefined);
    if (run.signal.aborted) {
      return;
    }
    const { name, catalog, slots } = run;
    const source = { share, name, psk, keys, catalog, provider: contentProvider() };
    const deskKeys = { owner_key: ownerKey, join_hash: joinHash(link.joinKey()), secret };
    const api = new Api(server, share);
    run.desk = new Desk(source, deskKeys, slots, api, this.#listenTo(run, link));
    run.desk.pause(run.paused);
    run.stopFirstContact = after(FIRST_CONTACT_MS, () => {
      this.#fail(run, run.lastError);
    });
  }

  #listenTo(run: Run, link: Link): DeskListener {
    const { receivers } = run;
    // What is told of a share that was given up is of no interest.
    const orNothing = (act: () => void): void => {
      if (this.#run === run && !run.signal.aborted) {
        act();
        this.#tell();
      }
    };
    return {
      up: () => {
        orNothing(() => {
          run.stopFirstContact();
          run.away = undefined;
          if (this.#stage.at === 'opening') {
            run.link = link.toWeb();
            this.#stage = { at: 'open' };
            this.#awake.hold();
            this.#tick(run);
          }
        });
      },
      down: (error, pause) => {
        orNothing(() => {
          run.lastError = error;
          run.away = { trouble: toTrouble(error), until: now() + pause };
        });
      },
      refused: (error) => {
        this.#fail(run, error);
      },
      waiting: (count) => {
        orNothing(() => (run.waiting = count));
      },
      joined: (peer) => {
        orNothing(() => {
          receivers.join(peer, run.slots);
        });
      },
      left: (peer) => {
        orNothing(() => {
          receivers.leave(peer, now());
        });
      },
      connected: (peer, name) => {
        orNothing(() => {
          receivers.connect(peer, name);
        });
      },
      path: (peer, path) => {
        orNothing(() => {
          receivers.setPath(peer, path);
        });
      },
      progress: (peer, bytes, totalBytes) => {
        orNothing(() => {
          run.flow.handleBytes(receivers.progress(peer, bytes, totalBytes, now()), now());
        });
      },
      done: (peer, bytes) => {
        orNothing(() => {
          const { fresh, isNews } = receivers.finish(peer, bytes);
          run.flow.handleBytes(fresh, now());
          run.done += isNews ? 1 : 0;
        });
      },
      lost: (peer) => {
        orNothing(() => {
          receivers.lose(peer, now());
        });
      },
    };
  }

  // Rates and those who are gone change with time alone.
  #tick(run: Run): void {
    run.stopTick = after(TICK_MS, () => {
      run.receivers.handleTime(now());
      const isMoving = run.flow.handleTime(now());
      if (isMoving || !run.receivers.isEmpty() || run.away !== undefined) {
        this.#tell();
      }
      this.#tick(run);
    });
  }

  #fail(run: Run, error: unknown): void {
    if (this.#run === run && !run.signal.aborted) {
      run.desk?.stop();
      this.#stop({ at: 'failed', trouble: toTrouble(error) });
    }
  }

  #stop(stage: Stage): void {
    this.#run?.stop();
    this.#awake.release();
    this.#stage = stage;
    this.#tell();
  }

  // At most four times a second, and at once when the state is another.
  #tell(): void {
    const due = this.#toldAt + TELL_EVERY_MS - now();
    if (this.#state().at !== this.#told || due <= 0) {
      const view = this.#view();
      this.#toldAt = now();
      this.#told = view.state.at;
      for (const listener of this.#listeners) {
        listener(view);
      }
    } else if (!this.#isTelling) {
      this.#isTelling = true;
      after(due, () => {
        this.#isTelling = false;
        this.#tell();
      });
    }
  }

  #state(): SendState {
    const run = this.#run;
    if (this.#stage.at !== 'open' || run === undefined) {
      return this.#stage as SendState;
    }
    if (run.away !== undefined) {
      const { trouble, until } = run.away;
      const seconds = Math.ceil(Math.max(0, until - now()) / 1000);
      return { at: 'server_away', trouble, seconds };
    }
    return { at: run.paused ? 'paused' : 'live' };
  }

  #view(): SendView {
    const run = this.#run;
    return {
      state: this.#state(),
      name: run?.name ?? '',
      link: run?.link ?? null,
      totals: run?.catalog.totals ?? NOTHING,
      slots: run?.slots ?? DEFAULT_SLOTS,
      receivers: run?.receivers.views(run.paused, now()) ?? [],
      waiting: run?.waiting ?? 0,
      done: run?.done ?? 0,
      rate: Math.round(run?.flow.rate(now()) ?? 0),
      plot: run?.flow.plot() ?? [],
      awake: this.#awake.isAwake,
    };
  }
}

function clampSlots(slots: number): number {
  return Math.min(Math.max(Math.round(slots), 1), DEFAULT_SLOTS);
}

// All that is known of one share while it runs, and what is still shown of it afterwards.
class Run {
  readonly catalog = new Catalog();
  readonly flow = new Flow();
  receivers = new Receivers();
  desk: Desk | undefined;
  link: string | undefined;
  paused = false;
  away: { trouble: Trouble; until: number } | undefined;
  lastError = new ProtocolError('server_unreachable');
  waiting = 0;
  done = 0;
  stopFirstContact: () => void = () => undefined;
  stopTick: () => void = () => undefined;
  readonly #over = new AbortController();

  constructor(
    readonly name: string,
    readonly slots: number,
  ) {}

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  // Nobody is connected to a share that does not run.
  stop(): void {
    this.#over.abort();
    this.stopFirstContact();
    this.stopTick();
    this.receivers = new Receivers();
    this.waiting = 0;
    this.flow.clear();
  }
}
