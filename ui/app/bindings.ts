// The types that the window and the shell speak in; made from `src-tauri/app/api` by its tests with SLUICE_BLESS=1.

/** All codes that an error can have, in the order of the protocol. */
export const CODES = [
  'link_invalid',
  'link_insecure',
  'link_rejected',
  'password_needed',
  'sender_not_authentic',
  'fingerprint_mismatch',
  'version_unsupported',
  'chunk_forged',
  'frame_forged',
  'chunk_unexpected',
  'frame_invalid',
  'manifest_invalid',
  'share_not_found',
  'share_ended',
  'sender_gone',
  'peer_left',
  'not_authorised',
  'let_go',
  'server_unreachable',
  'server_failed',
  'not_your_turn',
  'share_full',
  'server_full',
  'rate_limited',
  'store_unavailable',
  'server_stopping',
  'relay_refused',
  'request_invalid',
  'share_taken',
  'no_connection',
  'stalled',
  'disk_full',
  'disk_failed',
  'destination_gone',
  'destination_busy',
  'source_changed',
  'source_unreadable',
  'source_missing',
  'interrupted',
] as const;

/** A stable error code. */
export type Code = (typeof CODES)[number];

/** How far from a slot a receiver is. */
export type Tier = 'active' | 'near' | 'far';

/**
 * Everything there is, for a window that has just been opened.
 */
export type Snapshot = { 
/**
 * Shares, oldest first.
 */
shares: Array<ShareView>, 
/**
 * Downloads, oldest first.
 */
downloads: Array<DownloadView>, 
/**
 * The settings as they are kept.
 */
settings: Settings, 
/**
 * The system's language, as a tag of BCP 47, for a person who has chosen none.
 */
systemLanguage: string, 
/**
 * The version of the app.
 */
version: string, 
/**
 * What is known of newer ones.
 */
update: UpdateView, 
/**
 * What the person should know that happened before the window was there, such as settings that could not be read.
 */
notices: Array<Notice>, };

/**
 * What the shell tells the window.
 */
export type AppEvent = { "event": "share", 
/**
 * All of it.
 */
view: ShareView, } | { "event": "shareGone", 
/**
 * Which one.
 */
id: string, } | { "event": "download", 
/**
 * All of it.
 */
view: DownloadView, } | { "event": "downloadGone", 
/**
 * Which one.
 */
id: string, } | { "event": "dragging", 
/**
 * Whether it is.
 */
over: boolean, } | { "event": "settings", 
/**
 * All of them.
 */
settings: Settings, } | { "event": "update", 
/**
 * All of it.
 */
update: UpdateView, } | { "event": "history" } | { "event": "show", 
/**
 * Which one.
 */
place: Place, 
/**
 * The share or download that it is about.
 */
id: string | null, } | { "event": "notice", 
/**
 * What.
 */
notice: Notice, };

/**
 * Where the search for a newer version stands.
 */
export type UpdateView = { "state": "off" } | { "state": "unknown" } | { "state": "looking" } | { "state": "newest" } | { "state": "found", 
/**
 * Which.
 */
version: string, } | { "state": "fetching", 
/**
 * Which.
 */
version: string, 
/**
 * Bytes that are here.
 */
bytes: number, 
/**
 * Of so many, if that is known.
 */
total: number | null, } | { "state": "ready", 
/**
 * Which.
 */
version: string, } | { "state": "failed", 
/**
 * What the layer below said.
 */
detail: string, };

/**
 * A place in the window.
 */
export type Place = "share" | "receive" | "history" | "settings";

/**
 * Something that happened beside shares and downloads.
 */
export type Notice = { "notice": "setAside", 
/**
 * What it held: `settings`, `history`, `shares` or `downloads`.
 */
what: string, 
/**
 * Where it is now.
 */
path: string, } | { "notice": "badLink", 
/**
 * Why.
 */
code: Code, } | { "notice": "failed", 
/**
 * Why.
 */
code: Code, 
/**
 * What the system said.
 */
detail: string | null, } | { "notice": "noTray" };

