// Any view of the page, for looking at it: `npm run dev:browser`, then
// /preview.html?view=choosing&language=de&plain. Not part of the build.
import '../shared/tokens.css';
import '../shared/controls.css';
import { mount } from 'svelte';
import { Link } from '../protocol/link';
import { Language } from '../shared/language.svelte';
import { FakeReceiving, FakeSending } from './fake';
import { LINK, RECEIVE_VIEWS, SEND_VIEWS } from './fixtures/views';
import Page from './Page.svelte';
import type { ReceiveView, SendView } from './page';
import type { Route } from './route';

const wanted = new URLSearchParams(location.search);
const name = wanted.get('view') ?? 'ready';
const target = document.getElementById('app');
if (target === null) {
  throw new Error('preview.html has no element with the id "app"');
}
const receive = (RECEIVE_VIEWS as Record<string, ReceiveView>)[name];
const send = (SEND_VIEWS as Record<string, SendView>)[name];
const route: Route =
  receive !== undefined
    ? { at: 'receive', link: Link.parse(LINK) }
    : send !== undefined
      ? { at: 'send' }
      : { at: 'broken', code: 'link_invalid' };
mount(Page, {
  target,
  props: {
    route,
    language: new Language(wanted.get('language') ?? 'en'),
    receiving: receive === undefined ? undefined : new FakeReceiving(receive),
    sending: send === undefined ? undefined : new FakeSending(send),
    server: 'sluice.example',
    secure: !wanted.has('plain'),
  },
});
