// The messages, limits and codes of the protocol; made from `src-tauri/protocol` by its tests with SLUICE_BLESS=1.

import type { JoinHash, JoinKey, OwnerKey, PeerId, ShareId } from './id';
import type { RelPath } from './path';

/** Every code that an error can have, and what is said to a person. */
export const SENTENCES = {
  link_invalid: "This is not a Sluice link, or part of it is missing.",
  link_insecure: "This link uses plain HTTP to a public server, which Sluice refuses.",
  link_rejected: "The sender does not accept this link or password.",
  password_needed: "This share needs a password.",
  sender_not_authentic: "The peer that answered is not the one that made this link.",
  fingerprint_mismatch: "The connection was tampered with: somebody stands between you and the other side.",
  version_unsupported: "The other side runs a version of Sluice that this one does not understand.",
  chunk_forged: "A chunk was changed on its way; nothing of it was kept.",
  frame_forged: "A message was changed on its way; nothing of it was kept.",
  chunk_unexpected: "A chunk came again or out of order; nothing of it was kept.",
  frame_invalid: "The other side sent something that is not part of the protocol.",
  manifest_invalid: "The list of files that the sender offers is broken or beyond all limits.",
  share_not_found: "The server does not know this share: the sender is gone, or the share has ended.",
  share_ended: "The sender has ended this share; what was verified is kept.",
  sender_gone: "The sender is gone; what was verified is kept, and the same command goes on from there.",
  peer_left: "The other side left; what was verified is kept.",
  not_authorised: "The server does not accept this link.",
  let_go: "The sender has let you go; what was verified is kept.",
  server_unreachable: "The server can't be reached; what was verified is kept.",
  server_failed: "The server answered with an error; what was verified is kept.",
  not_your_turn: "There is no free slot yet; the place in line is kept.",
  share_full: "Too many people wait for this share; try again later.",
  server_full: "The server is full; try again later.",
  rate_limited: "Too many requests came from here; try again in a while.",
  store_unavailable: "The server can't reach its store right now; running transfers go on.",
  server_stopping: "The server is about to stop; running transfers go on.",
  relay_refused: "The relay server does not accept the credentials, which may have expired.",
  request_invalid: "The server does not understand this request.",
  share_taken: "This share is already open somewhere else.",
  no_connection: "No connection to the other side could be made; what was verified is kept.",
  stalled: "Nothing arrived for fifteen seconds; what was verified is kept.",
  disk_full: "The disk is full; what was verified is kept, and the same command goes on from there.",
  disk_failed: "The disk reported an error; what was verified is kept.",
  destination_gone: "The destination folder is gone or can't be written.",
  destination_busy: "Another Sluice is already receiving this share into this folder.",
  source_changed: "Some files changed at the source while they were sent; all others are complete.",
  source_unreadable: "Some files can't be read at the source; all others are complete.",
  source_missing: "There is nothing to share at this path.",
  interrupted: "Interrupted; what was verified is kept, and the same command goes on from there.",
} as const;

/** A stable error code. */
export type Code = keyof typeof SENTENCES;

// Lengths are in bytes, times in milliseconds; docs/protocol.md says what each is.
export const VERSION = 1;
export const CHUNK_SIZE = 262144;
export const MAX_FILE_SIZE = 1125899906580480;
export const TAG_LEN = 16;
export const HEADER_LEN = 12;
export const MIN_MESSAGE_LEN = 16384;
export const MAX_MESSAGE_LEN = 262144;
export const MAX_CONTROL_LEN = 16367;
export const MAX_DISPLAY_NAME_LEN = 255;
export const MAX_LINK_LEN = 512;
export const MAX_PAGE_LEN = 15360;
export const MAX_PAGE_ENTRIES = 512;
export const MAX_ENTRIES = 100000000;
export const MAX_TARGET_LEN = 4096;
export const MAX_PATH_LEN = 4096;
export const MAX_NAME_LEN = 1024;
export const MAX_DEPTH = 512;
export const MAX_WANT_ITEMS = 900;
export const MAX_REQUESTS = 64;
export const BATCH_LEN = 262144;
export const DATA_FRAME_LEN = 65544;
export const CREDIT_WINDOW = 8388608;
export const PAGE_WINDOW = 8;
export const SUMMARY_LEN = 284;
export const SEALED_SUMMARY_LEN = 312;
export const ALIVE_AFTER_MS = 5000;
export const STALLED_AFTER_MS = 15000;
export const MAX_SIGNAL_LEN = 65536;
export const MAX_SDP_LEN = 16384;
export const MAX_CANDIDATE_LEN = 1024;
export const MAX_SLOTS = 100;
export const DEFAULT_SLOTS = 20;
export const MAX_SUMMARY_TEXT_LEN = 2048;

