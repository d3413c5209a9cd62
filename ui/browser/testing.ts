// The page over a fake, drawn in one of its states; for tests.
import { render } from '@testing-library/svelte';
import { Link } from '../protocol/link';
import { Language } from '../shared/language.svelte';
import { FakeReceiving, FakeSending } from './fake';
import { LINK, RECEIVE_VIEWS, SEND_VIEWS } from './fixtures/views';
import Page from './Page.svelte';
import type { ReceiveView, SendView } from './page';
import type { Route } from './route';
import { settle } from '../shared/testing';

export { settle, violations } from '../shared/testing';

/** How the page was come to. */
export interface Around {
  tag?: string;
  secure?: boolean;
}

interface Drawn {
  container: HTMLElement;
  language: Language;
}

async function draw(
  props: { route: Route; receiving?: FakeReceiving; sending?: FakeSending },
  { tag = 'en', secure = true }: Around,
): Promise<Drawn> {
  const language = new Language(tag);
  const server = 'sluice.example';
  const { container } = render(Page, { ...props, language, server, secure });
  await settle();
  return { container, language };
}

/** The page that receives, in this state. */
export async function drawReceive(
  view: keyof typeof RECEIVE_VIEWS | ReceiveView,
  around: Around = {},
): Promise<Drawn & { receiving: FakeReceiving }> {
  const receiving = new FakeReceiving(typeof view === 'string' ? RECEIVE_VIEWS[view] : view);
  const drawn = await draw({ route: { at: 'receive', link: Link.parse(LINK) }, receiving }, around);
  return { ...drawn, receiving };
}

/** The page that sends, in this state. */
export async function drawSend(
  view: keyof typeof SEND_VIEWS | SendView,
  around: Around = {},
): Promise<Drawn & { sending: FakeSending }> {
  const sending = new FakeSending(typeof view === 'string' ? SEND_VIEWS[view] : view);
  const drawn = await draw({ route: { at: 'send' }, sending }, around);
  return { ...drawn, sending };
}

/** The page behind an address that is no link. */
export function drawBroken(route: Route & { at: 'broken' }): Promise<Drawn> {
  return draw({ route }, {});
}
