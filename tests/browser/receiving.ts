// A person who receives in a browser: what they click, and what they have in the end.
import { createHash } from 'node:crypto';
import type { Download, Locator, Page } from 'playwright-core';
import type { Person } from './browser';

const PATIENCE_MS = 60_000;

/** The ways to save, and their words. */
export type Way = 'folder' | 'stream' | 'private' | 'memory';

const WAYS: Record<Way, RegExp> = {
  folder: /^Into a folder/,
  stream: /^Through the browser/,
  private: /^In the browser/,
  memory: /^In the memory/,
};

// No test can click in the system's own folder dialog. What it would give is a real handle all the same: a folder in
// the browser's private file system, written and read through the same API as one of the person's.
const PICKER = (): void => {
  if (!isSecureContext) {
    return;
  }
  Object.defineProperty(window, 'showDirectoryPicker', {
    value: async () => {
      const root = await navigator.storage.getDirectory();
      return await root.getDirectoryHandle('picked', { create: true });
    },
  });
};

/** A tab that has a link open. */
export class ReceivingPage {
  private constructor(readonly page: Page) {}

  static async open(person: Person, link: string): Promise<ReceivingPage> {
    await person.context.addInitScript(PICKER);
    return new ReceivingPage(await person.open(link));
  }

  /** Joins the queue. */
  async begin(): Promise<void> {
    await this.page.getByRole('button', { name: /^(Download|Continue) here$/ }).click();
  }

  /** Waits until it can be chosen how to save it, and chooses. */
  async choose(way: Way, timeout = PATIENCE_MS): Promise<void> {
    await this.page.getByRole('radio', { name: WAYS[way] }).check({ timeout });
  }

  /** The button that begins to save. */
  get go(): Locator {
    return this.page.getByRole('button', { name: /^Download [\d.]+/ });
  }

  /** Waits until something can be chosen, and saves all of it into a folder. */
  async saveToFolder(timeout = PATIENCE_MS): Promise<void> {
    await this.choose('folder', timeout);
    await this.go.click();
  }

  /** The same through the browser's own downloads. */
  async saveAsDownload(): Promise<Download> {
    await this.choose('stream');
    const [download] = await Promise.all([this.page.waitForEvent('download'), this.go.click()]);
    return download;
  }

  /** Waits until so many bytes in a hundred have come. */
  async percent(least: number): Promise<void> {
    await this.page.waitForFunction(
      (least) => Number(/^(\d+)/.exec(document.title)?.[1] ?? 0) >= least,
      least,
      { timeout: PATIENCE_MS },
    );
  }

  /** Waits for the word that all is verified. */
  async done(timeout = PATIENCE_MS): Promise<void> {
    await this.page.getByRole('heading', { name: /^All .*verified/ }).waitFor({ timeout });
  }

  /** What the folder that was picked holds: SHA-256 by path of each file, `/` for each folder. */
  async contents(): Promise<Map<string, string>> {
    return await picked(this.page);
  }
}

/** What the folder that was picked in this page's origin holds, as `contents` of lab.ts tells it. */
export async function picked(page: Page): Promise<Map<string, string>> {
  const found = await page.evaluate(async () => {
    const files: [string, string][] = [];
    async function walk(folder: FileSystemDirectoryHandle, within: string): Promise<void> {
      for await (const [name, handle] of (
        folder as unknown as { entries(): AsyncIterable<[string, FileSystemHandle]> }
      ).entries()) {
        const path = within === '' ? name : `${within}/${name}`;
        if (handle.kind === 'directory') {
          files.push([path, '/']);
          await walk(handle as FileSystemDirectoryHandle, path);
        } else {
          const file = await (handle as FileSystemFileHandle).getFile();
          const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
          const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0'));
          files.push([path, hex.join('')]);
        }
      }
    }
    const root = await navigator.storage.getDirectory();
    await walk(await root.getDirectoryHandle('picked'), '');
    return files;
  });
  return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** SHA-256 of what a download saved. */
export async function digestOf(download: Download): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of await download.createReadStream()) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}
