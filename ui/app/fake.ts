// A backend for tests: plays recorded events, keeps a tree of any size, and remembers what it was asked.
import type { Backend } from './backend';
import type {
  AppEvent,
  Check,
  Failure,
  HistoryItem,
  QrCode,
  Row,
  Rows,
  Settings,
  Snapshot,
} from './bindings';

/** A command as it was asked. */
export type Call = [command: keyof Backend, ...values: unknown[]];

const recordings = import.meta.glob<string>('./fixtures/*.jsonl', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** The events of a recording in `fixtures`, one a line there. */
export function recording(name: string): AppEvent[] {
  const text = recordings[`./fixtures/${name}.jsonl`];
  if (text === undefined) {
    throw new Error(`there is no recording ${name}`);
  }
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as AppEvent);
}

/** What the shell says about commands that answer, and which commands it refuses. */
export interface Answers {
  snapshot: Snapshot;
  history?: HistoryItem[];
  checks?: Check[];
  qr?: QrCode;
  /** Whether something is under way, so that no update is put in place. */
  busy?: boolean;
  /** Files of the tree, below one folder. */
  files?: number;
}

/** Sizes of files in the tree, in bytes. */
const FILE_BYTES = 4_200_000;

/** The shell, as far as a window can tell. */
export class FakeBackend implements Backend {
  /** All that was asked, in order; reading rows aside. */
  readonly calls: Call[] = [];
  /** Row ranges that were asked for. */
  readonly reads: [from: number, count: number][] = [];
  /** What the next call of a command is refused with. */
  readonly refusals = new Map<keyof Backend, Failure>();
  readonly #answers: Answers;
  readonly #unticked = new Set<number>();
  #settings: Settings;
  #open = true;
  #listener: (event: AppEvent) => void = () => undefined;

  constructor(answers: Answers) {
    this.#answers = answers;
    this.#settings = answers.snapshot.settings;
  }

  /** Tells the window of events. */
  play(...events: AppEvent[]): void {
    events.forEach((event) => {
      this.#listener(event);
    });
  }

  subscribe(listener: (event: AppEvent) => void): Promise<Snapshot> {
    this.#listener = listener;
    return this.#answer('subscribe', this.#answers.snapshot);
  }

  shareFiles = this.#does('shareFiles', 's1');
  shareFolder = this.#does('shareFolder', 's1');
  setTerms = this.#does('setTerms', undefined);
  pauseShare = this.#does('pauseShare', undefined);
  endShare = this.#does('endShare', undefined);
  restartShare = this.#does('restartShare', undefined);
  removeShare = this.#does('removeShare', undefined);
  pauseReceiver = this.#does('pauseReceiver', undefined);
  limitReceiver = this.#does('limitReceiver', undefined);
  letGo = this.#does('letGo', undefined);
  copyLink = this.#does('copyLink', undefined);
  openLink = this.#does('openLink', 'd1');
  givePassword = this.#does('givePassword', undefined);
  tickAll = this.#does('tickAll', undefined);
  chooseFolder = this.#does('chooseFolder', true);
  setConflict = this.#does('setConflict', undefined);
  startDownload = this.#does('startDownload', undefined);
  pauseDownload = this.#does('pauseDownload', undefined);
  retryDownload = this.#does('retryDownload', undefined);
  removeDownload = this.#does('removeDownload', undefined);
  showDownload = this.#does('showDownload', undefined);
  forgetHistory = this.#does('forgetHistory', undefined);
  showHistory = this.#does('showHistory', undefined);
  chooseDownloadFolder = this.#does('chooseDownloadFolder', undefined);
  lookForUpdate = this.#does('lookForUpdate', undefined);
  fetchUpdate = this.#does('fetchUpdate', undefined);
  quit = this.#does('quit', undefined);

  qr(id: string): Promise<QrCode> {
    return this.#answer('qr', this.#answers.qr ?? { size: 21, path: 'M0 0h7v7h-7z' }, id);
  }

  history(): Promise<HistoryItem[]> {
    return this.#answer('history', this.#answers.history ?? []);
  }

  testConnection(): Promise<Check[]> {
    return this.#answer('testConnection', this.#answers.checks ?? []);
  }

  installUpdate(): Promise<boolean> {
    return this.#answer('installUpdate', !(this.#answers.busy ?? false));
  }

  saveSettings(change: Partial<Settings>): Promise<void> {
    this.#settings = { ...this.#settings, ...change };
    this.play({ event: 'settings', settings: this.#settings });
    return this.#answer('saveSettings', undefined, change);
  }

  rows(_id: string, from: number, count: number): Promise<Rows> {
    this.reads.push([from, count]);
    const total = 1 + (this.#open ? this.#files : 0);
    const shown = Math.max(0, Math.min(count, total - from));
    const rows = Array.from({ length: shown }, (_, index) => this.#row(from + index));
    return Promise.resolve({ total, from, rows });
  }

  openRow(id: string, node: number, open: boolean): Promise<void> {
    this.#open = open;
    return this.#answer('openRow', undefined, id, node, open);
  }

  tickRow(id: string, node: number, ticked: boolean): Promise<void> {
    if (node === 0) {
      this.#unticked.clear();
    } else if (ticked) {
      this.#unticked.delete(node);
    } else {
      this.#unticked.add(node);
    }
    return this.#answer('tickRow', undefined, id, node, ticked);
  }

  get #files(): number {
    return this.#answers.files ?? 12;
  }

  #row(node: number): Row {
    if (node === 0) {
      return {
        node,
        depth: 0,
        parent: null,
        name: 'Holiday photos',
        kind: 'folder',
        bytes: this.#files * FILE_BYTES,
        files: this.#files,
        open: this.#open,
        tick: this.#unticked.size === 0 ? 'all' : 'some',
      };
    }
    return {
      node,
      depth: 1,
      parent: 0,
      name: `IMG_${String(node).padStart(4, '0')}.jpg`,
      kind: 'file',
      bytes: FILE_BYTES,
      files: 0,
      open: false,
      tick: this.#unticked.has(node) ? 'none' : 'all',
    };
  }

  #does<Answer>(command: keyof Backend, answer: Answer): (...values: unknown[]) => Promise<Answer> {
    return (...values) => this.#answer(command, answer, ...values);
  }

  #answer<Answer>(command: keyof Backend, answer: Answer, ...values: unknown[]): Promise<Answer> {
    this.calls.push([command, ...values]);
    const refusal = this.refusals.get(command);
    this.refusals.delete(command);
    return refusal === undefined ? Promise.resolve(answer) : refuse(refusal);
  }
}

function refuse(failure: Failure): Promise<never> {
  return Promise.reject(failure);
}
