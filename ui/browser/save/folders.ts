// The folders below the one that the person picked: made, kept open, and the names in them given out.
import { type Platform, folded, nextName, pickable, plainest } from './names';
import { nameOf } from './trouble';

/** An open folder, and who has which name in it. */
export interface Folder {
  readonly handle: FileSystemDirectoryHandle;
  /** Where it is below the picked one, as it is written; empty for that one itself. */
  readonly as: string;
  // Folded names that are there or are given out, each as it is written.
  readonly names: Map<string, string[]>;
}

/** See above. Calls are made one after the other. */
export class Folders {
  readonly #platform: Platform;
  readonly #root: FileSystemDirectoryHandle;
  readonly #open = new Map<string, Folder>();
  // Which path has which folder.
  readonly #owners = new Map<string, string>();

  constructor(root: FileSystemDirectoryHandle, platform: Platform) {
    this.#root = root;
    this.#platform = platform;
  }

  /** The folder in which the entry at `path` is. */
  async parent(path: string): Promise<Folder> {
    const at = path.lastIndexOf('/');
    return this.folder(at === -1 ? '' : path.slice(0, at));
  }

  /** The folder at `path`, which is made where it is missing, under another name where a file has that one. */
  async folder(path: string): Promise<Folder> {
    const known = this.#open.get(path);
    if (known !== undefined) {
      return known;
    }
    const opened = path === '' ? await this.#look(this.#root, '') : await this.#enter(path);
    this.#open.set(path, opened);
    return opened;
  }

  /** A name in `folder` that nothing has, for the entry at `path`; it is given out to nobody else. */
  async name(folder: Folder, path: string): Promise<string> {
    const plain = pickable(lastName(path), this.#platform);
    const isFree = (name: string): Promise<boolean> => this.#isFree(folder, name);
    const name = (await isFree(plain)) ? plain : await nextName(plain, this.#platform, isFree);
    return take(folder, name ?? plain);
  }

  /** Another such name, for a browser that refuses the first. */
  async plainName(folder: Folder, path: string): Promise<string> {
    const plain = plainest(lastName(path), this.#platform);
    const isFree = (name: string): Promise<boolean> => this.#isFree(folder, name);
    const name = (await isFree(plain)) ? plain : await nextName(plain, this.#platform, isFree);
    return take(folder, name ?? plain);
  }

  /** Takes a name that an earlier visit gave out, and removes what a crash left beside it. */
  async claim(folder: Folder, name: string): Promise<void> {
    take(folder, name);
    // Chromium's swap file.
    const swap = `${name}.crswap`;
    if (this.has(folder, swap)) {
      await folder.handle.removeEntry(swap).catch(() => undefined);
    }
  }

  /** Whether something has this name. */
  has(folder: Folder, name: string): boolean {
    return folder.names.get(folded(name))?.includes(name) === true;
  }

  // The first of the names that are possible that is no file, and no folder of another path. One that is there is
  // taken, so that a later visit comes back to it.
  async #enter(path: string): Promise<Folder> {
    const above = await this.parent(path);
    let plain = pickable(lastName(path), this.#platform);
    let made: Folder | undefined;
    const isMade = async (name: string): Promise<boolean> => {
      made = await this.#make(above, name, path);
      return made !== undefined;
    };
    const first = async (): Promise<void> => {
      if (!(await isMade(plain))) {
        await nextName(plain, this.#platform, isMade);
      }
    };
    try {
      await first();
    } catch (error) {
      if (!(error instanceof TypeError)) {
        throw error;
      }
      plain = plainest(lastName(path), this.#platform);
      await first();
    }
    if (made === undefined) {
      throw new DOMException('no name is free', 'InvalidStateError');
    }
    return made;
  }

  // Opens or makes a folder, unless something else has its name.
  async #make(above: Folder, name: string, path: string): Promise<Folder | undefined> {
    const as = above.as === '' ? name : `${above.as}/${name}`;
    const alike = above.names.get(folded(name)) ?? [];
    try {
      const handle = await above.handle.getDirectoryHandle(name);
      // One that was found by another spelling belongs to whoever spells it so.
      if (this.#owners.has(as) || (alike.length > 0 && !alike.includes(name))) {
        return undefined;
      }
      this.#owners.set(as, path);
      take(above, name);
      return await this.#look(handle, as);
    } catch (error) {
      if (nameOf(error) === 'TypeMismatchError') {
        return undefined;
      }
      if (nameOf(error) !== 'NotFoundError') {
        throw error;
      }
    }
    if (!(await this.#isFree(above, name))) {
      return undefined;
    }
    const handle = await above.handle.getDirectoryHandle(name, { create: true });
    this.#owners.set(as, path);
    take(above, name);
    return { handle, as, names: new Map() };
  }

  // A folder that was there, with the names that are in it.
  async #look(handle: FileSystemDirectoryHandle, as: string): Promise<Folder> {
    const folder: Folder = { handle, as, names: new Map() };
    for await (const name of handle.keys()) {
      take(folder, name);
    }
    return folder;
  }

  async #isFree(folder: Folder, name: string): Promise<boolean> {
    const alike = folder.names.get(folded(name)) ?? [];
    const [first] = alike;
    if (first === undefined) {
      return true;
    }
    if (alike.includes(name)) {
      return false;
    }
    // Alike but for case or composition: one name on some disks, two on others. Ask this one.
    try {
      // What was given out may not be there yet.
      await folder.handle.getFileHandle(first, { create: true }).catch(ignoreFolder);
      await folder.handle.getFileHandle(name);
      return false;
    } catch (error) {
      return nameOf(error) === 'NotFoundError';
    }
  }
}

function take(folder: Folder, name: string): string {
  const key = folded(name);
  const alike = folder.names.get(key);
  if (alike === undefined) {
    folder.names.set(key, [name]);
  } else if (!alike.includes(name)) {
    alike.push(name);
  }
  return name;
}

function ignoreFolder(error: unknown): undefined {
  if (nameOf(error) !== 'TypeMismatchError') {
    throw error;
  }
  return undefined;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
