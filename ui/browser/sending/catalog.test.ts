// @vitest-environment node
// The walk and the catalog: what is listed, in which order, and what is read of it.
import { describe, expect, test } from 'vitest';
import type { Entry } from '../../protocol/bindings';
import { CHUNK_SIZE, MAX_NAME_LEN } from '../../protocol/bindings';
import { decodePage } from '../../protocol/manifest';
import { Catalog, CatalogReader } from './catalog';
import { type SourceFolder, type SourceItem, fromFiles, shareName } from './source';
import { walk } from './walk';

function file(
  path: string,
  content: string | Uint8Array<ArrayBuffer> = path,
  at = 1_234_567,
): File {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const made = new File([content], name, { lastModified: at });
  const relative = path.includes('/') ? path : '';
  Object.defineProperty(made, 'webkitRelativePath', { value: relative });
  return made;
}

function folder(name: string, list: () => SourceItem[]): SourceFolder {
  return {
    kind: 'folder',
    name,
    list: () => new Promise((resolve) => resolve(list())),
    changedAt: () => Promise.resolve(5_001),
  };
}

async function walked(items: SourceItem[]): Promise<Catalog> {
  const catalog = new Catalog();
  await walk(items, catalog, new AbortController().signal);
  return catalog;
}

function entries(catalog: Catalog): Entry[] {
  const found: Entry[] = [];
  for (let index = 0; index < catalog.totals.pages; index += 1) {
    const page = catalog.page(index);
    expect(page?.firstEntry).toBe(found.length);
    found.push(...decodePage(page?.encoded ?? new Uint8Array()));
  }
  return found;
}

const shown = (catalog: Catalog): string[] =>
  entries(catalog).map(({ path, kind }) =>
    kind.type === 'unreadable'
      ? `${path}?${kind.reason}`
      : `${path}${kind.type === 'file' ? '' : '/'}`,
  );

function named(name: string): Error {
  return Object.assign(new Error(name), { name });
}

describe('the walk', () => {
  test("lists an input's folder as a tree, whatever its order", async () => {
    const paths = ['top/b/2.txt', 'top/z.txt', 'top/a/deep/1.txt', 'top/b/1.txt', 'top/A.txt'];
    const catalog = await walked(fromFiles(paths.map((path) => file(path))));
    expect(shown(catalog)).toEqual([
      'top/',
      'top/A.txt',
      'top/a/',
      'top/a/deep/',
      'top/a/deep/1.txt',
      'top/b/',
      'top/b/1.txt',
      'top/b/2.txt',
      'top/z.txt',
    ]);
    const bytes = paths.join('').length;
    expect(catalog.totals).toEqual({ pages: 1, entries: 9, bytes, unreadable: 0, complete: true });
  });

  test('keeps folders that are empty, and times', async () => {
    const catalog = await walked([
      folder('drop', () => [folder('empty', () => []), ...fromFiles([file('x', 'x', -1)])]),
    ]);
    expect(entries(catalog)).toEqual([
      { path: 'drop', kind: { type: 'directory' }, mtime: { seconds: 5, nanos: 1_000_000 } },
      { path: 'drop/empty', kind: { type: 'directory' }, mtime: { seconds: 5, nanos: 1_000_000 } },
      {
        path: 'drop/x',
        kind: { type: 'file', size: 1, executable: false },
        mtime: { seconds: -1, nanos: 999_000_000 },
      },
    ]);
  });

  test('numbers what has the same name at the top', async () => {
    const catalog = await walked(
      fromFiles([file('a.txt'), file('a.txt'), file('b'), file('a.txt')]),
    );
    expect(shown(catalog)).toEqual(['a.txt', 'a (2).txt', 'b', 'a (3).txt']);
  });

  test('lists what can not be named or read', async () => {
    const closed = folder('closed', () => {
      throw named('NotAllowedError');
    });
    const odd = ['no\0name', 'x'.repeat(MAX_NAME_LEN + 1)].map((name) => file(name));
    const gone: SourceItem = {
      kind: 'file',
      name: 'gone',
      open: () => Promise.reject(named('NotFoundError')),
    };
    const catalog = await walked([folder('top', () => [closed, ...fromFiles(odd), gone])]);
    expect(shown(catalog)).toEqual([
      'top/',
      'top/closed?denied',
      'top/gone?failed',
      'top/no\ufffdname?name',
      `top/${'x'.repeat(40)}?name`,
    ]);
    expect(catalog.totals.unreadable).toBe(4);
  });

  test('ends where nobody wants it any more', async () => {
    const stop = new AbortController();
    const catalog = new Catalog();
    const walking = walk(fromFiles([file('a')]), catalog, stop.signal);
    stop.abort();
    await walking;
    expect(catalog.totals.complete).toBe(false);
  });

  test('tells of pages while it goes, and cuts many entries into pages', async () => {
    const catalog = new Catalog();
    const told: number[] = [];
    catalog.subscribe(() => told.push(catalog.totals.entries));
    const paths = Array.from(
      { length: 2_000 },
      (_, index) => `top/${index.toString().padStart(4, '0')}`,
    );
    await walk(fromFiles(paths.map((path) => file(path))), catalog, new AbortController().signal);
    expect(told.length).toBeGreaterThan(3);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(entries(catalog).map(({ path }) => path)).toEqual(['top', ...paths]);
  });
});

