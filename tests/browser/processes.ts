// The real command line as processes: what they say in JSON, and their end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SLUICE = process.env['SLUICE_BIN'] ?? fileURLToPath(new URL('../../target/debug/sluice', import.meta.url));
const PATIENCE_MS = 60_000;

/** One line of `--json`; docs/cli.md has them all. */
export type Event = { event: string } & Record<string, unknown>;

/** A running `sluice`. Ended with the test that started it. */
export class Sluice implements AsyncDisposable {
  readonly events: Event[] = [];
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;
  #said = '';
  #heard: (() => void)[] = [];
  #isOver = false;

  /** Starts `sluice` with these arguments and `--json`, with a home of its own. */
  constructor(home: string, ...args: string[]) {
    this.#process = spawn(SLUICE, [...args, '--json'], {
      env: { PATH: process.env['PATH'], HOME: home, SLUICE_LOG: process.env['SLUICE_LOG'] },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // Both are there: they are pipes.
    const { stdout, stderr } = this.#process as { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream };
    createInterface({ input: stdout }).on('line', (line) => {
      this.events.push(JSON.parse(line) as Event);
      this.#wake();
    });
    createInterface({ input: stderr }).on('line', (line) => {
      this.#said += `${line}\n`;
    });
    this.#ended = once(this.#process, 'close').then(([code]) => {
      this.#isOver = true;
      this.#wake();
      return code as number | null;
    });
  }

  /** The first event of this kind that fits, from the start on. */
  async until(kind: string, fits: (event: Event) => boolean = () => true): Promise<Event> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = this.events.find((event) => event.event === kind && fits(event));
      if (found !== undefined) {
        return found;
      }
      if (this.#isOver || Date.now() > deadline) {
        const last = this.events.slice(-5).map((event) => JSON.stringify(event));
        throw new Error(`no "${kind}" came; the last was ${last.join(' ')}\n${this.#said}`);
      }
      await this.#news(deadline);
    }
  }

  /** The exit status, once it has ended by itself. */
  async ended(): Promise<number | null> {
    return await this.#ended;
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  /** As Ctrl-C would. */
  async interrupt(): Promise<void> {
    this.#process.kill('SIGINT');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #wake(): void {
    this.#heard.splice(0).forEach((wake) => {
      wake();
    });
  }

  async #news(deadline: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#heard.push(resolve);
      timer = setTimeout(resolve, Math.max(1, deadline - Date.now()));
    });
    clearTimeout(timer);
  }
}

/** Starts a server on a port of its own, or on `port`; its address. */
export async function serve(home: string, port = 0): Promise<{ server: Sluice; url: string }> {
  const server = new Sluice(home, 'serve', '--listen', `127.0.0.1:${port}`);
  const { url } = await server.until('listening');
  return { server, url: String(url) };
}

/** Shares these paths over this server; the link. */
export async function send(home: string, url: string, ...args: string[]): Promise<{ sender: Sluice; link: string }> {
  const sender = new Sluice(home, 'send', '--server', url, ...args);
  const { link } = await sender.until('shared');
  return { sender, link: String(link) };
}
