// What a person can do about each kind of failure. The sentence that says what happened is the message
// `error.CODE`, the button's label `step.STEP`.

/** What one button does next. */
export type Step =
  /** The same again. */
  | 'retry'
  /** Another link. */
  | 'link'
  /** The password. */
  | 'password'
  /** The settings, to look at the server and test the connection. */
  | 'settings'
  /** Another folder to write to. */
  | 'folder'
  /** Other files to share. */
  | 'choose';

/** The next step for each code of the protocol. */
export const STEPS = {
  link_invalid: 'link',
  link_insecure: 'link',
  link_rejected: 'link',
  password_needed: 'password',
  sender_not_authentic: 'link',
  fingerprint_mismatch: 'retry',
  version_unsupported: 'retry',
  chunk_forged: 'retry',
  frame_forged: 'retry',
  chunk_unexpected: 'retry',
  frame_invalid: 'retry',
  manifest_invalid: 'link',
  share_not_found: 'retry',
  share_ended: 'link',
  sender_gone: 'retry',
  peer_left: 'retry',
  not_authorised: 'link',
  server_unreachable: 'settings',
  server_failed: 'retry',
  not_your_turn: 'retry',
  share_full: 'retry',
  server_full: 'retry',
  rate_limited: 'retry',
  store_unavailable: 'retry',
  relay_refused: 'settings',
  request_invalid: 'settings',
  share_taken: 'retry',
  no_connection: 'settings',
  stalled: 'retry',
  disk_full: 'retry',
  disk_failed: 'retry',
  destination_gone: 'folder',
  destination_busy: 'folder',
  source_changed: 'retry',
  source_unreadable: 'retry',
  source_missing: 'choose',
  interrupted: 'retry',
} as const satisfies Record<string, Step>;
