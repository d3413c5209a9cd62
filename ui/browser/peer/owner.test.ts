// @vitest-environment node
// The sender's line through losses, restarts and refusals, against a server that is played.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ClientMessage, CreateShare, ServerMessage } from '../../protocol/bindings';
import type { ProtocolError } from '../../protocol/error';
import { type JoinHash, type OwnerKey, type PeerId, shareId, toId } from '../../protocol/id';
import { ServerUrl } from '../../protocol/link';
import { Api } from './http';
import { OwnerLine, type Standing } from './owner';

const owner_key = toId<OwnerKey>(new Uint8Array(32));
const join_hash = toId<JoinHash>(new Uint8Array(32));
const share = shareId(owner_key);
const ana = toId<PeerId>(new Uint8Array(16));

type Answer = { status: number; body?: object; retryAfter?: number } | 'unreachable';

/** A socket as a page sees it; the test plays the server behind it. */
class PlayedSocket extends EventTarget {
  static readonly OPEN = 1;
  static all: PlayedSocket[] = [];
  readonly said: ClientMessage[] = [];
  readyState = 0;

  constructor(readonly url: string) {
    super();
    PlayedSocket.all.push(this);
  }

  send(text: string): void {
    this.said.push(JSON.parse(text) as ClientMessage);
  }

  close(): void {
    this.readyState = 3;
  }

  open(): void {
    this.readyState = PlayedSocket.OPEN;
    this.dispatchEvent(new Event('open'));
  }

  say(message: ServerMessage): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(message) }));
  }

  drop(code: number): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event('close'), { code }));
  }
}

/** The server's answers, and what it was asked. */
const answers: Answer[] = [];
const created: CreateShare[] = [];
let probes = 0;

function answer(url: string, init?: RequestInit): Promise<Response> {
  if (!url.endsWith('/api/shares')) {
    probes += 1;
  } else {
    created.push(JSON.parse(init?.body as string) as CreateShare);
  }
  const next = answers.shift() ?? { status: 201, body: { share, token: 't' } };
  if (next === 'unreachable') {
    return Promise.reject(new TypeError('fetch failed'));
  }
  const headers = new Headers();
  if (next.retryAfter !== undefined) {
    headers.set('Retry-After', next.retryAfter.toString());
  }
  const body = next.status === 204 ? null : JSON.stringify(next.body);
  return Promise.resolve(new Response(body, { status: next.status, headers }));
}

/** A line and what it told. */
class Told {
  standing: Standing = { slots: 3, summary: 'first', active: [] };
  readonly news: string[] = [];
  readonly line: OwnerLine;

  constructor() {
    const api = new Api(ServerUrl.parse('http://localhost:7575'), share);
    const code = ({ code }: ProtocolError): string => code;
    this.line = new OwnerLine(
      api,
      { owner_key, join_hash },
      {
        standing: () => this.standing,
        up: () => this.news.push('up'),
        down: (error) => this.news.push(`down ${code(error)}`),
        message: (message) => this.news.push(message.type),
        refused: (error) => this.news.push(`refused ${code(error)}`),
      },
    );
  }
}

const opened: ServerMessage = { type: 'opened', active: [], waiting: 0 };

