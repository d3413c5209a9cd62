// The ways in which this browser can save a download, and destinations of each.
import { ProtocolError } from '../../protocol/error';
import { Archive, type Sink } from './archive';
import type { Destination, Way, WayOffer } from './destination';
import { Disk } from './disk';
import { FolderStore } from './folder';
import { type DownloadRecord, Journal } from './journal';
import { MemorySink } from './memory';
import { type Platform, platformOf, portable } from './names';
import { JournalKeeper, PrivateSink } from './private';
import { Saving } from './saving';
import { openStream } from './stream';
import { nameOf, trouble } from './trouble';

/** What is to be saved. */
export interface SavingInfo {
  /** Stable for a share and its sender, and no secret. */
  shareKey: string;
  /** The share's name. */
  name: string;
  /** What of the share is taken, by path. */
  chosen: (path: string) => boolean;
  /** Of what is taken. */
  totals: { bytes: number; entries: number; files: number };
}

/** What an earlier visit has begun. */
export interface Resumable {
  way: Way;
  bytes: number;
  totalBytes: number;
}

// What a page may hold in memory; phones kill pages early.
const MEMORY = 512 * 1024 * 1024;
const MEMORY_PHONE = 128 * 1024 * 1024;

/** The ways that this browser has for such a download, the best first. */
export async function ways({ totals }: SavingInfo): Promise<WayOffer[]> {
  await sweep();
  const zips = totals.files !== 1;
  const journal = await Journal.open();
  journal?.close();
  const hasDisk = isSecureContext && (await Disk.isThere());
  const room = hasDisk ? await Disk.room() : 0;
  const offers: WayOffer[] = [];
  const add = (way: Way, over: Partial<WayOffer>): void => {
    offers.push({ way, limit: undefined, resumes: false, resumesTo: undefined, zips, ...over });
  };
  if ('showDirectoryPicker' in window) {
    const resumes = journal !== undefined && hasDisk;
    add('folder', { zips: false, resumes, resumesTo: resumes ? room : undefined });
  }
  if (canStream()) {
    add('stream', {});
  }
  // What is handed over is copied to the person's disk while the browser still has it.
  if (hasDisk && totals.bytes <= room) {
    add('private', { limit: room, resumes: journal !== undefined });
  }
  const memory = isPhone() ? MEMORY_PHONE : MEMORY;
  if (totals.bytes <= memory) {
    add('memory', { limit: memory });
  }
  return offers;
}

/** What an earlier visit to this share has begun and can go on with. */
export async function resumable(shareKey: string): Promise<Resumable | undefined> {
  const journal = await Journal.open();
  try {
    const known = await journal?.download(shareKey);
    return known && { way: known.way, bytes: known.bytes, totalBytes: known.totalBytes };
  } catch {
    // A journal that can't be read resumes nothing.
    return undefined;
  } finally {
    journal?.close();
  }
}

/**
 * Opens a destination. `folder` is called straight from a click, because it opens the browser's picker, or asks for the
 * folder of an earlier visit again.
 *
 * Rejects with a `ProtocolError`: `interrupted` if the person picks nothing, `destination_busy` if another tab of this
 * page receives the same, else as {@link Destination}.
 */
export async function openDestination(way: Way, info: SavingInfo): Promise<Destination> {
  try {
    switch (way) {
      case 'folder':
        return await openFolder(info);
      case 'private':
        return await openPrivate(info);
      case 'stream':
        return await openStreaming(info);
      case 'memory':
        return await openMemory(info);
    }
  } catch (error) {
    throw trouble(error);
  }
}

const isSingle = ({ totals }: SavingInfo): boolean => totals.files === 1;
const platform = (): Platform => platformOf(navigator.userAgent);
// What the one file is called that is saved.
const fileName = (info: SavingInfo): string =>
  portable(isSingle(info) ? info.name : `${info.name}.zip`, platform());

async function openStreaming(info: SavingInfo): Promise<Destination> {
  const sink = await openStream(fileName(info), isSingle(info) ? info.totals.bytes : undefined);
  return new Saving(await archive('stream', sink, info), info.chosen);
}

async function openMemory(info: SavingInfo): Promise<Destination> {
  return new Saving(await archive('memory', new MemorySink(fileName(info)), info), info.chosen);
}

function archive(way: Way, sink: Sink, info: SavingInfo, keeper?: JournalKeeper): Promise<Archive> {
  return Archive.open({ way, sink, isSingle: isSingle(info), platform: platform(), keeper });
}

