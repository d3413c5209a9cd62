// What went wrong, as the views are told of it.
import { ProtocolError } from '../protocol/error';
import type { Trouble } from './page';

/** The code and the browser's own words; what is no {@link ProtocolError} is a mistake of this page. */
export function toTrouble(error: unknown): Trouble {
  if (error instanceof ProtocolError) {
    return { code: error.code, detail: error.detail === '' ? null : error.detail };
  }
  return { code: 'interrupted', detail: error instanceof Error ? error.message : null };
}
