// The way to the shell: all that the window can ask of it. The only file that knows Tauri.
import { Channel, invoke } from '@tauri-apps/api/core';
import {
  CODES,
  type AppEvent,
  type Check,
  type Code,
  type ConflictChoice,
  type Failure,
  type HistoryItem,
  type QrCode,
  type Rows,
  type Settings,
  type ShareTerms,
  type Snapshot,
} from './bindings';

/** What the window asks of the shell. Each call rejects with a `Failure` and with nothing else. */
export interface Backend {
  /** From now on `listener` is told of everything; the snapshot is what was before. */
  subscribe(listener: (event: AppEvent) => void): Promise<Snapshot>;

  /** Lets the person choose files, and shares them; the share's id, or `null` if they chose none. */
  shareFiles(terms: ShareTerms): Promise<string | null>;
  /** The same with a folder. */
  shareFolder(terms: ShareTerms): Promise<string | null>;
  /** A password of `''` stays as it is, `null` is none. */
  setTerms(id: string, terms: ShareTerms): Promise<void>;
  pauseShare(id: string, paused: boolean): Promise<void>;
  endShare(id: string): Promise<void>;
  /** A failed or ended share, again under its link. */
  restartShare(id: string): Promise<void>;
  /** An ended or failed share goes from view. */
  removeShare(id: string): Promise<void>;
  pauseReceiver(id: string, receiver: string, paused: boolean): Promise<void>;
  /** Bytes a second, or none. */
  limitReceiver(id: string, receiver: string, limit: number | null): Promise<void>;
  letGo(id: string, receiver: string): Promise<void>;
  copyLink(id: string, deep: boolean): Promise<void>;
  qr(id: string): Promise<QrCode>;

  /** The id of the download of this link. */
  openLink(text: string): Promise<string>;
  givePassword(id: string, password: string): Promise<void>;
  rows(id: string, from: number, count: number): Promise<Rows>;
  openRow(id: string, node: number, open: boolean): Promise<void>;
  tickRow(id: string, node: number, ticked: boolean): Promise<void>;
  tickAll(id: string, ticked: boolean): Promise<void>;
  /** Lets the person choose the download's folder; whether they did. */
  chooseFolder(id: string): Promise<boolean>;
  setConflict(id: string, conflict: ConflictChoice): Promise<void>;
  startDownload(id: string): Promise<void>;
  pauseDownload(id: string, paused: boolean): Promise<void>;
  retryDownload(id: string): Promise<void>;
  /** Stops it; what was verified stays on disk. */
  removeDownload(id: string): Promise<void>;
  /** In the system's file manager. */
  showDownload(id: string): Promise<void>;

  history(): Promise<HistoryItem[]>;
  /** One line of it, or with `null` all. */
  forgetHistory(id: string | null): Promise<void>;
  showHistory(id: string): Promise<void>;

  /** What is left out stays as it is. */
  saveSettings(change: Partial<Settings>): Promise<void>;
  chooseDownloadFolder(): Promise<void>;
  testConnection(): Promise<Check[]>;
  /** What comes of it is told as an event; the same with the next. */
  lookForUpdate(): Promise<void>;
  fetchUpdate(): Promise<void>;
  /** Replaces the app and starts it again; `false` if something is under way, and then nothing was done. */
  installUpdate(): Promise<boolean>;
  /** Ends the app; its shares have the same links the next time. */
  quit(): Promise<void>;
}

/** What a command was refused with. A text of the bridge itself means that the two sides do not fit together. */
export function asFailure(error: unknown): Failure {
  if (typeof error === 'object' && error !== null && 'code' in error) {
    const { code, detail } = error as { code: unknown; detail?: unknown };
    if (CODES.includes(code as Code)) {
      return { code: code as Code, detail: typeof detail === 'string' ? detail : null };
    }
  }
  return { code: 'interrupted', detail: error instanceof Error ? error.message : String(error) };
}

async function ask<Answer>(command: string, values?: Record<string, unknown>): Promise<Answer> {
  try {
    return await invoke<Answer>(command, values);
  } catch (error) {
    throw asFailure(error);
  }
}

/** The shell that this window belongs to. */
export const shell: Backend = {
  subscribe: (listener) => ask('subscribe', { channel: new Channel<AppEvent>(listener) }),

  shareFiles: (terms) => ask('share_files', { terms }),
  shareFolder: (terms) => ask('share_folder', { terms }),
  setTerms: (id, terms) => ask('set_terms', { id, terms }),
  pauseShare: (id, paused) => ask('pause_share', { id, paused }),
  endShare: (id) => ask('end_share', { id }),
  restartShare: (id) => ask('restart_share', { id }),
  removeShare: (id) => ask('remove_share', { id }),
  pauseReceiver: (id, receiver, paused) => ask('pause_receiver', { id, receiver, paused }),
  limitReceiver: (id, receiver, limit) => ask('limit_receiver', { id, receiver, limit }),
  letGo: (id, receiver) => ask('let_go', { id, receiver }),
  copyLink: (id, deep) => ask('copy_link', { id, deep }),
  qr: (id) => ask('qr', { id }),

  openLink: (text) => ask('open_link', { text }),
  givePassword: (id, password) => ask('give_password', { id, password }),
  rows: (id, from, count) => ask('rows', { id, from, count }),
  openRow: (id, node, open) => ask('open_row', { id, node, open }),
  tickRow: (id, node, ticked) => ask('tick_row', { id, node, ticked }),
  tickAll: (id, ticked) => ask('tick_all', { id, ticked }),
  chooseFolder: (id) => ask('choose_folder', { id }),
  setConflict: (id, conflict) => ask('set_conflict', { id, conflict }),
  startDownload: (id) => ask('start_download', { id }),
  pauseDownload: (id, paused) => ask('pause_download', { id, paused }),
  retryDownload: (id) => ask('retry_download', { id }),
  removeDownload: (id) => ask('remove_download', { id }),
  showDownload: (id) => ask('show_download', { id }),

  history: () => ask('history'),
  forgetHistory: (id) => ask('forget_history', { id }),
  showHistory: (id) => ask('show_history', { id }),

  saveSettings: (change) => ask('save_settings', { change }),
  chooseDownloadFolder: () => ask('choose_download_folder'),
  testConnection: () => ask('test_connection'),
  lookForUpdate: () => ask('look_for_update'),
  fetchUpdate: () => ask('fetch_update'),
  installUpdate: () => ask('install_update'),
  quit: () => ask('quit'),
};
