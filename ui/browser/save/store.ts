// What each way of saving does by itself, beneath the planning and counting that all share.
import type { Mtime } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import type { Handover } from '../page';
import type { Durable, Way } from './destination';

/** A chosen file that is saved, or is to be. */
export interface FileItem {
  readonly path: string;
  readonly size: number;
  readonly executable: boolean;
  readonly mtime: Mtime;
}

/** A chosen entry, in the order of the manifest. */
export type Thing =
  | { readonly kind: 'file'; readonly item: FileItem }
  | { readonly kind: 'directory'; readonly path: string; readonly mtime: Mtime }
  | {
      readonly kind: 'symlink';
      readonly path: string;
      readonly mtime: Mtime;
      readonly target: string;
    };

/** Why something can't be held here. */
export type Loss = 'symlink' | 'name' | 'disk';

/** What is here of a thing: under which path, and how many of its chunks from the first on. */
export type Standing = { as: string; have: number } | { failed: Loss };

/** What a store says of single files later than in its plan. */
export interface Told {
  renamed(item: FileItem, as: string): void;
  failed(item: FileItem, loss: Loss): void;
}

/** Where the content goes. What is thrown ends the download. */
export interface Store {
  readonly way: Way;
  durable(): Durable;
  /** A session begins anew: all things are planned again, and what has come by now of each is kept. */
  restart(told: Told): Promise<void>;
  /** Settles names, makes directories, symlinks and empty files, and says for each thing what is here of it. */
  plan(things: readonly Thing[]): Promise<Standing[]>;
  /** Takes the next chunk of a planned file; resolves when it has left memory. `last` makes the file whole. */
  write(item: FileItem, chunk: Bytes, last: boolean): Promise<void>;
  /** Gives up a planned file. */
  drop(item: FileItem): Promise<void>;
  /** Puts all in its place. */
  finish(): Promise<void>;
  handover?(): Promise<Handover | undefined>;
  close(): Promise<void>;
  discard(): Promise<void>;
}

/** Whether what is known of a path is of this very version of the file. */
export function sameFile(
  a: { size: number; mtime: Mtime },
  b: { size: number; mtime: Mtime },
): boolean {
  return (
    a.size === b.size && a.mtime.seconds === b.mtime.seconds && a.mtime.nanos === b.mtime.nanos
  );
}