/**
 * From the receiver to the sender.
 */
export type ReceiverMessage = { "type": "pages", 
/**
 * One past the last page allowed.
 */
up_to: number, } | { "type": "want", 
/**
 * Counts up from 0; goes into the key of every file within.
 */
request: number, 
/**
 * At most [`MAX_WANT_ITEMS`].
 */
items: Array<WantItem>, } | { "type": "progress", 
/**
 * Bytes of content that the sender may have sent in all, in this session.
 */
credit: number, 
/**
 * Bytes of the share's content that are durable, from this and earlier sessions.
 */
durable_bytes: number, 
/**
 * Files, directories and symlinks that are in their place.
 */
durable_entries: number, } | { "type": "done", 
/**
 * Bytes of content of all that was chosen.
 */
bytes: number, 
/**
 * Entries of all that was chosen.
 */
entries: number, } | { "type": "alive" } | { "type": "bye", 
/**
 * Why.
 */
code: Code, } | { "type": "chosen", 
/**
 * Bytes of content of all that is chosen, from earlier sessions too.
 */
bytes: number, 
/**
 * Entries of all that is chosen.
 */
entries: number, };

/**
 * From the sender to the receiver.
 */
export type SenderMessage = { "type": "page", 
/**
 * Counts up from 0.
 */
index: number, 
/**
 * The number of the page's first entry.
 */
first_entry: number, 
/**
 * As [`crate::manifest::decode_page`] reads it.
 */
encoded: Uint8Array, } | { "type": "totals" } & Totals | { "type": "entry_failed", 
/**
 * The request that is being served.
 */
request: number, 
/**
 * The entry.
 */
entry: number, 
/**
 * Why.
 */
failure: EntryFailure, } | { "type": "done_heard" } | { "type": "alive" } | { "type": "bye", 
/**
 * Why.
 */
code: Code, } | { "type": "paused", 
/**
 * Whether it is held back.
 */
paused: boolean, };

/**
 * One run of content that a receiver asks for.
 */
export type WantItem = { "type": "whole", 
/**
 * The first entry.
 */
first: number, 
/**
 * How many entries, at least 1; all runs of one [`ReceiverMessage::Want`] together at most
 * [`MAX_PAGE_ENTRIES`], because skipping entries without content is work that no credit limits.
 */
count: number, } | { "type": "part", 
/**
 * The file's entry.
 */
entry: number, 
/**
 * The first chunk.
 */
first: number, 
/**
 * How many chunks, at least 1.
 */
count: number, };

/**
 * Why the sender gives up on one entry.
 */
export type EntryFailure = 'changed' | Unreadable;

/**
 * One file, directory or symlink of a share.
 */
export type Entry = { 
/**
 * Where it is within the share.
 */
path: RelPath, 
/**
 * What it is.
 */
kind: EntryKind, 
/**
 * When it was last changed.
 */
mtime: Mtime, };

/**
 * What an entry is.
 */
export type EntryKind = { "type": "file", 
/**
 * In bytes, at most [`MAX_FILE_SIZE`].
 */
size: number, 
/**
 * Whether its owner may execute it.
 */
executable: boolean, } | { "type": "directory" } | { "type": "symlink", 
/**
 * As the link holds it.
 */
target: string, } | { "type": "unreadable" } & { reason: Unreadable };

/**
 * When a file was last changed: seconds and nanoseconds since 1970-01-01 UTC.
 */
export type Mtime = { 
/**
 * Whole seconds; negative before 1970.
 */
seconds: number, 
/**
 * 0 to 999,999,999.
 */
nanos: number, };

/**
 * Why the sender lists an entry that it can't send.
 */
export type Unreadable = "denied" | "special" | "name" | "failed";

