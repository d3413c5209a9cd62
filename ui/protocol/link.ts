// The link: what a person copies, scans or clicks, in its web form and its deep form.
import { isPrivateV4, isPrivateV6, parseIpv4, parseIpv6 } from './address';
import { type Code, MAX_LINK_LEN } from './bindings';
import { concat, decodeBase64, encodeBase64, encodeText, equal } from './bytes';
import { joinKey } from './crypto';
import { ProtocolError } from './error';
import { type JoinKey, LinkSecret, type ShareId, idBytes, labelledHash, parseId } from './id';

const FRAGMENT_VERSION = 1;
const FLAG_PASSWORD = 1;
// version, flags, secret, sender hash, checksum
const FRAGMENT_LEN = 1 + 1 + 16 + 16 + 4;

function refuse(detail: string, code: Code = 'link_invalid'): ProtocolError {
  return new ProtocolError(code, detail);
}

/** Where a server listens: scheme and authority, checked. */
export class ServerUrl {
  private constructor(
    /** Whether the server is reached over TLS. */
    readonly isSecure: boolean,
    /** Host and port as they stand in the link. */
    readonly authority: string,
    /** Whether the server is on this machine. */
    readonly isLoopback: boolean,
  ) {}

  /** Parses `http://HOST[:PORT]` or `https://HOST[:PORT]`, with or without a slash at the end. */
  static parse(text: string): ServerUrl {
    if (encodeText(text).length > MAX_LINK_LEN) {
      throw refuse('the text is too long to be a link');
    }
    const [scheme, rest] = splitScheme(text);
    if (scheme === 'sluice') {
      throw refuse('a server starts with https://');
    }
    return ServerUrl.fromParts(scheme === 'https', rest.endsWith('/') ? rest.slice(0, -1) : rest);
  }

  /** Checks an authority; one that is reached over plain HTTP must be private. */
  static fromParts(isSecure: boolean, text: string): ServerUrl {
    const authority = lowerCase(text);
    const host = parseAuthority(authority);
    if (host === undefined) {
      throw refuse("the server's address in the link is malformed");
    }
    if (!isSecure && !host.isPrivate) {
      throw refuse('plain HTTP is only for this machine and private networks', 'link_insecure');
    }
    return new ServerUrl(isSecure, authority, host.isLoopback);
  }

  /** The address for HTTP requests: `https://AUTHORITY` and `path`, which starts with a slash. */
  http(path: string): string {
    return `${this.isSecure ? 'https' : 'http'}://${this.authority}${path}`;
  }

  /** The address for WebSockets. */
  ws(path: string): string {
    return `${this.isSecure ? 'wss' : 'ws'}://${this.authority}${path}`;
  }
}

// Of ASCII only: other letters are no part of a link, and some become ASCII in lower case.
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function splitScheme(text: string): ['https' | 'http' | 'sluice', string] {
  for (const scheme of ['https', 'http', 'sluice'] as const) {
    const length = scheme.length + 3;
    if (lowerCase(text.slice(0, length)) === `${scheme}://`) {
      return [scheme, text.slice(length)];
    }
  }
  throw refuse('a link starts with https:// or sluice://');
}

function splitOnce(text: string, mark: string): [string, string] | undefined {
  const at = text.indexOf(mark);
  return at === -1 ? undefined : [text.slice(0, at), text.slice(at + mark.length)];
}

interface Host {
  isPrivate: boolean;
  isLoopback: boolean;
}

// Expects lower case.
function parseAuthority(authority: string): Host | undefined {
  const [, v6, name, port] = /^(?:\[([^\]]*)\]|([^:[]*))(?::(.*))?$/s.exec(authority) ?? [];
  if (port !== undefined && !(/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65535)) {
    return undefined;
  }
  if (v6 !== undefined) {
    const groups = parseIpv6(v6);
    const isLoopback = groups?.every((group, at) => group === (at === 7 ? 1 : 0)) ?? false;
    return groups === undefined ? undefined : { isPrivate: isPrivateV6(groups), isLoopback };
  }
  const v4 = parseIpv4(name ?? '');
  if (v4 !== undefined) {
    return { isPrivate: isPrivateV4(v4), isLoopback: v4[0] === 127 };
  }
  if (name === undefined || !isHostName(name)) {
    return undefined;
  }
  const isLoopback = name === 'localhost' || name.endsWith('.localhost');
  return { isPrivate: isLoopback || name.endsWith('.local'), isLoopback };
}

