// What a browser's storage says when it fails, as the codes that people are told.
import type { Code } from '../../protocol/bindings';
import { ProtocolError } from '../../protocol/error';

/** What a storage call threw, as a `ProtocolError`. */
export function trouble(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) {
    return error;
  }
  const name = nameOf(error);
  return new ProtocolError(codeOf(name), `${name} ${error instanceof Error ? error.message : ''}`);
}

/** The name that DOM errors are told apart by. */
export function nameOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.name : 'unknown';
}

function codeOf(name: string): Code {
  switch (name) {
    case 'QuotaExceededError':
      return 'disk_full';
    // Removed, moved, or the permission was taken back.
    case 'NotFoundError':
    case 'NotAllowedError':
    case 'SecurityError':
      return 'destination_gone';
    default:
      return 'disk_failed';
  }
}
