// The tree against a plain list of paths, and at a million entries.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Entry } from '../../protocol/bindings';
import { parsePath } from '../../protocol/path';
import type { TreeRow } from '../../shared/tree.svelte';
import { chooser } from './selection';
import { Tree } from './tree';

const mtime = { seconds: 0, nanos: 0 };
// A path that ends in a slash is a folder's.
const entry = (path: string, size = 0): Entry =>
  path.endsWith('/')
    ? { path: parsePath(path.slice(0, -1)), kind: { type: 'directory' }, mtime }
    : { path: parsePath(path), kind: { type: 'file', size, executable: false }, mtime };

function grown(entries: readonly (readonly [string, number])[], flips?: Set<string>): Tree {
  const tree = new Tree(flips);
  entries.forEach(([path, size]) => {
    tree.push(entry(path, size));
  });
  return tree;
}

const all = (tree: Tree): TreeRow[] => tree.rows(0, Number.MAX_SAFE_INTEGER).rows;

// Each row as `name tick`, indented, with `+` for an open folder.
function drawn(tree: Tree): string[] {
  const rows = all(tree);
  expect(tree.rows(0, 0).total).toBe(rows.length);
  const ticks = { all: 'x', some: '-', none: 'o' };
  return rows.map(
    ({ depth, name, open, tick }) => `${' '.repeat(depth)}${name}${open ? '+' : ''} ${ticks[tick]}`,
  );
}

const node = (tree: Tree, name: string): number =>
  all(tree).find((row) => row.name === name)?.node ?? -1;

const sorted = (set: Iterable<string>): string[] => [...set].sort();

test('folders come first and open to what is in them', () => {
  const tree = grown([
    ['a.txt', 1],
    ['b/', 0],
    ['b/c/', 0],
    ['b/c/d', 5],
    ['b/e', 6],
    ['z/', 0],
  ]);
  expect(drawn(tree)).toEqual(['b x', 'z x', 'a.txt x']);
  tree.open(node(tree, 'b'), true);
  tree.open(node(tree, 'c'), true);
  expect(drawn(tree)).toEqual(['b+ x', ' c+ x', '  d x', ' e x', 'z x', 'a.txt x']);
  tree.push(entry('b/c/d2', 1));
  expect(tree.rows(3, 1).rows[0]?.name).toBe('d2');
  const b = node(tree, 'b');
  tree.open(b, false);
  expect(drawn(tree)).toEqual(['b x', 'z x', 'a.txt x']);
  tree.open(b, true);
  expect(tree.rows(0, 1).total, 'what was open in it is still open').toBe(7);
  expect(tree.rows(0, 1).rows[0]).toMatchObject({ bytes: 12, files: 3, kind: 'folder' });
  expect(tree.rows(7, 10).rows).toEqual([]);
  expect(tree.entries).toBe(7);
});

test('a folder follows what is in it', () => {
  const tree = grown([
    ['a/', 0],
    ['a/b', 1],
    ['a/c', 2],
    ['d', 4],
  ]);
  tree.open(node(tree, 'a'), true);
  tree.tick(node(tree, 'b'), false);
  expect(drawn(tree)).toEqual(['a+ -', ' b o', ' c x', 'd x']);
  expect(sorted(tree.flips())).toEqual(['a/b']);
  tree.tick(node(tree, 'c'), false);
  expect(drawn(tree)).toEqual(['a+ o', ' b o', ' c o', 'd x']);
  expect(sorted(tree.flips()), 'the folder itself is not wanted either').toEqual(['a']);
  expect(tree.chosen()).toEqual({ entries: 1, bytes: 4, files: 1 });
  tree.tick(node(tree, 'c'), true);
  expect(sorted(tree.flips())).toEqual(['a', 'a/c']);
  expect(drawn(tree)).toEqual(['a+ -', ' b o', ' c x', 'd x']);
  tree.tick(node(tree, 'b'), true);
  expect(sorted(tree.flips())).toEqual([]);
  expect(tree.chosen()).toEqual({ entries: 4, bytes: 7, files: 3 });
});

