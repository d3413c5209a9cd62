// A download and a share that do nothing but tell a view and remember what they were asked; for tests and the preview.
import type { TreeRow, TreeSource } from '../shared/tree.svelte';
import { RECEIVE_VIEWS, SEND_VIEWS } from './fixtures/views';
import type { ReceiveView, Receiving, SendTerms, SendView, Sending } from './page';
import type { WayOffer } from './save/destination';

/** Something that was asked for, with its values. */
export type Call = readonly [name: string, ...values: unknown[]];

/** What `receive` and `send` fixtures there are. */
export const RECEIVE_NAMES = Object.keys(RECEIVE_VIEWS);
export const SEND_NAMES = Object.keys(SEND_VIEWS);

class Told<View> {
  readonly #listeners = new Set<(view: View) => void>();
  #view: View;

  constructor(view: View) {
    this.#view = view;
  }

  /** Tells another view. */
  tell(view: View): void {
    this.#view = view;
    this.#listeners.forEach((listener) => {
      listener(view);
    });
  }

  subscribe(listener: (view: View) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view);
    return () => this.#listeners.delete(listener);
  }
}

/** A folder of files, whose rows can be opened and ticked. */
class FakeTree implements TreeSource {
  readonly #files: number;
  readonly #unticked = new Set<number>();
  #open = true;

  constructor(files: number) {
    this.#files = files;
  }

  readonly rows = (
    from: number,
    count: number,
  ): Promise<{ total: number; from: number; rows: TreeRow[] }> => {
    const total = this.#open ? this.#files + 1 : 1;
    const rows = Array.from({ length: Math.max(0, Math.min(count, total - from)) }, (_, index) =>
      this.#row(from + index),
    );
    return Promise.resolve({ total, from, rows });
  };

  readonly open = (_node: number, open: boolean): Promise<void> => {
    this.#open = open;
    return Promise.resolve();
  };

  readonly tick = (node: number, ticked: boolean): Promise<void> => {
    const nodes = node === 0 ? Array.from({ length: this.#files }, (_, file) => file + 1) : [node];
    nodes.forEach((one) => (ticked ? this.#unticked.delete(one) : this.#unticked.add(one)));
    return Promise.resolve();
  };

  #row(node: number): TreeRow {
    if (node > 0) {
      const name = `IMG_${String(2000 + node)}.jpg`;
      const tick = this.#unticked.has(node) ? 'none' : 'all';
      return {
        node,
        depth: 1,
        parent: 0,
        name,
        kind: 'file',
        bytes: 3_170_000,
        files: 0,
        open: false,
        tick,
      };
    }
    const none = this.#unticked.size === this.#files;
    return {
      node,
      depth: 0,
      parent: null,
      name: 'Holiday photos',
      kind: 'folder',
      bytes: 3_170_000 * this.#files,
      files: this.#files,
      open: this.#open,
      tick: this.#unticked.size === 0 ? 'all' : none ? 'none' : 'some',
    };
  }
}

/** A download that stands where it is told to. */
export class FakeReceiving extends Told<ReceiveView> implements Receiving {
  /** All that was asked, in order. */
  readonly calls: Call[] = [];
  readonly tree: TreeSource;

  constructor(view: ReceiveView, files = 1204) {
    super(view);
    this.tree = new FakeTree(files);
  }

  begin(): void {
    this.calls.push(['begin']);
  }

  givePassword(password: string): void {
    this.calls.push(['givePassword', password]);
  }

  tickAll(ticked: boolean): void {
    this.calls.push(['tickAll', ticked]);
  }

  save(way: WayOffer['way']): Promise<void> {
    this.calls.push(['save', way]);
    return Promise.resolve();
  }

  pause(paused: boolean): void {
    this.calls.push(['pause', paused]);
  }

  retry(): void {
    this.calls.push(['retry']);
  }

  leave(forget: boolean): void {
    this.calls.push(['leave', forget]);
  }
}

/** A share that stands where it is told to. */
export class FakeSending extends Told<SendView> implements Sending {
  /** All that was asked, in order. */
  readonly calls: Call[] = [];

  shareFiles(files: readonly File[], terms: SendTerms): void {
    this.calls.push(['shareFiles', files.map(({ name }) => name), terms]);
  }

  shareDropped(items: DataTransferItemList, terms: SendTerms): void {
    this.calls.push(['shareDropped', items.length, terms]);
  }

  shareFolder(folder: FileSystemDirectoryHandle, terms: SendTerms): void {
    this.calls.push(['shareFolder', folder.name, terms]);
  }

  pause(paused: boolean): void {
    this.calls.push(['pause', paused]);
  }

  pauseReceiver(peer: string, paused: boolean): void {
    this.calls.push(['pauseReceiver', peer, paused]);
  }

  letGo(peer: string): void {
    this.calls.push(['letGo', peer]);
  }

  end(): void {
    this.calls.push(['end']);
  }
}
