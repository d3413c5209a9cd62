// What the page is for, by its address: a link that is received, or sending.
import type { Code } from '../protocol/bindings';
import { ProtocolError } from '../protocol/error';
import { Link } from '../protocol/link';

/** What the page is for. */
export type Route =
  | { at: 'receive'; link: Link }
  /** Behind `/s/` stands something that is no link, or one that must not be followed. */
  | { at: 'broken'; code: Code }
  | { at: 'send' };

/** Reads the address of the page, whole. */
export function readRoute(address: string): Route {
  if (!new URL(address).pathname.startsWith('/s/')) {
    return { at: 'send' };
  }
  try {
    return { at: 'receive', link: Link.parse(address) };
  } catch (error) {
    return { at: 'broken', code: error instanceof ProtocolError ? error.code : 'link_invalid' };
  }
}