test('everything can be unticked, and what is still to come with it', () => {
  const tree = grown([
    ['a/', 0],
    ['a/b', 1],
    ['c', 2],
  ]);
  tree.tickAll(false);
  tree.push(entry('a/d', 8));
  tree.push(entry('e', 16));
  expect(tree.chosen()).toEqual({ entries: 0, bytes: 0, files: 0 });
  expect(sorted(tree.flips())).toEqual(['']);
  tree.tick(node(tree, 'e'), true);
  expect(sorted(tree.flips())).toEqual(['', 'e']);
  expect(tree.chosen()).toEqual({ entries: 1, bytes: 16, files: 1 });
  expect(new Tree(tree.flips()).flips()).toEqual(tree.flips());
  tree.tickAll(true);
  expect(tree.chosen()).toEqual({ entries: 5, bytes: 27, files: 4 });
});

test('what was chosen before is chosen again', () => {
  const kept = new Set(['a', 'a/b', 'never comes']);
  const entries = [
    ['a/', 0],
    ['a/b', 1],
    ['a/c', 1],
  ] as const;
  const tree = grown(entries, kept);
  tree.open(node(tree, 'a'), true);
  expect(drawn(tree)).toEqual(['a+ -', ' b x', ' c o']);
  expect(tree.flips()).toEqual(kept);
});

test('the one file that is ticked is known by its name', () => {
  const tree = grown([
    ['a/', 0],
    ['a/b/', 0],
    ['a/b/one', 1],
    ['a/two', 2],
    ['three', 3],
  ]);
  expect(tree.onlyFile()).toBeUndefined();
  tree.open(1, true);
  tree.open(2, true);
  tree.tickAll(false);
  expect(tree.onlyFile()).toBeUndefined();
  tree.tick(node(tree, 'one'), true);
  expect(tree.onlyFile()).toBe('one');
  tree.tickAll(true);
  tree.tick(node(tree, 'b'), false);
  expect(tree.onlyFile()).toBeUndefined();
  tree.tick(node(tree, 'three'), false);
  expect(tree.onlyFile()).toBe('two');
  expect(grown([['three', 3]]).onlyFile()).toBe('three');
  expect(grown([['a/', 0]]).onlyFile()).toBeUndefined();
});

test('paths out of order and without their folders are taken', () => {
  const tree = grown([
    ['a/b/c', 1],
    ['x', 2],
    ['a/b/d', 4],
    ['a/', 0],
    ['a/b/', 0],
    ['a/b/', 0],
  ]);
  expect(drawn(tree)).toEqual(['a x', 'x x']);
  expect(tree.entries).toBe(5);
  expect(tree.chosen()).toEqual({ entries: 5, bytes: 7, files: 3 });
});

test("a number that is no folder's or no entry's changes nothing", () => {
  const tree = grown([
    ['a/', 0],
    ['a/b', 1],
  ]);
  for (const number of [0, 2, 3, -1, 0.5, Number.NaN, 0xffff_ffff]) {
    tree.open(number, true);
  }
  for (const number of [0, 3, -1, Number.NaN, 0xffff_ffff]) {
    tree.tick(number, false);
  }
  expect(drawn(tree)).toEqual(['a x']);
});

