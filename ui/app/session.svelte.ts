// What the window knows: the shell's snapshot, kept true by its events, and which part of it is in view.
import { getContext, setContext } from 'svelte';
import { Language, nearest } from '../shared/language.svelte';
import type { TreeSource } from '../shared/tree.svelte';
import { asFailure, type Backend } from './backend';
import type {
  AppEvent,
  DownloadView,
  Failure,
  Notice,
  Place,
  Settings,
  ShareView,
  Snapshot,
  UpdateView,
} from './bindings';

/** A notice in its banner. */
export interface Banner {
  /** Which one, for as long as the window is there. */
  number: number;
  /** What it says. */
  notice: Notice;
}

/** Banners at the same time; older ones go. */
const MOST_BANNERS = 3;

/** The window's whole state. Views are drawn from it and change it through its methods and the shell alone. */
export class Session {
  /** Shares, oldest first. */
  shares = $state.raw<readonly ShareView[]>([]);
  /** Downloads, oldest first. */
  downloads = $state.raw<readonly DownloadView[]>([]);
  /** The settings, once the shell has told them. */
  settings = $state.raw<Settings | null>(null);
  /** The version of the app. */
  version = $state('');
  /** What is known of newer versions. */
  update = $state.raw<UpdateView>({ state: 'off' });
  /** Whether something is dragged over the window. */
  dragging = $state(false);
  /** Grows with each change of the history. */
  historyVersion = $state(0);
  /** What the person should know, the newest last. */
  banners = $state.raw<readonly Banner[]>([]);
  /** The part of the window that is in view. */
  place = $state<Place>('share');
  /** The language that all views speak. */
  readonly language = new Language();

  /** The share in view. */
  readonly share = $derived.by(() => chosen(this.shares, this.#shareId));
  /** The download in view; none while a link is asked for. */
  readonly download = $derived.by(() =>
    this.#asksForLink ? undefined : chosen(this.downloads, this.#downloadId),
  );

  #shareId = $state<string | null>(null);
  #downloadId = $state<string | null>(null);
  #asksForLink = $state(false);
  #systemLanguage = 'en';
  #banners = 0;
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Asks the shell for everything, and follows it from then on. */
  async begin(): Promise<void> {
    // An event may overtake the snapshot; it is newer all the same.
    let early: AppEvent[] | null = [];
    const snapshot = await this.#backend.subscribe((event) => {
      if (early === null) {
        this.#take(event);
      } else {
        early.push(event);
      }
    });
    this.#start(snapshot);
    const waiting = early;
    early = null;
    waiting.forEach((event) => {
      this.#take(event);
    });
  }

  /** Asks the shell for something; what it refuses becomes a banner. Answers whether it was done. */
  async ask(request: (backend: Backend) => Promise<unknown>): Promise<boolean> {
    return (await this.tell(request)) !== undefined;
  }

  /** The same, with the shell's answer if there is one. */
  async tell<Answer>(
    request: (backend: Backend) => Promise<Answer>,
  ): Promise<{ answer: Answer } | undefined> {
    try {
      return { answer: await request(this.#backend) };
    } catch (error) {
      this.failed(asFailure(error));
      return undefined;
    }
  }

  /** Asks the shell for something whose refusal has a place of its own in the view. */
  async attempt(request: (backend: Backend) => Promise<unknown>): Promise<Failure | null> {
    try {
      await request(this.#backend);
      return null;
    } catch (error) {
      return asFailure(error);
    }
  }

  /** The tree of what a download offers. */
  tree(id: string): TreeSource {
    return {
      rows: (from, count) => this.#backend.rows(id, from, count),
      open: (node, open) => this.#backend.openRow(id, node, open),
      tick: (node, ticked) => this.#backend.tickRow(id, node, ticked),
    };
  }

  /** Something could not be done. */
  failed(failure: Failure): void {
    this.#notify({ notice: 'failed', ...failure });
  }

  /** Brings a part of the window into view, with a share or download where there is one. */
  show(place: Place, id: string | null = null): void {
    this.place = place;
    if (place === 'share' && id !== null) {
      this.#shareId = id;
    }
    if (place === 'receive' && id !== null) {
      this.#downloadId = id;
      this.#asksForLink = false;
    }
  }

  /** Asks for a link, beside the downloads that there are. */
  askForLink(): void {
    this.place = 'receive';
    this.#asksForLink = true;
  }

  /** Takes a banner away. */
  dismiss(number: number): void {
    this.banners = this.banners.filter((banner) => banner.number !== number);
  }

  #start(snapshot: Snapshot): void {
    this.shares = snapshot.shares;
    this.downloads = snapshot.downloads;
    this.version = snapshot.version;
    this.update = snapshot.update;
    this.#systemLanguage = snapshot.systemLanguage;
    this.#settle(snapshot.settings);
    if (snapshot.shares.length === 0 && snapshot.downloads.length > 0) {
      this.place = 'receive';
    }
    snapshot.notices.forEach((notice) => {
      this.#notify(notice);
    });
  }

  #take(event: AppEvent): void {
    switch (event.event) {
      case 'share':
        if (!this.shares.some((share) => share.id === event.view.id)) {
          this.show('share', event.view.id);
        }
        this.shares = replaced(this.shares, event.view);
        break;
      case 'shareGone':
        this.shares = this.shares.filter((share) => share.id !== event.id);
        break;
      case 'download':
        if (!this.downloads.some((download) => download.id === event.view.id)) {
          this.show('receive', event.view.id);
        }
        this.downloads = replaced(this.downloads, event.view);
        break;
      case 'downloadGone':
        this.downloads = this.downloads.filter((download) => download.id !== event.id);
        break;
      case 'dragging':
        this.dragging = event.over;
        break;
      case 'update':
        this.update = event.update;
        break;
      case 'settings':
        this.#settle(event.settings);
        break;
      case 'history':
        this.historyVersion += 1;
        break;
      case 'show':
        this.show(event.place, event.id);
        break;
      case 'notice':
        this.#notify(event.notice);
        break;
    }
  }

  #settle(settings: Settings): void {
    this.settings = settings;
    const wanted = settings.language ?? this.#systemLanguage;
    // The system's region writes numbers as the person is used to, as long as the words are in its language.
    const same = nearest(wanted) === nearest(this.#systemLanguage);
    this.language.tag = same ? this.#systemLanguage : wanted;
  }

  #notify(notice: Notice): void {
    this.#banners += 1;
    const others = this.banners.filter((banner) => !alike(banner.notice, notice));
    this.banners = [...others, { number: this.#banners, notice }].slice(-MOST_BANNERS);
  }
}

function chosen<View extends { id: string }>(
  views: readonly View[],
  id: string | null,
): View | undefined {
  return views.find((view) => view.id === id) ?? views.at(-1);
}

function replaced<View extends { id: string }>(
  views: readonly View[],
  view: View,
): readonly View[] {
  const known = views.some((other) => other.id === view.id);
  return known ? views.map((other) => (other.id === view.id ? view : other)) : [...views, view];
}

function alike(one: Notice, other: Notice): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

const CONTEXT = Symbol('session');

/** Lets every view below this one draw from a session. */
export function setSession(session: Session): void {
  setContext(CONTEXT, session);
}

/** The session of the views above. */
export function useSession(): Session {
  return getContext<Session>(CONTEXT);
}