describe('reading', () => {
  const content = new Uint8Array(CHUNK_SIZE + 10).map((_, at) => at % 251);

  test('gives the bytes of each chunk, and sizes of what is listed only', async () => {
    const catalog = await walked(fromFiles([file('top/big', content), file('top/small', 'hi')]));
    expect([0, 1, 2, 3].map((entry) => catalog.sizeOf(entry))).toEqual([
      0,
      content.length,
      2,
      undefined,
    ]);
    const reader = new CatalogReader(catalog);
    const second = await reader.read({ entry: 1, chunk: 1, len: 10 });
    expect(second).toEqual(content.slice(CHUNK_SIZE));
    expect(await reader.read({ entry: 2, chunk: 0, len: 2 })).toEqual(
      new TextEncoder().encode('hi'),
    );
    expect(await reader.read({ entry: 0, chunk: 0, len: 1 })).toBe('changed');
  });

  test('notices what is not as it was listed', async () => {
    let now = file('a', 'before');
    const source: SourceItem = { kind: 'file', name: 'a', open: () => Promise.resolve(now) };
    const catalog = await walked([source]);
    const piece = { entry: 0, chunk: 0, len: 6 };
    for (const [changed, failure] of [
      [file('a', 'before', 1), 'changed'],
      [file('a', 'short'), 'changed'],
      [file('a', 'longer than before'), 'changed'],
    ] as const) {
      now = changed;
      expect(await new CatalogReader(catalog).read(piece)).toBe(failure);
    }
  });

  test.each([
    ['NotReadableError', 'changed'],
    ['NotFoundError', 'failed'],
    ['SecurityError', 'denied'],
  ])('a file that a browser refuses with %s is %s', async (name, failure) => {
    const whole = file('a', 'before');
    const catalog = await walked(fromFiles([whole]));
    whole.slice = () => {
      throw named(name);
    };
    expect(await new CatalogReader(catalog).read({ entry: 0, chunk: 0, len: 6 })).toBe(failure);
  });

  test.each([
    ['before', 'denied'],
    ['other text', 'changed'],
  ])('a file that is refused and is now "%s" is %s', async (content, failure) => {
    const refuse = (content: string): File => {
      const now = file('a', content);
      now.slice = () => {
        throw named('NotReadableError');
      };
      return now;
    };
    let now = (): File => file('a', 'before');
    const source: SourceItem = { kind: 'file', name: 'a', open: () => Promise.resolve(now()) };
    const catalog = await walked([source]);
    now = () => refuse(content);
    expect(await new CatalogReader(catalog).read({ entry: 0, chunk: 0, len: 6 })).toBe(failure);
  });
});

test('a share is called by what is in it', () => {
  const [a, b] = [fromFiles([file('a.txt')]), fromFiles([file('top/x'), file('b.txt'), file('c')])];
  expect(shareName(a)).toBe('a.txt');
  expect(shareName(b)).toBe('top and 2 more');
  expect(shareName([])).toBe('files');
});