/**
 * Why a command could not be carried out.
 */
export type Failure = { 
/**
 * The stable code; the window has a sentence and a next step for each.
 */
code: Code, 
/**
 * What the system said, for those who look closer.
 */
detail: string | null, };

/**
 * A QR code, as dark squares.
 */
export type QrCode = { 
/**
 * Squares a side, without a margin.
 */
size: number, 
/**
 * The dark ones as the `d` of an SVG path whose unit is a square.
 */
path: string, };

/**
 * How far from the peer the bytes travel.
 */
export type PathKind = "local" | "direct" | "relayed";

/**
 * What a person decides about a share; all of it can be changed while it runs.
 */
export type ShareTerms = { 
/**
 * The display name; by default that of the first file or folder.
 */
name: string | null, 
/**
 * A password that receivers must know beside the link. To change it makes a new link.
 */
password: string | null, 
/**
 * When the share ends by itself.
 */
endsAt: number | null, 
/**
 * After how many whole downloads it ends by itself.
 */
downloads: number | null, 
/**
 * The most bytes a second to all receivers together.
 */
limit: number | null, 
/**
 * Receivers at the same time; by default what the settings say.
 */
slots: number | null, };

/**
 * One share.
 */
export type ShareView = { 
/**
 * Its id in this app.
 */
id: string, 
/**
 * Its display name.
 */
name: string, 
/**
 * The link, once there is one.
 */
link: string | null, 
/**
 * The same as a deep link.
 */
deepLink: string | null, 
/**
 * What goes on.
 */
state: ShareState, 
/**
 * What was decided about it; never the password itself, which is `""` when there is one.
 */
terms: ShareTerms, 
/**
 * Files, directories and symlinks, as far as they are counted.
 */
entries: number, 
/**
 * Bytes of content, as far as they are counted.
 */
bytes: number, 
/**
 * Entries that can't be read here.
 */
unreadable: number, 
/**
 * Whether everything is counted.
 */
counted: boolean, 
/**
 * Receivers at the same time.
 */
slots: number, 
/**
 * Those in slots, by slot.
 */
receivers: Array<ReceiverView>, 
/**
 * Those who wait for a slot.
 */
waiting: number, 
/**
 * Whole downloads so far.
 */
done: number, 
/**
 * Bytes a second to all receivers together.
 */
rate: number, 
/**
 * Bytes sent since it was begun.
 */
sent: number, 
/**
 * `rate` as it was, one a second, the newest last; at most 120.
 */
plot: Array<number>, 
/**
 * When it was begun.
 */
begunAt: number, 
/**
 * Whether it is reached only in this network, or only on this computer.
 */
reach: Reach, };

/**
 * What goes on with a share.
 */
export type ShareState = { "state": "starting" } | { "state": "live" } | { "state": "paused" } | { "state": "serverLost", 
/**
 * Why.
 */
code: Code, } | { "state": "failed", 
/**
 * Why.
 */
code: Code, 
/**
 * What the system said.
 */
detail: string | null, } | { "state": "ended" };

/**
 * From where a share can be reached.
 */
export type Reach = "server" | "network" | "computer";

/**
 * A receiver in its slot.
 */
export type ReceiverView = { 
/**
 * Which one.
 */
id: string, 
/**
 * Its slot, from 0.
 */
slot: number, 
/**
 * What it calls itself, once it has proved that it holds the link.
 */
name: string | null, 
/**
 * What goes on.
 */
state: ReceiverState, 
/**
 * The way to it, where known.
 */
path: PathKind | null, 
/**
 * Bytes durable there.
 */
bytes: number, 
/**
 * Bytes of all that it chose, where known.
 */
total: number | null, 
/**
 * Bytes a second.
 */
rate: number, 
/**
 * Seconds until it has all, where known.
 */
secondsLeft: number | null, 
/**
 * The most bytes a second to it.
 */
limit: number | null, 
/**
 * Entries that could not be sent to it.
 */
failed: number, };

/**
 * What goes on with a receiver.
 */