test(
  'a million entries are looked at and ticked by what is seen of them',
  { timeout: 60_000 },
  () => {
    const tree = new Tree();
    // Half a million entries in folders of fifty, and one folder of half a million files.
    for (let folder = 0; folder < 10_000; folder += 1) {
      for (let file = 0; file < 49; file += 1) {
        tree.push(entry(`deep/${folder.toString()}/${file.toString()}`, 1));
      }
      tree.push(entry(`deep/${folder.toString()}/`));
    }
    for (let file = 0; file < 500_000; file += 1) {
      tree.push(entry(`wide/${file.toString()}`, 1));
    }
    expect(tree.entries).toBe(1_000_000);
    tree.open(node(tree, 'wide'), true);
    tree.open(node(tree, 'deep'), true);
    tree.open(tree.rows(10_000, 1).rows[0]?.node ?? 0, true);
    const { total } = tree.rows(0, 0);
    expect(total).toBe(2 + 500_000 + 10_000 + 49);
    expect(tree.rows(total - 60, 60).rows.at(-1)?.name).toBe('499999');
    tree.tick(node(tree, 'deep'), false);
    expect(tree.chosen()).toEqual({ entries: 500_000, bytes: 500_000, files: 500_000 });
  },
);

// A tree of up to three levels: paths of small numbers, each folder before what is in it.
const entriesOf = fc
  .uniqueArray(fc.array(fc.nat(3), { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 25,
    selector: (path) => path.join('/'),
  })
  .map((paths) => {
    const known = new Set<string>();
    for (const path of paths) {
      path.forEach((_, at) => known.add(path.slice(0, at + 1).join('/')));
    }
    const isFolder = (path: string): boolean => [...known].some((at) => at.startsWith(`${path}/`));
    return [...known].sort().map((path) => ({
      path,
      folder: isFolder(path),
      bytes: isFolder(path) ? 0 : Number(path[0]) + 1,
      ticked: true,
    }));
  });

test('any clicks do what they say', () => {
  const clicks = fc.array(fc.tuple(fc.nat(), fc.boolean(), fc.boolean()), { maxLength: 30 });
  fc.assert(
    fc.property(entriesOf, clicks, (plain, all30) => {
      const tree = grown(
        plain.map(({ path, folder, bytes }) => [folder ? `${path}/` : path, bytes]),
      );
      const below = (folder: string): typeof plain =>
        plain.filter(({ path }) => path.startsWith(`${folder}/`));
      for (const [index, opens, yes] of all30) {
        const at = index % plain.length;
        const path = plain[at]?.path ?? '';
        if (opens) {
          tree.open(at + 1, yes);
          continue;
        }
        tree.tick(at + 1, yes);
        for (const one of plain) {
          one.ticked = one.path === path || one.path.startsWith(`${path}/`) ? yes : one.ticked;
        }
        for (let end = path.lastIndexOf('/'); end !== -1; end = path.lastIndexOf('/', end - 1)) {
          const inside = below(path.slice(0, end));
          const folder = plain.find((one) => one.path === path.slice(0, end));
          const every = inside.every(({ ticked }) => ticked);
          if (folder !== undefined && every === inside.some(({ ticked }) => ticked)) {
            folder.ticked = every;
          }
        }
      }
      const chosen = plain.filter(({ ticked }) => ticked);
      expect(tree.chosen()).toEqual({
        entries: chosen.length,
        bytes: chosen.reduce((sum, { bytes }) => sum + bytes, 0),
        files: chosen.filter(({ folder }) => !folder).length,
      });
      const takes = chooser(tree.flips());
      expect(plain.map(({ path }) => takes(path))).toEqual(plain.map(({ ticked }) => ticked));
      const rows = all(tree);
      for (let from = 0; from <= rows.length; from += 1) {
        expect(tree.rows(from, 3)).toEqual({
          total: rows.length,
          from,
          rows: rows.slice(from, from + 3),
        });
      }
      for (const row of rows) {
        const one = plain[row.node - 1];
        const inside = one === undefined ? [] : below(one.path);
        const [some, every] = [
          inside.some(({ ticked }) => ticked),
          inside.every(({ ticked }) => ticked),
        ];
        const whole = inside.length === 0 ? one?.ticked : every;
        expect(row.tick, one?.path).toBe(whole === true ? 'all' : some ? 'some' : 'none');
      }
    }),
  );
});