async function socket(count: number): Promise<PlayedSocket> {
  // Far beyond every pause between tries; answers come without any.
  for (let turn = 0; turn < 400 && PlayedSocket.all.length < count; turn += 1) {
    await vi.advanceTimersByTimeAsync(50);
  }
  const found = PlayedSocket.all[count - 1];
  if (found === undefined) {
    throw new Error('no socket was opened');
  }
  found.open();
  return found;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  vi.stubGlobal('fetch', answer);
  vi.stubGlobal('WebSocket', PlayedSocket);
  PlayedSocket.all = [];
  answers.length = 0;
  created.length = 0;
  probes = 0;
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the sender's line", () => {
  test('opens the share, shows its token, and says what waited', async () => {
    const { line, news } = new Told();
    line.say({ type: 'dismiss', peer: ana });
    const first = await socket(1);
    expect(created).toEqual([
      { version: 1, owner_key, join_hash, slots: 3, summary: 'first', active: [] },
    ]);
    expect(first.url).toBe(`ws://localhost:7575/api/shares/${share}/socket`);
    expect(first.said).toEqual([{ type: 'authorize', token: 't' }]);
    expect(news).toEqual([]);
    first.say(opened);
    expect(first.said.at(-1)).toEqual({ type: 'dismiss', peer: ana });
    expect(news).toEqual(['up', 'opened']);
    expect(line.token()).toBe('t');
  });

  test('opens it again with those it is connected with, when the server has lost it', async () => {
    const told = new Told();
    (await socket(1)).say(opened);
    told.standing = { slots: 3, summary: 'second', active: [ana] };
    PlayedSocket.all[0]?.drop(1006);
    (await socket(2)).say(opened);
    expect(created[1]).toMatchObject({ summary: 'second', active: [ana] });
    expect(told.news).toEqual(['up', 'opened', 'down server_unreachable', 'up', 'opened']);
  });

  test('takes a restart that was told for no trouble', async () => {
    const told = new Told();
    (await socket(1)).say(opened);
    PlayedSocket.all[0]?.drop(1012);
    answers.push('unreachable', 'unreachable');
    (await socket(2)).say(opened);
    expect(told.news).toEqual(['up', 'opened', 'up', 'opened']);
  });

  test('tells what the share holds when that is new, and once', async () => {
    const told = new Told();
    const first = await socket(1);
    told.standing = { ...told.standing, summary: 'second' };
    told.line.tellSummary();
    expect(first.said).toHaveLength(1);
    first.say(opened);
    told.line.tellSummary();
    expect(first.said.slice(1)).toEqual([{ type: 'summary', summary: 'second' }]);
  });

  test('waits as long as the server wants', async () => {
    answers.push({ status: 429, body: { code: 'rate_limited', message: '' }, retryAfter: 60 });
    const told = new Told();
    await vi.advanceTimersByTimeAsync(59_000);
    expect(created).toHaveLength(1);
    expect(told.news).toEqual(['down rate_limited']);
    told.line.handleOnline();
    (await socket(1)).say(opened);
    expect(told.news.at(-1)).toBe('opened');
  });

  test.each([
    [{ status: 400, body: { code: 'version_unsupported', message: '' } }, 'version_unsupported'],
    [{ status: 403, body: { code: 'not_authorised', message: '' } }, 'not_authorised'],
  ] as const)('takes a refusal of %o for final', async (refusal, code) => {
    answers.push(refusal);
    const { news } = new Told();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(news).toEqual([`refused ${code}`]);
    expect(created).toHaveLength(1);
  });

  test('gives way to a newer socket of the same share', async () => {
    const { news } = new Told();
    (await socket(1)).say(opened);
    PlayedSocket.all[0]?.drop(4001);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(news).toEqual(['up', 'opened', 'refused share_taken']);
    expect(created).toHaveLength(1);
  });

  test('is over when the share has ended, and goes on when the server only thinks that it is gone', async () => {
    const { news } = new Told();
    const first = await socket(1);
    first.say(opened);
    first.say({ type: 'ended', code: 'sender_gone' });
    first.drop(1000);
    const second = await socket(2);
    second.say(opened);
    second.say({ type: 'ended', code: 'share_ended' });
    second.drop(1000);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(news.at(-1)).toBe('ended');
    expect(created).toHaveLength(2);
  });

  test('finds out that a path has died quietly', async () => {
    const { news } = new Told();
    const first = await socket(1);
    first.say(opened);
    answers.push({ status: 204 });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(probes).toBe(1);
    expect(news).toEqual(['up', 'opened']);
    answers.push('unreachable');
    await vi.advanceTimersByTimeAsync(20_000);
    expect(probes).toBe(2);
    (await socket(2)).say(opened);
    expect(news).toEqual(['up', 'opened', 'down server_unreachable', 'up', 'opened']);
    expect(first.readyState).toBe(3);
  });

  test('is quiet when it is closed', async () => {
    const { line, news } = new Told();
    line.close();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(news).toEqual([]);
    expect(PlayedSocket.all).toEqual([]);
  });
});