// RFC 1123; a name of digits and dots only would be read as an address by somebody.
function isHostName(name: string): boolean {
  const labels = name.split('.');
  const isLabel = (label: string): boolean => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label);
  return name.length <= 253 && labels.every(isLabel) && !/^\d*$/.test(labels.at(-1) ?? '');
}

/** What a link holds. */
export interface LinkParts {
  /** Where the share was announced. */
  server: ServerUrl;
  /** Which share. */
  share: ShareId;
  /** What proves to the sender that a receiver holds the link. */
  secret: LinkSecret;
  /** Which key the sender must show, see `senderHash`; 16 bytes. */
  sender: Uint8Array;
  /** Whether a password is mixed into the handshake. */
  password: boolean;
}

/**
 * A parsed link. The web form and the deep form hold the same and turn into each other.
 *
 * Web: `https://SERVER/s/SHARE#FRAGMENT`, or `http://` for this machine and private networks.
 * Deep: `sluice://SERVER/s/SHARE#FRAGMENT` for the first, `sluice://SERVER/p/SHARE#FRAGMENT` for the second.
 */
export class Link {
  readonly server: ServerUrl;
  readonly share: ShareId;
  readonly secret: LinkSecret;
  readonly sender: Uint8Array;
  readonly password: boolean;

  constructor(parts: LinkParts) {
    this.server = parts.server;
    this.share = parts.share;
    this.secret = parts.secret;
    this.sender = parts.sender;
    this.password = parts.password;
  }

  /** Parses either form. White space around it is ignored. */
  static parse(text: string): Link {
    const trimmed = text.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');
    if (encodeText(trimmed).length > MAX_LINK_LEN) {
      throw refuse('the text is too long to be a link');
    }
    const [scheme, rest] = splitScheme(trimmed);
    const [address, fragment] = splitOnce(rest, '#') ?? [];
    if (address === undefined || fragment === undefined) {
      throw refuse('the part of the link behind # is missing');
    }
    const [authority, path] = splitOnce(address, '/') ?? [];
    const [kind, id] = splitOnce(path ?? '', '/') ?? [];
    const isPlain = kind === 'p' && scheme === 'sluice';
    if (authority === undefined || id === undefined || (kind !== 's' && !isPlain)) {
      throw refuse('the link does not name a share');
    }
    const share = parseId<ShareId>(id, 16, 'link_invalid');
    const server = ServerUrl.fromParts(scheme !== 'http' && !isPlain, authority);
    return new Link({ server, share, ...parseFragment(fragment, share) });
  }

  /** The web form. */
  toWeb(): string {
    return `${this.server.http(`/s/${this.share}`)}#${this.#fragment()}`;
  }

  /** The deep form, which opens the desktop app. */
  toDeep(): string {
    const kind = this.server.isSecure ? 's' : 'p';
    return `sluice://${this.server.authority}/${kind}/${this.share}#${this.#fragment()}`;
  }

  /** The proof for the server that this link is held. */
  joinKey(): JoinKey {
    return joinKey(this.secret, this.share);
  }

  #fragment(): string {
    const head = Uint8Array.of(FRAGMENT_VERSION, this.password ? FLAG_PASSWORD : 0);
    const body = concat(head, this.secret.expose(), this.sender);
    return encodeBase64(concat(body, checksum(this.share, body)));
  }
}

function checksum(share: ShareId, body: Uint8Array): Uint8Array {
  return labelledHash('sluice/1 link', idBytes(share), body).subarray(0, 4);
}

function parseFragment(
  text: string,
  share: ShareId,
): Pick<LinkParts, 'secret' | 'sender' | 'password'> {
  const bytes = decodeBase64(text);
  const [version, flags] = bytes ?? [];
  if (version !== undefined && version > FRAGMENT_VERSION && (bytes?.length ?? 0) >= FRAGMENT_LEN) {
    throw refuse('the link was made by a later version', 'version_unsupported');
  }
  const body = bytes?.subarray(0, FRAGMENT_LEN - 4);
  if (
    bytes?.length !== FRAGMENT_LEN ||
    body === undefined ||
    version !== FRAGMENT_VERSION ||
    flags === undefined ||
    flags > FLAG_PASSWORD ||
    !equal(checksum(share, body), bytes.subarray(FRAGMENT_LEN - 4))
  ) {
    throw refuse('the part of the link behind # is damaged');
  }
  return {
    secret: new LinkSecret(bytes.slice(2, 18)),
    sender: bytes.slice(18, 34),
    password: flags === FLAG_PASSWORD,
  };
}
