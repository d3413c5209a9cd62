// One connection between two peers: offer, answer and candidates of one attempt, and the one data channel behind them.
import type { IceServer, Signal } from '../../protocol/bindings';
import { MAX_MESSAGE_LEN } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import { ProtocolError } from '../../protocol/error';

// The label of the one channel, as docs/protocol.md has it.
const LABEL = 'sluice';
// ICE gives up by itself after some 30 s; whoever waits longer waits for nothing.
const CONNECT_TIMEOUT_MS = 30_000;
// A peer that states no limit takes this much (RFC 8841 §6.1).
const DEFAULT_MESSAGE_LEN = 65_536;
// Bytes that may wait in the channel: enough that it never runs dry, few enough that a goodbye is not far behind.
const MAX_BUFFERED = 1_048_576;
const MAX_EARLY = 64;

/** How the bytes travel, as far as the browser tells. */
export type PathKind = 'local' | 'direct' | 'relayed';

/** What happens to a connection whose channel is open. */
export type Change = 'interrupted' | 'resumed' | 'lost';

/** What a connection is made from. */
export interface ConnectionOptions {
  /** The sender of files makes the offer, a receiver answers it. */
  role: 'offer' | 'answer';
  /** Counted from 1 by the receiver; signals of other attempts are passed over. */
  attempt: number;
  iceServers: readonly IceServer[];
  /** Takes what the other side is to be told through the server. */
  say: (signal: Signal) => void;
  /** Bytes that may wait in the channel, asked for each time: who serves many gives each less. A megabyte if left out. */
  maxBuffered?: () => number;
}

/** Who hears of what comes over an open channel. */
export interface ChannelListener {
  /** One message. */
  message(message: Bytes): void;
  change(change: Change): void;
}

/** The channel, open. */
export interface Channel {
  /** Bytes in the longest message that the other side takes. */
  readonly maxMessage: number;
  /** SHA-256 of the DTLS certificates of sender and receiver of the files (RFC 8122). */
  readonly fingerprints: { readonly sender: Uint8Array; readonly receiver: Uint8Array };
  /** From now on `listener` hears of everything; first of what came before. */
  listen(listener: ChannelListener): void;
  /** Whether a frame may be sent now without more waiting than may. */
  hasRoom(): boolean;
  /** Resolves when there is room, or the channel is gone. */
  room(): Promise<void>;
  send(frame: Bytes): void;
  /** Resolves when all that was sent has left this page, or the channel is gone. */
  flushed(): Promise<void>;
  /** Which way the bytes take, where the browser tells. */
  path(): Promise<PathKind | undefined>;
  close(): void;
}

