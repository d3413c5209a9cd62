// The one error that leaves this room: a stable code, and what in particular was wrong.
import { type Code, SENTENCES } from './bindings';

/** Why something that came from outside is refused, or why a session ended. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';

  constructor(
    readonly code: Code,
    /** What in particular was wrong; may be empty. */
    readonly detail = '',
  ) {
    super(detail === '' ? code : `${code}: ${detail}`);
  }

  /** One plain English sentence: what happened, and what was kept. */
  get sentence(): string {
    return SENTENCES[this.code];
  }
}

/** The code with this text, if there is one. */
export function parseCode(text: string): Code | undefined {
  return Object.hasOwn(SENTENCES, text) ? (text as Code) : undefined;
}
