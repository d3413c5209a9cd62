// @vitest-environment node
import { describe, expect, it } from 'vitest';
import { Folders } from './folders';
import { folded } from './names';

/** A folder as a browser shows it, on a disk that minds case and composition or does not. */
class FakeFolder {
  readonly entries = new Map<string, { name: string; folder: FakeFolder | undefined }>();

  constructor(private readonly mindsCase: boolean) {}

  async getFileHandle(name: string, { create = false } = {}): Promise<object> {
    const found = this.find(name, create, () => undefined);
    if (found.folder !== undefined) {
      throw new DOMException('a folder', 'TypeMismatchError');
    }
    return {};
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeFolder> {
    const found = this.find(name, create, () => new FakeFolder(this.mindsCase));
    if (found.folder === undefined) {
      throw new DOMException('a file', 'TypeMismatchError');
    }
    return found.folder;
  }

  async *keys(): AsyncGenerator<string> {
    for (const { name } of this.entries.values()) {
      yield name;
    }
  }

  private find(
    name: string,
    create: boolean,
    make: () => FakeFolder | undefined,
  ): { name: string; folder: FakeFolder | undefined } {
    // A browser that refuses more than is known of.
    if (name.includes('!')) {
      throw new TypeError('Name is not allowed.');
    }
    const key = this.mindsCase ? name : folded(name);
    const found = this.entries.get(key);
    if (found !== undefined) {
      return found;
    }
    if (!create) {
      throw new DOMException('nothing', 'NotFoundError');
    }
    const made = { name, folder: make() };
    this.entries.set(key, made);
    return made;
  }
}

const over = (root: FakeFolder): Folders =>
  new Folders(root as unknown as FileSystemDirectoryHandle, 'unix');

async function names(folders: Folders, ...paths: string[]): Promise<string[]> {
  const given: string[] = [];
  for (const path of paths) {
    const folder = await folders.parent(path);
    given.push(`${folder.as}/${await folders.name(folder, path)}`);
  }
  return given;
}

describe('folders', () => {
  it('give a name to one file only, as the disk tells names apart', async () => {
    const wanted = ['t/README', 't/readme', 't/\u00e9', 't/e\u0301', 't/a:', 't/a_'];
    expect(await names(over(new FakeFolder(true)), ...wanted)).toEqual([
      't/README',
      't/readme',
      't/\u00e9',
      't/e\u0301',
      't/a_',
      't/a_ (2)',
    ]);
    expect(await names(over(new FakeFolder(false)), ...wanted)).toEqual([
      't/README',
      't/readme (2)',
      't/\u00e9',
      't/e\u0301 (2)',
      't/a_',
      't/a_ (2)',
    ]);
  });

  it('never give out the name of what was there', async () => {
    const root = new FakeFolder(false);
    const top = await root.getDirectoryHandle('t', { create: true });
    await top.getFileHandle('A.txt', { create: true });
    await top.getFileHandle('d', { create: true });
    const folders = over(root);
    expect(await names(folders, 't/a.txt', 't/d/x')).toEqual(['t/a (2).txt', 't/d (2)/x']);
  });

  it('keep folders apart that would be one, and come back to them', async () => {
    const root = new FakeFolder(false);
    const wanted = ['d:/x', 'd_/x', 'D_/x', 'e/x'];
    const written = ['d_/x', 'd_ (2)/x', 'D_ (3)/x', 'e/x'];
    expect(await names(over(root), ...wanted)).toEqual(written);
    // The next visit, to which the folders are there.
    const again = over(root);
    const folders: string[] = [];
    for (const path of wanted) {
      folders.push((await again.parent(path)).as);
    }
    expect(folders).toEqual(written.map((path) => path.slice(0, -2)));
  });

  it('have another name where a browser refuses the first', async () => {
    expect(await names(over(new FakeFolder(true)), 'hi!/x')).toEqual(['_hi_/x']);
  });
});