/** One attempt to connect. */
export class Connection {
  readonly #peer: RTCPeerConnection;
  readonly #options: ConnectionOptions;
  #early: RTCIceCandidateInit[] | undefined = [];
  #described = false;
  #fail: (error: ProtocolError) => void = () => undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Resolves once the channel is open; rejects with `no_connection` after half a minute at the latest. */
  readonly opened: Promise<Channel>;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#peer = new RTCPeerConnection({ iceServers: options.iceServers.map(toBrowser) });
    this.#peer.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate !== null && candidate.candidate !== '') {
        this.#sayCandidate(candidate);
      }
    });
    this.opened = new Promise((resolve, reject) => {
      this.#fail = (error) => {
        clearTimeout(this.#timer);
        this.#peer.close();
        reject(error);
      };
      const open = (channel: RTCDataChannel): void => {
        this.#awaitOpen(channel, resolve);
      };
      if (options.role === 'offer') {
        open(this.#peer.createDataChannel(LABEL));
        this.#orFail(this.#offer());
      } else {
        this.#peer.addEventListener('datachannel', ({ channel }) => {
          if (channel.label === LABEL && channel.ordered) {
            open(channel);
          }
        });
        options.say({ type: 'request', attempt: options.attempt });
      }
    });
    this.#timer = setTimeout(() => {
      this.#fail(new ProtocolError('no_connection', 'it took too long'));
    }, CONNECT_TIMEOUT_MS);
    this.#peer.addEventListener('connectionstatechange', () => {
      if (this.#peer.connectionState === 'failed') {
        this.#fail(new ProtocolError('no_connection', 'no way was found'));
      }
    });
    // Whoever gives an attempt up may not be waiting for it any more.
    this.opened.catch(() => undefined);
  }

  /** Takes what the other side said; signals of other attempts are passed over. */
  handleSignal(signal: Signal): void {
    if (signal.attempt !== this.#options.attempt) {
      return;
    }
    if (signal.type === 'candidate') {
      this.#handleCandidate({
        candidate: signal.candidate,
        sdpMid: signal.sdp_mid ?? null,
        sdpMLineIndex: signal.sdp_mline_index ?? null,
      });
    } else if (
      signal.type !== 'request' &&
      signal.type !== this.#options.role &&
      !this.#described
    ) {
      // A second description is ignored: the first one stands.
      this.#described = true;
      this.#orFail(this.#describe(signal));
    }
  }

  /** Gives the attempt up. */
  close(): void {
    this.#fail(new ProtocolError('peer_left', 'given up'));
  }

  async #offer(): Promise<void> {
    await this.#peer.setLocalDescription(await this.#peer.createOffer());
    this.#options.say({ type: 'offer', attempt: this.#options.attempt, sdp: this.#sdp() });
  }

  async #describe(signal: Signal & { type: 'offer' | 'answer' }): Promise<void> {
    // Refused before the browser connects to it, so that the handshake has something to bind to.
    readFingerprint(signal.sdp);
    await this.#peer.setRemoteDescription({ type: signal.type, sdp: signal.sdp });
    const early = this.#early ?? [];
    this.#early = undefined;
    early.forEach((candidate) => {
      this.#add(candidate);
    });
    if (signal.type === 'offer') {
      await this.#peer.setLocalDescription(await this.#peer.createAnswer());
      this.#options.say({ type: 'answer', attempt: this.#options.attempt, sdp: this.#sdp() });
    }
  }

  #sdp(): string {
    return this.#peer.localDescription?.sdp ?? '';
  }

  #sayCandidate(candidate: RTCIceCandidate): void {
    this.#options.say({
      type: 'candidate',
      attempt: this.#options.attempt,
      candidate: candidate.candidate,
      sdp_mid: candidate.sdpMid,
      sdp_mline_index: candidate.sdpMLineIndex,
    });
  }

  #handleCandidate(candidate: RTCIceCandidateInit): void {
    // It may overtake the description that it belongs to.
    if (this.#early === undefined) {
      this.#add(candidate);
    } else if (this.#early.length < MAX_EARLY) {
      this.#early.push(candidate);
    }
  }

  #add(candidate: RTCIceCandidateInit): void {
    // One that can't be used does not spoil the others.
    this.#peer.addIceCandidate(candidate).catch(() => undefined);
  }

  #orFail(step: Promise<void>): void {
    step.catch((error: unknown) => {
      this.#fail(new ProtocolError('no_connection', error instanceof Error ? error.message : ''));
    });
  }

  #awaitOpen(channel: RTCDataChannel, resolve: (channel: Channel) => void): void {
    channel.binaryType = 'arraybuffer';
    const open = new OpenChannel(this.#peer, channel, this.#options);
    const opened = (): void => {
      clearTimeout(this.#timer);
      open.begin();
      resolve(open);
    };
    if (channel.readyState === 'open') {
      opened();
    } else {
      channel.addEventListener('open', opened, { once: true });
    }
  }
}

class OpenChannel implements Channel {
  maxMessage = DEFAULT_MESSAGE_LEN;
  fingerprints: { sender: Uint8Array; receiver: Uint8Array } = {
    sender: new Uint8Array(),
    receiver: new Uint8Array(),
  };
  #listener: ChannelListener | undefined;
  #early: Bytes[] = [];
  #isLost = false;
  #interrupted = false;

  constructor(
    private readonly peer: RTCPeerConnection,
    private readonly channel: RTCDataChannel,
    private readonly options: ConnectionOptions,
  ) {
    // From the first moment on: the other side may be faster than whoever listens here.
    channel.addEventListener('message', ({ data }) => {
      this.#hear(data);
    });
    channel.addEventListener('close', () => {
      this.#lose();
    });
    peer.addEventListener('connectionstatechange', () => {
      this.#follow(peer.connectionState);
    });
  }

  begin(): void {
    const [own, other] = [this.peer.localDescription, this.peer.remoteDescription].map(
      (description) => readFingerprint(description?.sdp ?? ''),
    ) as [Uint8Array, Uint8Array];
    this.fingerprints =
      this.options.role === 'offer'
        ? { sender: own, receiver: other }
        : { sender: other, receiver: own };
    // Browsers say 0 or infinity for "any size".
    const stated = this.peer.sctp?.maxMessageSize ?? DEFAULT_MESSAGE_LEN;
    this.maxMessage = Math.min(stated > 0 ? stated : MAX_MESSAGE_LEN, MAX_MESSAGE_LEN);
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener;
    for (const message of this.#early.splice(0)) {
      listener.message(message);
    }
    if (this.#isLost) {
      listener.change('lost');
    }
  }