/**
 * What the sender knows of the whole share so far; grows while the tree is walked.
 */
export type Totals = { 
/**
 * Full pages that can be asked for.
 */
pages: number, 
/**
 * Entries of every kind in those pages.
 */
entries: number, 
/**
 * Bytes of content in those pages.
 */
bytes: number, 
/**
 * Entries that are listed but can't be sent.
 */
unreadable: number, 
/**
 * Whether the walk is over and nothing will be added.
 */
complete: boolean, };

/**
 * What stands before every chunk in the record stream, and is authenticated with it.
 */
export type RecordHeader = { 
/**
 * The number of the entry in the manifest.
 */
entry: number, 
/**
 * The number of the chunk in its file.
 */
chunk: number, 
/**
 * Plaintext bytes, 1 to [`CHUNK_SIZE`].
 */
len: number, };

/**
 * Content that is wanted of one file.
 */
export type Want = { 
/**
 * The file's number in the manifest.
 */
entry: number, 
/**
 * The chunks that are missing, ascending and disjoint.
 */
ranges: Array<{ start: number, end: number, }>, };

/**
 * One chunk to be read from the source.
 */
export type Piece = { 
/**
 * The file's number in the manifest.
 */
entry: number, 
/**
 * The chunk's number in the file.
 */
chunk: number, 
/**
 * Its bytes.
 */
len: number, };

/**
 * What a share holds, in short. It is shown and nothing else: what is received is checked against the manifest.
 */
export type Summary = { 
/**
 * The share's display name; cut to 255 bytes when it is sealed.
 */
name: string, 
/**
 * Files, directories and symlinks.
 */
entries: number, 
/**
 * Bytes of content.
 */
bytes: number, 
/**
 * Whether this is all, or the sender is still walking its disk.
 */
complete: boolean, };

/**
 * `POST /api/shares`: opens a share, or opens it again after either side lost it.
 */
export type CreateShare = { 
/**
 * [`crate::VERSION`].
 */
version: number, 
/**
 * Proves ownership: the share's id is its hash.
 */
owner_key: OwnerKey, 
/**
 * What receivers' proofs are checked against.
 */
join_hash: JoinHash, 
/**
 * How many receivers may be connected at once, 1 to [`MAX_SLOTS`].
 */
slots: number, 
/**
 * What the share holds, sealed for those who hold the link; at most [`MAX_SUMMARY_LEN`] characters.
 */
summary?: string | null, 
/**
 * Receivers that the sender is connected with, for a server that has lost the share; at most `slots`.
 */
active?: Array<PeerId>, };

/**
 * The answer to [`CreateShare`].
 */
export type ShareCreated = { 
/**
 * The share's id.
 */
share: ShareId, 
/**
 * Opens the sender's WebSocket.
 */
token: string, };

/**
 * `POST /api/shares/{id}/receivers`: takes a place in line.
 */
export type JoinShare = { 
/**
 * [`crate::VERSION`].
 */
version: number, 
/**
 * Proves that the link is held.
 */
join_key: JoinKey, 
/**
 * Chosen by the receiver at random and kept across reconnects, so that it keeps its place.
 */
peer: PeerId, 
/**
 * The ticket it had, so that a server that has lost the queue gives it its old place.
 */
ticket?: string | null, };

/**
 * The answer to [`JoinShare`].
 */
export type ShareJoined = { 
/**
 * Names the receiver to the server from now on, on its WebSocket too.
 */
ticket: string, 
/**
 * Its place.
 */
place: Place, 
/**
 * What the share holds, sealed, if its sender has said.
 */
summary?: string | null, };

/**
 * A receiver's place, as HTTP and the event stream tell it.
 */
export type Place = { 
/**
 * Says which way to hear news: a WebSocket for `active`, a long poll for `near`, an event stream for `far`.
 */
tier: Tier, 
/**
 * Receivers ahead of this one that wait for a slot.
 */
ahead: number, 
/**
 * The share's slots.
 */
slots: number, 
/**
 * A slot is kept for it: it has so many milliseconds to open its WebSocket.
 */
lease_ms?: number | null, 
/**
 * Whether the sender is there; nobody is let in while it is not.
 */
sender_here: boolean, 
/**
 * Changes when anything above does but `lease_ms`: what a long poll waits for, and the event stream's ids.
 */
version: string, };