async function openPrivate(info: SavingInfo): Promise<Destination> {
  const { shareKey: key } = info;
  const release = await lock(key);
  try {
    const journal = await Journal.open();
    const known = await journal?.download(key);
    if (known?.way !== 'private' || known.isSingle !== isSingle(info)) {
      await Disk.remove(key);
      await journal?.begin(recordOf('private', info));
    }
    const disk = await Disk.open(key);
    const sink = await PrivateSink.open(disk, fileName(info), () => Disk.remove(key));
    const keeper = journal && new JournalKeeper(journal, key, sink.size);
    return new Saving(await archive('private', sink, info, keeper), info.chosen, release);
  } catch (error) {
    release();
    throw error;
  }
}

async function openFolder(info: SavingInfo): Promise<Destination> {
  const { shareKey: key } = info;
  const journal = await Journal.open();
  const known = await journal?.download(key);
  const before = known?.way === 'folder' ? known.folder : undefined;
  const isAgain = before !== undefined && (await isUsable(before));
  const root = isAgain ? before : await pick();
  const release = await lock(key);
  try {
    const durable = { bytes: 0, entries: 0 };
    if (isAgain && known !== undefined) {
      [durable.bytes, durable.entries] = [known.bytes, known.entries];
    } else {
      await Disk.remove(key).catch(() => undefined);
      await journal?.begin({ ...recordOf('folder', info), folder: root });
    }
    const store = new FolderStore({ key, root, platform: platform(), journal, durable });
    return new Saving(store, info.chosen, release);
  } catch (error) {
    release();
    throw error;
  }
}

function recordOf(way: Way, info: SavingInfo): DownloadRecord {
  const { shareKey: key, name, totals } = info;
  const nothing = { bytes: 0, entries: 0, end: 0, touched: Date.now() };
  return { key, way, name, isSingle: isSingle(info), totalBytes: totals.bytes, ...nothing };
}

// What TypeScript's library does not have of File System Access.
interface PickerWindow {
  showDirectoryPicker(options: {
    mode: 'readwrite';
    id: string;
    startIn: string;
  }): Promise<FileSystemDirectoryHandle>;
}
interface Permitted {
  queryPermission(of: { mode: 'readwrite' }): Promise<PermissionState>;
  requestPermission(of: { mode: 'readwrite' }): Promise<PermissionState>;
}

async function pick(): Promise<FileSystemDirectoryHandle> {
  try {
    const { showDirectoryPicker } = window as unknown as PickerWindow;
    const options = { mode: 'readwrite', id: 'sluice', startIn: 'downloads' } as const;
    return await showDirectoryPicker.call(window, options);
  } catch (error) {
    if (nameOf(error) === 'AbortError') {
      throw new ProtocolError('interrupted', 'no folder was picked');
    }
    throw error;
  }
}

// Whether the folder of an earlier visit is there, and the person lets it be written to.
async function isUsable(folder: FileSystemDirectoryHandle): Promise<boolean> {
  const permitted = folder as unknown as Permitted;
  const mode = { mode: 'readwrite' } as const;
  try {
    const isAllowed =
      (await permitted.queryPermission(mode)) === 'granted' ||
      (await permitted.requestPermission(mode)) === 'granted';
    if (!isAllowed) {
      return false;
    }
    await folder.keys().next();
    return true;
  } catch {
    // Removed, or the browser does not ask any more.
    return false;
  }
}

// One tab at a time receives a share into what a journal is of.
async function lock(key: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const held = navigator.locks.request(`sluice-saving ${key}`, { ifAvailable: true }, (it) => {
      if (it === null) {
        throw new ProtocolError('destination_busy');
      }
      return new Promise<void>((release) => resolve(release));
    });
    held.catch(reject);
  });
}

// Removes what nobody came back for.
async function sweep(): Promise<void> {
  const journal = await Journal.open();
  try {
    for (const key of (await journal?.forgotten()) ?? []) {
      await Disk.remove(key);
      await journal?.remove(key);
    }
  } catch {
    // It will be there the next time.
  } finally {
    journal?.close();
  }
}

function canStream(): boolean {
  // WebKit does not save what a service worker answers with.
  const isWebKit = /AppleWebKit/.test(navigator.userAgent) && !/Chrome\//.test(navigator.userAgent);
  return isSecureContext && 'serviceWorker' in navigator && !isWebKit;
}

function isPhone(): boolean {
  return /Mobi|Android/i.test(navigator.userAgent);
}