export type ReceiverState = "connecting" | "active" | "paused" | "lost" | "done";

/**
 * One download, from the link to its end.
 */
export type DownloadView = { 
/**
 * Its id in this app.
 */
id: string, 
/**
 * The share's display name, once it is known.
 */
name: string | null, 
/**
 * The server in the link, without the rest of it.
 */
server: string, 
/**
 * What goes on.
 */
state: DownloadState, 
/**
 * What is offered, as far as it is known.
 */
offer: Offer | null, 
/**
 * Whether the person has chosen, so that it goes on by itself.
 */
started: boolean, 
/**
 * What of the offer is ticked.
 */
chosen: Chosen, 
/**
 * The folder that it goes to.
 */
folder: string, 
/**
 * Free bytes there, where known.
 */
free: number | null, 
/**
 * What happens to files that exist.
 */
conflict: ConflictChoice, 
/**
 * How far it is, once it has begun.
 */
progress: DownloadProgress | null, 
/**
 * The way to the sender, where known.
 */
path: PathKind | null, 
/**
 * Bytes a second.
 */
rate: number, 
/**
 * `rate` as it was, one a second, the newest last; at most 120.
 */
plot: Array<number>, 
/**
 * Entries that were renamed, skipped or failed; the first 500.
 */
reports: Array<ReportView>, 
/**
 * All such entries.
 */
reportCount: number, 
/**
 * When it was opened.
 */
begunAt: number, };

/**
 * What goes on with a download.
 */
export type DownloadState = { "state": "joining" } | { "state": "passwordNeeded", 
/**
 * Whether one was given and is wrong.
 */
wrong: boolean, } | { "state": "waiting", 
/**
 * How far from one.
 */
tier: Tier, 
/**
 * Receivers ahead.
 */
ahead: number, 
/**
 * The share's slots.
 */
slots: number, 
/**
 * Seconds until there is one, if the line moves on as it has.
 */
waitSeconds: number | null, } | { "state": "senderAway" } | { "state": "connecting" } | { "state": "choosing", 
/**
 * Until when the slot is kept; `None` when it was given up, to be asked for again.
 */
keptUntil: number | null, } | { "state": "downloading" } | { "state": "paused" } | { "state": "pausedBySender" } | { "state": "retrying", 
/**
 * Why.
 */
code: Code, 
/**
 * Seconds until the next attempt.
 */
seconds: number, } | { "state": "done" } | { "state": "failed", 
/**
 * Why.
 */
code: Code, 
/**
 * What the system said.
 */
detail: string | null, };

/**
 * What a share offers.
 */
export type Offer = { 
/**
 * Files, directories and symlinks.
 */
entries: number, 
/**
 * Bytes of content.
 */
bytes: number, 
/**
 * Entries that the sender can't read.
 */
unreadable: number, 
/**
 * Whether this is all.
 */
complete: boolean, 
/**
 * Whether its tree can be looked at; else only these sums are known.
 */
listed: boolean, };

/**
 * What of an offer is ticked.
 */
export type Chosen = { 
/**
 * Entries.
 */
entries: number, 
/**
 * Bytes.
 */
bytes: number, };

/**
 * What happens to files that exist.
 */
export type ConflictChoice = "skip" | "rename" | "overwrite";

/**
 * How far a download is.
 */
export type DownloadProgress = { 
/**
 * Bytes received, or already there.
 */
bytes: number, 
/**
 * Of these, durable on disk.
 */
durableBytes: number, 
/**
 * Entries in place.
 */
entries: number, 
/**
 * Bytes of all that is chosen, as far as it is known.
 */
totalBytes: number, 
/**
 * Entries of all that is chosen, as far as it is known.
 */
totalEntries: number, 
/**
 * Whether the totals are final.
 */
complete: boolean, 
/**
 * Seconds until the end, where known.
 */
secondsLeft: number | null, 
/**
 * The path of the entry that arrives, within the share.
 */
current: string | null, };

/**
 * What became of an entry that was not simply written under its own name.
 */
