// The tree of what is offered: a million rows, keys, boxes.
import { fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { expect, test, vi } from 'vitest';
import Tree from './Tree.svelte';
import { TreeRows, type TreeRow, type TreeSource } from './tree.svelte';

/** Folders of files, each folder open or closed, in memory. */
class Grove implements TreeSource {
  reads: [number, number][] = [];
  readonly #open = new Set<number>([0]);
  readonly #unticked = new Set<number>();
  readonly #files: number;

  constructor(files: number) {
    this.#files = files;
  }

  rows = (
    from: number,
    count: number,
  ): Promise<{ total: number; from: number; rows: TreeRow[] }> => {
    this.reads.push([from, count]);
    const total = 2 + (this.#open.has(0) ? this.#files : 0);
    const length = Math.max(0, Math.min(count, total - from));
    return Promise.resolve({
      total,
      from,
      rows: Array.from({ length }, (_, index) => this.#row(from + index, total)),
    });
  };

  open = (node: number, open: boolean): Promise<void> => {
    this.#open[open ? 'add' : 'delete'](node);
    return Promise.resolve();
  };

  tick = (node: number, ticked: boolean): Promise<void> => {
    this.#unticked[ticked ? 'delete' : 'add'](node);
    return Promise.resolve();
  };

  #row(index: number, total: number): TreeRow {
    const last = index === total - 1;
    const node = last ? this.#files + 1 : index;
    const folder = node === 0;
    const some = folder && this.#unticked.size > 0;
    return {
      node,
      depth: folder || last ? 0 : 1,
      parent: folder || last ? null : 0,
      name: folder ? 'photos' : last ? 'secret' : `file ${node}`,
      kind: folder ? 'folder' : last ? 'unreadable' : 'file',
      bytes: 1000,
      files: folder ? this.#files : 0,
      open: folder && this.#open.has(0),
      tick: some ? 'some' : this.#unticked.has(node) ? 'none' : 'all',
    };
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) {
    await Promise.resolve();
    await tick();
  }
}

async function drawn(files: number): Promise<{
  grove: Grove;
  tree: HTMLElement;
  press: (key: string) => Promise<void>;
  active: () => string;
}> {
  const grove = new Grove(files);
  render(Tree, {
    source: grove,
    version: 0,
    label: 'Files',
    onfail: (failure) => expect.fail(String(failure)),
  });
  await settle();
  const tree = screen.getByRole('tree', { name: 'Files' });
  return {
    grove,
    tree,
    press: async (key) => {
      await fireEvent.keyDown(tree, { key });
      await settle();
    },
    active: () =>
      document
        .getElementById(tree.getAttribute('aria-activedescendant') ?? '')
        ?.textContent.trim() ?? '',
  };
}

test('of a million rows only those in sight are drawn and asked for', async () => {
  const { grove, tree, press, active } = await drawn(1_000_000);
  expect(screen.getAllByRole('treeitem').length).toBeLessThan(20);
  expect(tree.getAttribute('aria-busy')).toBe('false');

  await press('End');
  expect(active()).toContain('secret');
  await press('ArrowUp');
  expect(active()).toContain('file 1000000');
  await press('ArrowLeft');
  expect(active()).toContain('photos');
  expect(screen.getAllByRole('treeitem').length).toBeLessThan(20);
  expect(grove.reads.length).toBeLessThan(12);
});

test('arrows move, open and close; the space bar ticks', async () => {
  const { tree, press, active } = await drawn(30);
  expect(active()).toContain('photos');
  await press('ArrowRight');
  expect(active()).toContain('file 1');
  await press('PageDown');
  await press('ArrowDown');
  expect(active()).toMatch(/file \d+/);

  await press(' ');
  const ticked = document.getElementById(tree.getAttribute('aria-activedescendant') ?? '');
  expect(ticked?.getAttribute('aria-checked')).toBe('false');

  await press('ArrowLeft');
  expect(active()).toContain('photos');
  const folder = screen.getByRole('treeitem', { name: /photos/ });
  expect([folder.getAttribute('aria-checked'), folder.getAttribute('aria-expanded')]).toEqual([
    'mixed',
    'true',
  ]);

  await press('ArrowLeft');
  expect(screen.getAllByRole('treeitem')).toHaveLength(2);
  expect(screen.getByRole('treeitem', { name: /photos/ }).getAttribute('aria-expanded')).toBe(
    'false',
  );
  await press('Enter');
  expect(screen.getAllByRole('treeitem').length).toBeGreaterThan(2);
});

test('a click on a box ticks, and rows say what they are', async () => {
  await drawn(3);
  const file = screen.getByRole('treeitem', { name: /file 2/ });
  expect(file.getAttribute('aria-level')).toBe('2');
  await fireEvent.click(file.querySelector('.box') ?? file);
  await settle();
  expect(screen.getByRole('treeitem', { name: /file 2/ }).getAttribute('aria-checked')).toBe(
    'false',
  );
  screen.getByText('3 files · 1 kB');
  screen.getByText('can’t be read');
});

test('an answer of before a refresh is not taken for one of after', async () => {
  const row = (name: string): TreeRow => ({
    node: 0,
    depth: 0,
    parent: null,
    name,
    kind: 'file',
    bytes: 0,
    files: 0,
    open: false,
    tick: 'all',
  });
  const answers: ((name: string) => void)[] = [];
  const rows = new TreeRows({
    rows: () =>
      new Promise((resolve) => {
        answers.push((name) => {
          resolve({ total: 1, from: 0, rows: [row(name)] });
        });
      }),
    open: vi.fn(),
    tick: vi.fn(),
  });
  const first = rows.want(0, 1);
  const second = rows.refresh(0, 1);
  answers[1]?.('new');
  await second;
  answers[0]?.('old');
  await first;
  expect(rows.row(0)?.name).toBe('new');
});