  hasRoom(): boolean {
    return this.#isOpen() && this.channel.bufferedAmount < this.#maxBuffered();
  }

  async room(): Promise<void> {
    while (this.#isOpen() && this.channel.bufferedAmount >= this.#maxBuffered()) {
      await this.#drained(this.#maxBuffered() / 2);
    }
  }

  send(frame: Bytes): void {
    if (this.#isOpen()) {
      this.channel.send(frame);
    }
  }

  async flushed(): Promise<void> {
    while (this.#isOpen() && this.channel.bufferedAmount > 0) {
      await this.#drained(0);
    }
  }

  async path(): Promise<PathKind | undefined> {
    const stats = await this.peer.getStats();
    const all = [...(stats as unknown as Map<string, Stat>).values()];
    const transport = all.find(({ type }) => type === 'transport');
    const pair = all.find(({ id }) => id === transport?.selectedCandidatePairId);
    const ends = [pair?.localCandidateId, pair?.remoteCandidateId].map(
      (id) => all.find((stat) => stat.id === id)?.candidateType,
    );
    if (pair === undefined || ends.includes(undefined)) {
      return undefined;
    }
    if (ends.includes('relay')) {
      return 'relayed';
    }
    return ends.every((kind) => kind === 'host') ? 'local' : 'direct';
  }

  close(): void {
    this.channel.close();
    this.peer.close();
    this.#lose();
  }

  #maxBuffered(): number {
    return this.options.maxBuffered?.() ?? MAX_BUFFERED;
  }

  #isOpen(): boolean {
    return !this.#isLost && this.channel.readyState === 'open';
  }

  // One of the two always comes, as long as more is waiting than `low`.
  #drained(low: number): Promise<void> {
    this.channel.bufferedAmountLowThreshold = low;
    return new Promise((resolve) => {
      const done = (): void => {
        this.channel.removeEventListener('bufferedamountlow', done);
        this.channel.removeEventListener('close', done);
        resolve();
      };
      this.channel.addEventListener('bufferedamountlow', done);
      this.channel.addEventListener('close', done);
    });
  }

  #hear(data: unknown): void {
    // A text is no frame; an empty message is refused as one.
    const message = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array();
    if (this.#listener === undefined) {
      this.#early.push(message);
    } else {
      this.#listener.message(message);
    }
  }

  #follow(state: RTCPeerConnectionState): void {
    if (state === 'failed' || state === 'closed') {
      this.#lose();
    } else if (state === 'disconnected') {
      this.#interrupted = true;
      this.#listener?.change('interrupted');
    } else if (state === 'connected' && this.#interrupted) {
      this.#interrupted = false;
      this.#listener?.change('resumed');
    }
  }

  #lose(): void {
    if (!this.#isLost) {
      this.#isLost = true;
      this.peer.close();
      this.#listener?.change('lost');
    }
  }
}

// What of `RTCStatsReport`'s entries is read here.
interface Stat {
  id: string;
  type: string;
  selectedCandidatePairId?: string;
  localCandidateId?: string;
  remoteCandidateId?: string;
  candidateType?: string;
}

function toBrowser({ urls, username, credential }: IceServer): RTCIceServer {
  return {
    urls,
    ...(typeof username === 'string' ? { username } : {}),
    ...(typeof credential === 'string' ? { credential } : {}),
  };
}

/** The one SHA-256 that a description (RFC 8866) names as its owner's certificate (RFC 8122 §5). */
export function readFingerprint(sdp: string): Uint8Array {
  const found = [...sdp.matchAll(/^a=fingerprint:(\S+) (\S+)\s*$/gm)].map(([, kind, hex]) =>
    kind?.toLowerCase() === 'sha-256' ? (hex ?? '').toLowerCase() : '',
  );
  const [first = ''] = found;
  if (!/^([0-9a-f]{2}:){31}[0-9a-f]{2}$/.test(first) || found.some((other) => other !== first)) {
    throw new ProtocolError('no_connection', 'a description without one certificate');
  }
  return Uint8Array.from(first.split(':'), (byte) => parseInt(byte, 16));
}