export type ReportView = { 
/**
 * Its path within the share.
 */
path: string, 
/**
 * What became of it.
 */
outcome: ReportOutcome, 
/**
 * For `renamed` its new path; for `skipped` the reason, for `failed` the code, as stable texts.
 */
detail: string, };

/**
 * What became of an entry.
 */
export type ReportOutcome = "renamed" | "skipped" | "failed";

/**
 * Some rows of what is offered, as a tree of which some folders are open.
 */
export type Rows = { 
/**
 * All rows that there are, with the folders that are open.
 */
total: number, 
/**
 * The first of `rows`, from 0.
 */
from: number, 
/**
 * The rows that were asked for, as far as they are there.
 */
rows: Array<Row>, };

/**
 * An entry of what is offered.
 */
export type Row = { 
/**
 * Its number, to open or tick it by.
 */
node: number, 
/**
 * How many folders it is in.
 */
depth: number, 
/**
 * The number of the row of the folder that it is in, if it is in one.
 */
parent: number | null, 
/**
 * Its name, without those folders.
 */
name: string, 
/**
 * What it is.
 */
kind: RowKind, 
/**
 * Bytes; of a folder, those of all within.
 */
bytes: number, 
/**
 * Files within a folder, at any depth.
 */
files: number, 
/**
 * Whether it is a folder that is open.
 */
open: boolean, 
/**
 * Whether it is ticked.
 */
tick: Tick, };

/**
 * What an entry is.
 */
export type RowKind = "file" | "folder" | "link" | "unreadable";

/**
 * Whether an entry is ticked.
 */
export type Tick = "all" | "some" | "none";

/**
 * What a person has settled.
 */
export type Settings = { 
/**
 * The server that introduces peers; `None` for the one in this app.
 */
server: string | null, 
/**
 * Where the server in this app listens.
 */
embeddedPort: number, 
/**
 * Addresses of STUN and TURN servers, beside those that the server names.
 */
ice: Array<IceSetting>, 
/**
 * Receivers of a share at the same time.
 */
slots: number, 
/**
 * The most bytes a second that each share sends.
 */
limit: number | null, 
/**
 * Where downloads go, chosen in a dialog; `None` for the system's own folder for them.
 */
downloadFolder: string | null, 
/**
 * What this computer calls itself to senders; `None` for its host name.
 */
name: string | null, 
/**
 * Whether the app starts with the person's session, in the tray.
 */
startAtLogin: boolean, 
/**
 * Whether the system's notifications are used.
 */
notifications: boolean, 
/**
 * The language, as a tag of BCP 47; `None` for the system's.
 */
language: string | null, };

/**
 * A STUN or TURN server.
 */
export type IceSetting = { 
/**
 * Such as `stun:host:3478` or `turn:host:3478` (RFC 7064, RFC 7065).
 */
url: string, 
/**
 * The user at a TURN server.
 */
username: string, 
/**
 * The password at a TURN server.
 */
credential: string, };

/**
 * One thing that a test of the connection looked at.
 */
export type Check = { 
/**
 * What.
 */
of: CheckOf, 
/**
 * How it went.
 */
result: CheckResult, 
/**
 * An address, a time in milliseconds, or what the system said.
 */
detail: string | null, };

/**
 * What a test of the connection looks at.
 */
export type CheckOf = "server" | "stun" | "turn" | "localNetwork";

/**
 * How a check went.
 */
export type CheckResult = "works" | "notSet" | "fails";

/**
 * Something that was shared or received, on this computer.
 */
export type HistoryItem = { 
/**
 * Its id in this app.
 */
id: string, 
/**
 * Whether it was shared; else received.
 */
shared: boolean, 
/**
 * The share's display name.
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
 * Whole downloads of a share; 1 or 0 of a download.
 */
done: number, 
/**
 * The code that it ended with, if it was not well.
 */
code: string | null, 
/**
 * Where a download went.
 */
folder: string | null, 
/**
 * When it was begun.
 */
begunAt: number, 
/**
 * When it was over.
 */
endedAt: number, };

