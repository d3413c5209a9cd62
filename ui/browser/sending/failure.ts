// What a browser says when it can't read a file, in the words of the protocol.
import type { EntryFailure } from '../../protocol/bindings';

/** Why an entry can't be sent; `NotReadableError` says most of all that the file is another than the one chosen. */
export function failureOf(error: unknown): EntryFailure {
  switch (error instanceof Error ? error.name : '') {
    case 'NotReadableError':
      return 'changed';
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    default:
      return 'failed';
  }
}