/**
 * The three ways of being in a queue, by position: each has its own way to hear news.
 */
export type Tier = "active" | "near" | "far";

/**
 * How far an active receiver is, by its own account.
 */
export type Progress = "connected" | "downloading" | "completed" | "failed";

/**
 * A STUN or TURN server, in the shape that browsers take (W3C WebRTC, `RTCIceServer`).
 */
export type IceServer = { 
/**
 * Addresses, such as `stun:host:3478` or `turn:host:3478` (RFC 7064, RFC 7065).
 */
urls: Array<string>, 
/**
 * The user at a TURN server.
 */
username?: string | null, 
/**
 * The password at a TURN server.
 */
credential?: string | null, };

/**
 * The answer to `GET /api/shares/{id}/ice`.
 */
export type IceServers = { 
/**
 * Servers that help to find a path.
 */
ice_servers: Array<IceServer>, 
/**
 * Seconds for which the credentials are good; absent where there are none.
 */
ttl?: number | null, };

/**
 * The answer to `GET /api/shares/{id}/summary`, and what a sender says when it changes.
 */
export type SealedSummary = { 
/**
 * What the share holds, sealed for those who hold the link; at most [`MAX_SUMMARY_LEN`] characters.
 */
summary: string, };

/**
 * The body of every HTTP error, and of [`ServerMessage::Error`].
 */
export type ErrorBody = { 
/**
 * What went wrong.
 */
code: Code, 
/**
 * The same as a sentence.
 */
message: string, };

/**
 * One step in bringing two peers together; the server relays it unread.
 */
export type Signal = { "type": "request", 
/**
 * Counts up from 1 within one receiver; all that follows carries it.
 */
attempt: number, } | { "type": "offer", 
/**
 * The attempt this belongs to.
 */
attempt: number, 
/**
 * At most [`MAX_SDP_LEN`] bytes.
 */
sdp: string, } | { "type": "answer", 
/**
 * The attempt this belongs to.
 */
attempt: number, 
/**
 * At most [`MAX_SDP_LEN`] bytes.
 */
sdp: string, } | { "type": "candidate", 
/**
 * The attempt this belongs to.
 */
attempt: number, 
/**
 * The candidate line, at most [`MAX_CANDIDATE_LEN`] bytes.
 */
candidate: string, 
/**
 * The media stream identification tag.
 */
sdp_mid?: string | null, 
/**
 * The index of the media description.
 */
sdp_mline_index?: number | null, };

/**
 * What a peer says on its WebSocket.
 */
export type ClientMessage = { "type": "authorize", 
/**
 * The owner token or the ticket.
 */
token: string, } | { "type": "relay", 
/**
 * The receiver meant, from a sender.
 */
peer?: PeerId | null, 
/**
 * What is relayed.
 */
signal: Signal, } | { "type": "leave" } | { "type": "progress", 
/**
 * How far.
 */
progress: Progress, } | { "type": "summary", 
/**
 * Sealed, at most [`MAX_SUMMARY_LEN`] characters.
 */
summary: string, } | { "type": "dismiss", 
/**
 * The receiver meant.
 */
peer: PeerId, } | { "type": "end" };

/**
 * What the server says on a WebSocket.
 */
export type ServerMessage = { "type": "opened", 
/**
 * The receivers that hold a slot.
 */
active: Array<PeerId>, 
/**
 * How many wait.
 */
waiting: number, } | { "type": "admitted" } | { "type": "joined", 
/**
 * Which one.
 */
peer: PeerId, } | { "type": "left", 
/**
 * Which one.
 */
peer: PeerId, } | { "type": "waiting", 
/**
 * Receivers without a slot.
 */
count: number, } | { "type": "relay", 
/**
 * The receiver that said it, to a sender.
 */
peer?: PeerId | null, 
/**
 * What was said.
 */
signal: Signal, } | { "type": "sender_away" } | { "type": "sender_back" } | { "type": "ended", 
/**
 * [`Code::ShareEnded`]; [`Code::SenderGone`] when the sender was away for too long; to a receiver
 * that the sender let go, [`Code::LetGo`].
 */
code: Code, } | { "type": "error" } & ErrorBody;

