// The real command line as processes: what they say in JSON, and their end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Scratch, digest, write } from './lab';

const SLUICE =
  process.env['SLUICE_BIN'] ?? fileURLToPath(new URL('../../target/debug/sluice', import.meta.url));
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
    const { stdout, stderr } = this.#process as {
      stdout: NodeJS.ReadableStream;
      stderr: NodeJS.ReadableStream;
    };
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

/** Several of them, ended together. */
export class Crowd implements AsyncDisposable {
  readonly #all: Sluice[] = [];

  add(process: Sluice): Sluice {
    this.#all.push(process);
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((process) => process.kill()));
  }
}

/** A running server. */
export class Server extends Sluice {
  private constructor(
    home: string,
    port: number,
    /** Where it is, once it is there. */
    public url = '',
  ) {
    super(home, 'serve', '--listen', `127.0.0.1:${port}`);
  }

  /** Starts one on a port of its own, or on `port`. */
  static async start(home: string, port = 0): Promise<Server> {
    const server = new Server(home, port);
    const { url } = await server.until('listening');
    server.url = String(url);
    return server;
  }

  /** As a power cut would, and another on the same port. */
  async restart(home: string): Promise<Server> {
    await this.kill();
    return await Server.start(home, Number(new URL(this.url).port));
  }
}

/** A running sender. */
export class Sender extends Sluice {
  private constructor(
    home: string,
    args: string[],
    /** The link to what it shares. */
    public link = '',
  ) {
    super(home, 'send', ...args);
  }

  /** Shares these paths over this server, with these options. */
  static async start(home: string, url: string, ...args: string[]): Promise<Sender> {
    const sender = new Sender(home, ['--server', url, ...args]);
    const { link } = await sender.until('shared');
    sender.link = String(link);
    return sender;
  }
}

/** A share of one file, with all that it stands on. Ended together. */
export class SharedFile implements AsyncDisposable {
  private constructor(
    readonly scratch: Scratch,
    readonly server: Server,
    readonly sender: Sender,
    /** Where the file is at the sender. */
    readonly file: string,
  ) {}

  /** Shares a file of this name, made from `seed`, with these options of `sluice send`. */
  static async start(
    name: string,
    seed: number,
    length: number,
    ...options: string[]
  ): Promise<SharedFile> {
    const scratch = await Scratch.make();
    const file = scratch.at(name);
    await write(file, seed, length);
    const server = await Server.start(scratch.path);
    const sender = await Sender.start(scratch.path, server.url, ...options, file);
    return new SharedFile(scratch, server, sender, file);
  }

  /** SHA-256 of the file. */
  digest(): Promise<string> {
    return digest(this.file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sender.kill();
    await this.server.kill();
    await this.scratch[Symbol.asyncDispose]();
  }
}
